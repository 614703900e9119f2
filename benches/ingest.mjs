// What an emit costs by each way in which it can come: the processor time of the server, and of what stands between. Linux only;
// needs redis-server and PostgreSQL.
//
//   cargo build --release && (cd tests/clients && npm ci)
//   node benches/ingest.mjs [--emits 50000] [--users 50]
//
// Each emit is for one user, who is connected, and the run ends when all have arrived. The last row reads and deletes as many
// rows as the outbox had with `pgbench`, 500 at a time, and does nothing with them: faster than that no reader of a table can be.
import { execFile, execFileSync, spawn } from "node:child_process";
import { chownSync, chmodSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import http from "node:http";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import path from "node:path";
import { parseArgs, promisify } from "node:util";
import { client, up } from "../tests/clients/lib/client.mjs";
import { Redis } from "../tests/clients/lib/redis.mjs";
import { Server, binary } from "../tests/clients/lib/server.mjs";
import { until } from "../tests/clients/lib/wait.mjs";

const packages = createRequire(new URL("../tests/clients/package.json", import.meta.url));
const { Emitter } = packages("@socket.io/redis-emitter");
const { createClient } = packages("redis");
const run = promisify(execFile);
const text = (fallback) => ({ type: "string", default: fallback });
const { values } = parseArgs({ options: { emits: text("50000"), users: text("50") } });
const [emits, users] = [values.emits, values.users].map(Number);
const ticksPerSecond = Number(execFileSync("getconf", ["CLK_TCK"], { encoding: "utf8" }));
const DEADLINE_MS = 300_000;
const ROWS_PER_READ = 500;

const stat = (pid) => readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1].split(" ");
const ticks = (pid, ...fields) => fields.reduce((sum, field) => sum + Number(stat(pid)[field]), 0);

/** Processor time of a process, in microseconds. */
const cpu = (pid) => (ticks(pid, 11, 12) / ticksPerSecond) * 1e6;

/** The same with all children, those that have ended too. */
function familyCpu(pid) {
  const children = readdirSync("/proc").filter((it) => /^\d+$/.test(it) && parentOf(it) === String(pid));
  return (ticks(pid, 11, 12, 13, 14) / ticksPerSecond) * 1e6 + children.reduce((sum, it) => sum + cpu(it), 0);
}

function parentOf(pid) {
  try {
    return stat(pid)[1];
  } catch {
    return undefined; // it has ended
  }
}

/** A PostgreSQL of its own, as an ordinary one is configured, behind a Unix socket. */
class Postgres {
  static async start() {
    const it = new Postgres();
    it.dir = mkdtempSync(path.join(tmpdir(), "userline-bench-"));
    it.bin = path.dirname(execFileSync("sh", ["-c", "find /usr/lib/postgresql /usr/local /opt -name initdb -type f 2>/dev/null | sort | tail -1"], { encoding: "utf8" }).trim());
    // PostgreSQL refuses to run as root.
    const user = process.getuid() === 0 ? { uid: Number(execFileSync("id", ["-u", "postgres"])), gid: Number(execFileSync("id", ["-g", "postgres"])) } : {};
    if (user.uid) chownSync(it.dir, user.uid, user.gid);
    chmodSync(it.dir, 0o711);
    execFileSync(path.join(it.bin, "initdb"), ["--no-sync", "--auth=trust", "--username=bench", "--encoding=UTF8", "--locale=C.UTF-8", "-D", `${it.dir}/data`], { stdio: "ignore", cwd: it.dir, ...user });
    it.child = spawn(path.join(it.bin, "postgres"), ["-D", `${it.dir}/data`, "-k", it.dir, "-c", "listen_addresses="], { stdio: "ignore", cwd: it.dir, ...user });
    it.ended = new Promise((done) => it.child.once("close", done));
    process.once("exit", () => it.child.kill("SIGKILL"));
    await until("PostgreSQL", () => it.sql("SELECT 1").then(() => true, () => false), 30_000);
    return it;
  }

  url(user) {
    return `postgres://${user}@/postgres?host=${this.dir}`;
  }

  sql(statements) {
    const psql = run("psql", ["-q", "-v", "ON_ERROR_STOP=1", this.url("bench")]);
    psql.child.stdin.end(statements);
    return psql;
  }

  /** Reads and deletes as many rows as there are, and does nothing with them. */
  async bareLoop(rows) {
    const script = path.join(this.dir, "loop.sql");
    writeFileSync(script, `BEGIN; SELECT id, emit, key, order_key, expires_at FROM userline_outbox WHERE state = 'new' ORDER BY id LIMIT ${ROWS_PER_READ};
DELETE FROM userline_outbox WHERE id IN (SELECT id FROM userline_outbox WHERE state = 'new' ORDER BY id LIMIT ${ROWS_PER_READ}); COMMIT;`);
    await run(path.join(this.bin, "pgbench"), ["-n", "-c", "1", "-t", String(Math.ceil(rows / ROWS_PER_READ)), "-f", script, "-h", this.dir, "-U", "bench", "postgres"]);
  }

  async stop() {
    this.child.kill("SIGINT");
    await this.ended;
    rmSync(this.dir, { recursive: true });
  }
}

const redis = await Redis.start();
const postgres = await Postgres.start();
await postgres.sql(execFileSync(binary, ["ingest", "postgres", "sql"], { encoding: "utf8" }));
const server = await Server.start({
  ingest: {
    redis_emitter: [{ name: "emitter", url: redis.url, user_rooms: ["user_*"] }],
    redis_stream: [{ name: "stream", url: redis.url }],
    postgres: [{ name: "outbox", url: postgres.url("userline") }],
  },
});
const publisher = await createClient({ url: redis.url }).on("error", () => {}).connect();
const emitter = new Emitter(publisher);
let arrived = 0;
let awaited = { count: Infinity, done() {} };
const sockets = await Promise.all(
  Array.from({ length: users }, async (_, n) => {
    const socket = await up(client(server, `u${n}`, { transports: ["websocket"] }));
    socket.offAny(); // what it would remember costs this process memory
    socket.on("order", () => (arrived += 1) === awaited.count && awaited.done());
    return socket;
  }),
);
await until("the sources to be active", async () => (await server.api("GET", "/v1/ingest")).body.sources.every((it) => it.state === "active"), 30_000);

const data = { sku: 7, text: "a few words" };
const emitOf = (n) => ({ to: { users: [`u${n % users}`] }, event: "order", data });
const agent = new http.Agent({ keepAlive: true, maxSockets: 8 });

function post(route, body) {
  return new Promise((done, fail) => {
    const request = http.request(server.adminUrl + route, { method: "POST", agent, headers: { authorization: `Bearer ${server.key}`, "content-type": "application/json" } }, (response) => {
      response.resume().once("end", () => (response.statusCode === 200 ? done() : fail(new Error(`${route}: ${response.statusCode}`))));
    });
    request.once("error", fail).end(JSON.stringify(body));
  });
}

/** Calls `work(from)` for every `step` of the emits, so many at once. */
async function each(step, atOnce, work) {
  let next = 0;
  const one = async () => {
    while (next < emits) {
      const from = next;
      next += step;
      await work(from);
    }
  };
  await Promise.all(Array.from({ length: atOnce }, one));
}

const upTo = (step) => (from) => Array.from({ length: Math.min(step, emits - from) }, (_, n) => from + n);
const hundred = upTo(100);

/** Waits until `count` have arrived since the bench began. */
function arrivedAll(count) {
  return new Promise((done, fail) => {
    const late = setTimeout(() => fail(new Error(`${arrived} of ${count} arrived`)), DEADLINE_MS);
    awaited = { count, done: () => (clearTimeout(late), done()) };
    if (arrived >= count) awaited.done();
  });
}

/** The ways in which an emit can come; each sends all and may return before they have arrived. */
const ways = {
  "POST /v1/emit": () => each(1, 8, (n) => post("/v1/emit", emitOf(n))),
  "POST /v1/emit/batch, 100 each": () => each(100, 2, (from) => post("/v1/emit/batch", { emits: hundred(from).map(emitOf) })),
  // A channel keeps nothing for those who are late, so no more is published than is soon taken.
  "redis-emitter": () =>
    each(100, 1, async (from) => {
      const all = arrived + hundred(from).length;
      for (const n of hundred(from)) emitter.to(`user_u${n % users}`).emit("order", data);
      await arrivedAll(all);
    }),
  "Redis stream": () => each(100, 1, (from) => Promise.all(hundred(from).map((n) => publisher.xAdd("userline:emits", "*", { emit: JSON.stringify(emitOf(n)) })))),
  "PostgreSQL outbox": () =>
    postgres.sql(`INSERT INTO userline_outbox (emit) SELECT json_build_object('to', json_build_object('users', json_build_array('u' || n % ${users})), 'event', 'order', 'data', '${JSON.stringify(data)}'::json) FROM generate_series(0, ${emits - 1}) n`),
};

const row = (...cells) => console.log(cells.map((cell, n) => (n === 0 ? cell.padEnd(32) : String(cell).padStart(14))).join(""));
console.log(`${emits} emits to ${users} users; µs of processor time per emit`);
row("", "server", "beside POST", "Redis", "PostgreSQL", "emits/s");
let first;
for (const [name, work] of Object.entries(ways)) {
  const [began, before] = [arrived, [cpu(server.child.pid), cpu(redis.child.pid), familyCpu(postgres.child.pid)]];
  const start = performance.now();
  await work();
  await arrivedAll(began + emits);
  const seconds = (performance.now() - start) / 1000;
  const after = [cpu(server.child.pid), cpu(redis.child.pid), familyCpu(postgres.child.pid)];
  const [own, ofRedis, ofPostgres] = after.map((it, n) => (it - before[n]) / emits);
  first ??= own;
  row(name, own.toFixed(1), `${(own / first).toFixed(2)} x`, ofRedis.toFixed(1), ofPostgres.toFixed(1), Math.round(emits / seconds));
}
if (arrived !== emits * Object.keys(ways).length) throw new Error(`${arrived} events arrived`);
for (const socket of sockets) socket.disconnect();
publisher.destroy();
await server.finish();
await postgres.sql(`INSERT INTO userline_outbox (emit) SELECT json_build_object('to', json_build_object('users', json_build_array('u' || n % ${users})), 'event', 'order', 'data', '${JSON.stringify(data)}'::json) FROM generate_series(0, ${emits - 1}) n`);
const [start, before] = [performance.now(), familyCpu(postgres.child.pid)];
await postgres.bareLoop(emits);
row("rows read and deleted, no more", "", "", "", ((familyCpu(postgres.child.pid) - before) / emits).toFixed(1), Math.round(emits / ((performance.now() - start) / 1000)));
agent.destroy();
await postgres.stop();
await redis.stop();
