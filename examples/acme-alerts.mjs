// All employees of an organisation, by role, scroll through an alert later: who is online hears it now, who is offline finds it.
//
//   ./demo                                       in one terminal; it prints the key
//   cd examples && npm ci && USERLINE_KEY=… node acme-alerts.mjs
//
// The backend says once who belongs to which room; that is kept until it takes it back. An alert then goes to a room, with
// `store`: into the inbox of every member, here or not.
import { io } from "socket.io-client";

const api = process.env.USERLINE_URL ?? "http://127.0.0.1:4001";
const clients = process.argv[2] ?? "http://127.0.0.1:4000";
const say = (...what) => console.log(...what);

async function call(method, path, body) {
  const response = await fetch(`${api}/v1/${path}`, {
    method,
    headers: { authorization: `Bearer ${process.env.USERLINE_KEY}`, "content-type": "application/json" },
    body: body && JSON.stringify(body),
  });
  const answer = await response.json();
  if (!response.ok) throw new Error(`${method} ${path}: ${JSON.stringify(answer)}`);
  return answer;
}

/** A client of `user`, once it is in. `userline dev` trusts the name; else there is a token. */
function connect(user) {
  const socket = io(clients, { forceNew: true, auth: { user } });
  socket.on("alert", ({ text }) => say(`${user} hears: ${text}`));
  return new Promise((done) => socket.on("userline:session", () => done(socket)));
}

// 1. Who works at Acme, and as what: also for those who have never connected.
const employees = { ann: "buyer", bob: "seller", eve: "buyer" };
for (const [user, role] of Object.entries(employees)) {
  for (const room of ["org:acme", `org:acme:role:${role}`]) {
    await call("PUT", `users/${user}/rooms/${encodeURIComponent(room)}`);
  }
}

// 2. Ann is online. Bob and Eve are not.
const ann = await connect("ann");

// 3. One alert for everybody, and one for buyers.
const alert = (room, text) => ({ to: { rooms: [room] }, event: "alert", data: { text }, store: "always", ttl: "7d" });
const all = await call("POST", "emit", alert("org:acme", "the office is closed on Friday"));
say("everybody:", all.sent, "heard it,", all.members.stored, "of", all.members.users, "have it");
const buyers = await call("POST", "emit", alert("org:acme:role:buyer", "prices have changed"));
say("buyers:", buyers.sent, "heard it,", buyers.members.stored, "of", buyers.members.users, "have it");

// 4. Later the others come, and scroll.
const later = [await connect("eve"), await connect("bob")];
for (const [socket, user] of [[later[0], "eve"], [later[1], "bob"]]) {
  const page = await socket.emitWithAck("userline:inbox", { limit: 2 });
  say(`${user} scrolls: ${page.items.map((it) => it.args[0].text).join(" | ")}`);
}

for (const socket of [ann, ...later]) socket.disconnect();
