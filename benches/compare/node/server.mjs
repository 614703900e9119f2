// Socket.IO on Node with ws. Prints `public URL` once it listens; ends with SIGTERM.
import { createServer } from "node:http";
import { Server } from "socket.io";
import { emit, serve } from "../job.mjs";

const http = createServer((request, response) => {
  if (request.method !== "POST" || request.url !== "/v1/emit") {
    response.writeHead(404).end();
    return;
  }
  const chunks = [];
  request.on("data", (chunk) => chunks.push(chunk));
  request.on("end", () => {
    emit(io, Buffer.concat(chunks).toString());
    response.writeHead(200, { "content-type": "application/json", "content-length": 2 }).end("{}");
  });
});
const io = new Server(http);
serve(io);
http.listen(0, "127.0.0.1", 4096, () => {
  console.log(`public http://127.0.0.1:${http.address().port}`);
});
process.on("SIGTERM", () => process.exit(0));
