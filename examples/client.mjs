// A Node client: signs in with a function, hears events, measures the round trip, comes back after a restart.
//
//   cd examples && npm ci
//   node client.mjs http://127.0.0.1:4000 ann              against `userline dev`, which trusts the name
//   TOKEN_COMMAND='userline token --user ann' node client.mjs https://rt.example.com
import { execFileSync } from "node:child_process";
import { randomUUID } from "node:crypto";
import { io } from "socket.io-client";

const [url = "http://127.0.0.1:4000", user = "ann"] = process.argv.slice(2);
const say = (what, ...more) => console.log(new Date().toISOString(), what, ...more);

// Names this client as long as it runs: an emit with `except: {devices: [device]}` reaches the user's other clients only.
const device = randomUUID();

// A function, not an object: it runs again at every reconnect, so the token is always a fresh one.
function credentials() {
  const command = process.env.TOKEN_COMMAND;
  if (!command) return { user, device };
  return { token: execFileSync("sh", ["-c", command], { encoding: "utf8" }).trim(), device };
}

const socket = io(url, { auth: (give) => give(credentials()) });

// Listeners stand outside "connect": inside it they would pile up, one more at every reconnect.
socket.onAny((event, ...args) => {
  if (!event.startsWith("userline:")) say("event", event, JSON.stringify(args));
});

socket.on("userline:session", ({ user, socket: id }) => say("session", `user=${user} socket=${id}`));

socket.on("connect", async () => {
  say("connected", socket.io.engine.transport.name);
  const start = performance.now();
  try {
    const answer = await socket.timeout(5000).emitWithAck("userline:ping", { n: 1 });
    say("ping", JSON.stringify(answer), `${(performance.now() - start).toFixed(1)} ms`);
  } catch {
    say("ping", "no answer within 5 s");
  }
});

socket.on("disconnect", (reason) => {
  // active: the client comes back by itself. Not active: it was told to stay away, or said goodbye itself.
  say("disconnected", reason, socket.active ? "coming back" : "staying away");
  if (reason === "io server disconnect") process.exit(1);
});

socket.on("connect_error", (error) => {
  if (socket.active) return say("retry", error.message); // the network or the server: the client tries again
  say("refused", error.data?.code ?? error.message); // the credentials: it needs others, then socket.connect()
  process.exit(1);
});

socket.on("userline:kicked", ({ reason }) => say("kicked", reason));
socket.io.on("reconnect_attempt", (n) => say("reconnecting", `attempt ${n}`));

process.on("SIGINT", () => {
  socket.disconnect();
  process.exit(0);
});
