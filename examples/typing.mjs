// "ann is typing…", and who is there: no backend, no code on the server, this configuration alone.
//
//   userline dev --set messages.client_to_client=rule --set messages.allow=typing \
//     --set 'messages.to_rooms=chat:*' --set 'presence.shown_to=shared_room:chat:*'
//
//   cd examples && npm ci
//   node typing.mjs http://127.0.0.1:4000 ann chat:7 bob     in one terminal: type something
//   node typing.mjs http://127.0.0.1:4000 bob chat:7 ann     in another
import { createInterface } from "node:readline";
import { io } from "socket.io-client";

const [url = "http://127.0.0.1:4000", user = "ann", room = "chat:7", ...others] = process.argv.slice(2);
/** How long somebody is said to type after the last sign of it. */
const SHOWN_MS = 3000;

// `userline dev` believes the rooms; for real they come from the token, and nobody types in a room that is not its own.
const socket = io(url, { auth: { user, rooms: [room] } });

const typing = new Map();
// The second argument is the server's: nobody can type as somebody else.
socket.on("typing", (_, { from }) => {
  if (!typing.has(from.user)) console.log(`${from.user} is typing…`);
  clearTimeout(typing.get(from.user));
  const stop = () => typing.delete(from.user) && console.log(`${from.user} has stopped`);
  typing.set(from.user, setTimeout(stop, SHOWN_MS));
});

socket.on("connect", async () => {
  // The list is this connection's own: it is given at each connect, and the answer is what is so now.
  const answer = await socket.emitWithAck("userline:watch", { users: others });
  console.log(answer.error ? `refused: ${answer.error.code}` : `here: ${answer.online.join(", ") || "nobody"}`);
});
socket.on("userline:presence", ({ user: who, online }) => console.log(`${who} ${online ? "has come" : "is gone"}`));
socket.on("connect_error", (error) => console.error(error.data?.code ?? error.message));

// At most once a second, and never kept for somebody who is busy: the next sign is as good.
let last = 0;
createInterface({ input: process.stdin }).on("line", () => {
  if (Date.now() - last < 1000) return;
  last = Date.now();
  socket.volatile.emit("userline:emit", { to: { room }, event: "typing", data: null, except: "user", volatile: true });
});
