// Socket.IO on Bun's engine. Prints `public URL` once it listens; ends with SIGTERM.
import { Server as Engine } from "@socket.io/bun-engine";
import { Server } from "socket.io";
import { emit, serve as serveJob } from "../job.mjs";

const io = new Server();
const engine = new Engine({ path: "/socket.io/" });
io.bind(engine);
serveJob(io);
const { websocket } = engine.handler();
const headers = { "content-type": "application/json" };
const server = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  idleTimeout: 60,
  websocket,
  async fetch(request, server) {
    const { pathname } = new URL(request.url);
    if (pathname === "/socket.io/") return engine.handleRequest(request, server);
    if (request.method !== "POST" || pathname !== "/v1/emit") return new Response(null, { status: 404 });
    emit(io, await request.text());
    return new Response("{}", { headers });
  },
});
console.log(`public http://127.0.0.1:${server.port}`);
process.on("SIGTERM", () => process.exit(0));
