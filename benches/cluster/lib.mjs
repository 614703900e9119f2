// What the benchmarks of several nodes stand on: a Redis of their own, nodes, and what each process has cost. Linux only.
import { execFileSync, spawn } from "node:child_process";
import { createHmac, randomBytes } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";

export const root = new URL("../..", import.meta.url).pathname;
export const userline = process.env.USERLINE_BIN ?? join(root, "target/release/userline");
export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));
const ticksPerSecond = Number(execFileSync("getconf", ["CLK_TCK"], { encoding: "utf8" }));
const started = new Set();
const folders = new Set();

function run(program, args, stdio) {
  const child = spawn(program, args.map(String), { stdio });
  started.add(child);
  child.over = new Promise((done) => child.once("exit", done));
  child.over.then(() => started.delete(child));
  return child;
}

process.on("exit", () => {
  for (const child of started) child.kill("SIGKILL");
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(130));

export function folder() {
  const path = mkdtempSync(join(tmpdir(), "userline-cluster-"));
  folders.add(path);
  return path;
}

export async function stop(child) {
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), 5000);
  await child.over;
  clearTimeout(timer);
}

/** Processor time that a process has taken, in seconds. */
export function cpu({ pid }) {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1].split(" ");
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond;
}

/** What the process says in lines `name value`, until all `names` were said. */
async function says(child, names) {
  const said = {};
  for await (const line of createInterface({ input: child.stdout })) {
    const [name, value] = line.trim().split(/\s+/);
    said[name] = value;
    if (names.every((it) => it in said)) {
      child.stdout.resume();
      return said;
    }
  }
  throw new Error("it ended before it listened");
}

const freePort = () =>
  new Promise((done) => {
    const server = createServer().listen(0, "127.0.0.1", () => {
      const { port } = server.address();
      server.close(() => done(port));
    });
  });

/** A Redis with its data in a folder of its own; `connect` makes a client of the package `redis`. */
export class Redis {
  static async start(connect) {
    const it = new Redis();
    Object.assign(it, { connect, dir: folder(), port: await freePort() });
    it.url = `redis://127.0.0.1:${it.port}`;
    await it.run();
    return it;
  }

  async run() {
    const args = ["--port", this.port, "--bind", "127.0.0.1", "--save", "", "--appendonly", "yes", "--dir", this.dir];
    this.child = run("redis-server", args, ["ignore", "ignore", "inherit"]);
    for (let tries = 0; ; tries += 1) {
      try {
        this.client = await this.connect(this.url);
        await this.client.ping();
        return;
      } catch (error) {
        if (200 < tries) throw error;
        await sleep(50);
      }
    }
  }

  async kill() {
    this.client.destroy();
    this.child.kill("SIGKILL");
    await this.child.over;
  }

  /** Figures of INFO by name. */
  async info() {
    const lines = (await this.client.info()).split("\r\n").map((line) => line.split(":"));
    return Object.fromEntries(lines.filter((it) => it.length === 2).map(([name, value]) => [name, Number(value)]));
  }

  async stop() {
    this.client.destroy();
    await stop(this.child);
  }
}

const [key, secret] = [randomBytes(32).toString("hex"), randomBytes(32).toString("hex")];
export { key, secret };

/** A node of userline. `sections` are added to its configuration. */
export async function node(redis, sections = "") {
  const dir = folder();
  const file = join(dir, "userline.toml");
  writeFileSync(
    file,
    `
[listen]
public = "127.0.0.1:0"
admin = "127.0.0.1:0"
drain = "0s"
[admin]
keys = [{ name = "bench", key = "${key}", scopes = ["emit", "read", "control"] }]
[auth.jwt]
secret = "${secret}"
[store]
data_dir = "${join(dir, "data")}"
[cluster]
redis = "${redis.url}"
${sections}`,
  );
  const child = run(userline, ["serve", "--config", file], ["ignore", "pipe", "ignore"]);
  const said = await says(child, ["public", "admin"]);
  return { child, url: said.public, publish: `${said.admin}/v1/emit`, admin: said.admin };
}

/** A node of Socket.IO on Node. */
export async function peer(kind, redis) {
  const args = [new URL("peers/server.mjs", import.meta.url).pathname, kind, redis.url];
  const child = run(process.execPath, args, ["ignore", "pipe", "inherit"]);
  const said = await says(child, ["public"]);
  return { child, url: said.public, publish: `${said.public}/v1/emit` };
}

/** Runs `userline bench` and returns its report. */
export async function bench(args) {
  const child = run(userline, ["bench", ...args, "--json"], ["ignore", "pipe", "inherit"]);
  let text = "";
  child.stdout.on("data", (chunk) => (text += chunk));
  const code = await child.over;
  if (code !== 0) throw new Error(`userline bench ended with ${code}`);
  return JSON.parse(text);
}

/** A token of a user, for an hour. */
export function token(user) {
  const part = (it) => Buffer.from(JSON.stringify(it)).toString("base64url");
  const signed = `${part({ alg: "HS256", typ: "JWT" })}.${part({ sub: user, exp: Math.floor(Date.now() / 1000) + 3600 })}`;
  return `${signed}.${createHmac("sha256", secret).update(signed).digest("base64url")}`;
}
