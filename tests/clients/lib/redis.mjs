// A Redis of a test's own, without anything on disk, on a free port.
import { spawn } from "node:child_process";
import net from "node:net";
import { until } from "./wait.mjs";

async function freePort() {
  const server = net.createServer().listen(0, "127.0.0.1");
  await until("a port", () => server.listening);
  const { port } = server.address();
  await new Promise((done) => server.close(done));
  return port;
}

export class Redis {
  /** Starts one; `args` are further arguments of redis-server, `{port}` in them is its port, for `--tls-port`. */
  static async start(...args) {
    const redis = new Redis();
    redis.port = await freePort();
    redis.args = args;
    await redis.up();
    return redis;
  }

  get url() {
    return `${this.args.includes("--tls-port") ? "rediss" : "redis"}://127.0.0.1:${this.port}`;
  }

  /** Runs it, again after `stop` on the same port. */
  async up() {
    const plain = this.args.includes("--tls-port") ? "0" : String(this.port);
    const args = this.args.map((it) => it.replace("{port}", this.port));
    this.child = spawn("redis-server", ["--port", plain, "--bind", "127.0.0.1", "--save", "", ...args], { stdio: "ignore" });
    // It ends with the tests, and must not keep them from their end.
    this.child.unref();
    const kill = () => this.child.kill("SIGKILL");
    process.once("exit", kill);
    this.ended = new Promise((done) => this.child.once("close", done));
    this.child.once("close", () => process.off("exit", kill));
    await until("Redis", () => new Promise((done) => {
      const socket = net.connect(this.port, "127.0.0.1", () => done(true)).on("error", () => done(false));
      socket.once("connect", () => socket.destroy());
    }));
  }

  async stop() {
    this.child.ref();
    this.child.kill("SIGKILL");
    await this.ended;
  }
}
