// Socket.IO on Node over a Redis adapter: `node server.mjs streams|pubsub REDIS-URL`. Prints `public URL` once it listens.
import { createServer } from "node:http";
import { createAdapter as pubsub } from "@socket.io/redis-adapter";
import { createAdapter as streams } from "@socket.io/redis-streams-adapter";
import { createClient } from "redis";
import { Server } from "socket.io";
import { emit, serve } from "../../compare/job.mjs";

const [kind, url] = process.argv.slice(2);
const connect = async () => {
  const client = createClient({ url });
  // The client connects again by itself; without a listener it would end the process.
  client.on("error", () => {});
  await client.connect();
  return client;
};
const adapter = kind === "streams" ? streams(await connect()) : pubsub(await connect(), await connect());

const http = createServer((request, response) => {
  const chunks = [];
  request.on("data", (chunk) => chunks.push(chunk));
  request.on("end", () => {
    emit(io, Buffer.concat(chunks).toString());
    response.writeHead(200, { "content-type": "application/json", "content-length": 2 }).end("{}");
  });
});
const io = new Server({ adapter });
io.attach(http);
serve(io);
http.listen(0, "127.0.0.1", 4096, () => console.log(`public http://127.0.0.1:${http.address().port}`));
// An adapter that publishes while Redis is away rejects a promise of its own, which would end the process.
process.on("unhandledRejection", () => {});
process.on("SIGTERM", () => process.exit(0));
