// Runs the servers interleaved, pinned to one core with the generator on another, and compares their medians. `floor` is no server
// for anybody: it is what the job costs at least.
// Started by `run`. Builds and installs what is needed first, ends by itself, and ends what it started.
import { execFileSync, spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { availableParallelism, cpus, tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { parseArgs } from "node:util";

const root = new URL("../..", import.meta.url).pathname;
const here = new URL(".", import.meta.url).pathname;
const userline = join(root, "target/release/userline");
const [SERVER_CORE, GENERATOR_CORE] = ["0", "1"];
const START_MS = 20_000;
const END_MS = 5_000;

const USAGE = `benches/compare/run [--rounds 3] [--seconds 5] [--sockets 5000] [--only fanout,echo] [--servers userline,bun]

Measures userline beside its peers on this machine, all doing the same small job, and prints medians and ratios.
Everything is built and installed first; what cannot be had here is said and left out. Results: target/compare/.

  --rounds N      how often each server does each row; 1 to 50
  --seconds N     how long a row is measured; 1 to 120
  --sockets N     clients; 1 to 25000. idle-more takes 3.6 times as many, peak 3.2, storm 2, idle 1.6; none over 27000
  --only ROWS     fanout, burst, flood, target, echo, connect, churn, idle, idle-more, idle-full, after-burst, after-churn, storm,
                  peak; separated by commas
  --servers NAMES userline, floor, bare, node, bun; separated by commas
`;

function readKnobs() {
  try {
    const { values } = parseArgs({
      options: {
        rounds: { type: "string", default: "3" },
        seconds: { type: "string", default: "5" },
        sockets: { type: "string", default: "5000" },
        only: { type: "string" },
        servers: { type: "string" },
        help: { type: "boolean", short: "h" },
      },
    });
    return values;
  } catch (error) {
    console.error(`${error.message}\n\n${USAGE}`);
    process.exit(2);
  }
}

const knobs = readKnobs();
if (knobs.help) {
  console.log(USAGE);
  process.exit(0);
}
const number = (name, min, max) => {
  const value = Number(knobs[name]);
  if (!Number.isInteger(value) || value < min || max < value) {
    console.error(`--${name} must be a number from ${min} to ${max}`);
    process.exit(2);
  }
  return value;
};
const [rounds, seconds, sockets] = [number("rounds", 1, 50), number("seconds", 1, 120), number("sockets", 1, 25_000)];
// Some servers give memory back only after a while; the longest of those measured here takes ten seconds.
const rest = ["--rest", "12s"];
const time = ["--duration", `${seconds}s`, "--warmup", "1s"];
const perMillion = (it) => it.cpu_seconds_per_million;
const perThousand = (it) => it.cpu_seconds_per_million / 1000;

/** So many times the sockets, but no more than a client's system has ports for. */
const times = (factor) => Math.min(27_000, Math.ceil(sockets * factor));
const idle = (factor) => ["idle", "--sockets", times(factor), "--browser-headers", "--duration", `${seconds}s`];
const memory = "resident KiB per connection";
/** What a user of a real program brings along: the peers are told of it in `auth`, userline in the token. */
const [ROOMS, DATA_BYTES] = [10, 1000];
const full = JSON.stringify({ user: "{user}", n: "{n}", rooms: ROOMS, data: "x".repeat(DATA_BYTES - 2) }).replace('"{n}"', "{n}");

/** What is run: each gives one line of the table, or several (`lines`), with the figure that counts; less is better. */
const rows = [
  { name: "fanout", unit: "CPU s per million deliveries", figure: perMillion, publishes: true,
    args: ["fanout", "--mode", "steady", "--sockets", sockets, ...time] },
  { name: "burst", unit: "CPU s per million deliveries", figure: perMillion, publishes: true,
    args: ["fanout", "--mode", "burst", "--sockets", sockets, ...time] },
  { name: "flood", unit: "CPU s per million deliveries", figure: perMillion, publishes: true,
    args: ["fanout", "--mode", "flood", "--publishers", 256, "--sockets", Math.min(200, sockets), ...time] },
  { name: "target", unit: "CPU s per million events", figure: perMillion, publishes: true,
    args: ["target", "--publishers", 16, "--sockets", sockets, ...time] },
  { name: "echo", unit: "CPU s per million round trips", figure: perMillion,
    args: ["echo", "--sockets", Math.ceil(sockets / 5), ...time] },
  { name: "connect", unit: "CPU s per 1,000 connections", figure: perThousand,
    args: ["connect", "--sockets", sockets] },
  { name: "churn", unit: "CPU s per 1,000 connections", figure: perThousand,
    args: ["churn", "--sockets", sockets, "--duration", `${seconds}s`] },
  { name: "idle", unit: memory, figure: (it) => it.rss_kib_per_connection, args: idle(1.6) },
  { name: "idle-more", unit: memory, figure: (it) => it.rss_kib_per_connection, args: idle(3.6) },
  { name: "idle-full", unit: `${memory}, with 1 KB of data and ${ROOMS} rooms`, figure: (it) => it.rss_kib_per_connection,
    args: idle(1.6), auth: full, token: ["--token-rooms", ROOMS, "--token-data", DATA_BYTES], without: ["floor"] },
  { name: "after-burst", unit: `${memory}, at rest after a burst`, figure: (it) => (it.memory.grown_mib * 1024) / it.connected, publishes: true,
    args: ["fanout", "--mode", "burst", "--sockets", sockets, ...time, ...rest] },
  { name: "after-churn", unit: "resident MiB more than before, when all have left", figure: (it) => it.memory.grown_mib,
    args: ["churn", "--sockets", sockets, "--duration", `${seconds}s`, ...rest] },
  { name: "storm", args: ["storm", "--sockets", times(2) + 1, "--concurrency", Math.min(10_000, times(2)), "--patience", "20s"],
    lines: [
      { name: "storm: bystander p50", unit: "ms", figure: (it) => it.bystander_us && it.bystander_us.p50 / 1000 },
      { name: "storm: bystander p99", unit: "ms", figure: (it) => it.bystander_us && it.bystander_us.p99 / 1000 },
      { name: "storm: until all are back", unit: "s", figure: (it) => it.seconds },
    ] },
  { name: "peak", args: ["connect", "--sockets", times(3.2), ...rest],
    lines: [
      { name: "peak while they connect", unit: "resident MiB more than before", figure: (it) => it.memory.peak_mib },
      { name: "peak: the same at rest", unit: "resident MiB more than before", figure: (it) => it.memory.grown_mib },
    ] },
];

function build(manifest, target, ...more) {
  const args = ["build", "--quiet", "--release", "--manifest-path", manifest, ...more];
  execFileSync("cargo", args, { stdio: "inherit", env: { ...process.env, CARGO_TARGET_DIR: target } });
}
build(join(root, "Cargo.toml"), join(root, "target"));
for (const peer of ["bare", "floor"]) {
  build(join(here, peer, "Cargo.toml"), join(root, `target/compare-${peer}`), "--locked");
}
for (const peer of ["node", "bun"]) {
  const args = ["ci", "--prefix", join(here, peer), "--no-audit", "--no-fund", "--ignore-scripts", "--loglevel=error"];
  try {
    execFileSync("npm", args, { stdio: ["ignore", 2, 2] });
  } catch {
    console.error(`!!! the peer \`${peer}\` cannot be installed here and is left out`);
  }
}

const bun = ["bun-linux-x64", "bun-linux-x64-musl", "bun-linux-aarch64"]
  .map((name) => join(here, "bun/node_modules/@oven", name, "bin/bun"))
  .find((path) => existsSync(path));
const built = (name) => [join(root, `target/compare-${name}/release/userline-compare-${name}`)].find((path) => existsSync(path));
const servers = [
  { name: "userline", command: userline },
  { name: "floor", command: built("floor"), args: [] },
  { name: "bare", command: built("bare"), args: [] },
  { name: "node", command: existsSync(join(here, "node/node_modules/socket.io")) && process.execPath,
    args: [join(here, "node/server.mjs")] },
  { name: "bun", command: bun, args: [join(here, "bun/server.mjs")] },
];

const results = join(root, "target/compare");
mkdirSync(results, { recursive: true });
const log = openSync(join(results, "servers.log"), "w");
const started = new Set();
const folders = new Set();
const wait = (ms) => new Promise((done) => setTimeout(done, ms).unref());
const exits = (child) => new Promise((done) => child.once("exit", done));
const canPin = 1 < availableParallelism() && existsSync("/usr/bin/taskset");

function start(core, command, args, stdio) {
  const [program, ...rest] = canPin ? ["/usr/bin/taskset", "-c", core, command, ...args] : [command, ...args];
  const child = spawn(program, rest.map(String), { stdio });
  child.over = exits(child);
  started.add(child);
  child.over.then(() => started.delete(child));
  return child;
}

async function stop(child) {
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), END_MS);
  await child.over;
  clearTimeout(timer);
}

function stopAll() {
  for (const child of started) child.kill("SIGKILL");
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
}
process.on("exit", stopAll);
for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(130));

/** What the server says about itself in lines `name value`, until all `names` were said. */
async function listen(child, names) {
  const said = {};
  const lines = createInterface({ input: child.stdout });
  const heard = (async () => {
    for await (const line of lines) {
      const [name, value] = line.trim().split(/\s+/);
      if (names.includes(name)) said[name] = value;
      if (names.every((it) => it in said)) return said;
    }
    throw new Error("the server ended before it listened");
  })();
  const late = wait(START_MS).then(() => Promise.reject(new Error("the server did not listen in time")));
  late.catch(() => {});
  try {
    return await Promise.race([heard, late]);
  } finally {
    lines.close();
    child.stdout.resume();
  }
}

/** How userline runs here: as in production, with signed tokens, presence on disk, hooks, metrics and limits. */
function userlineConfig(folder, hookUrl) {
  const [key, jwtSecret] = [randomBytes(32).toString("hex"), randomBytes(32).toString("hex")];
  const text = `
[listen]
public = "127.0.0.1:0"
admin = "127.0.0.1:0"
drain = "0s"
[admin]
keys = [{ name = "bench", key = "${key}", scopes = ["emit", "read", "control"] }]
[auth.jwt]
secret = "${jwtSecret}"
[hooks]
url = "${hookUrl}"
secret = "whsec_${randomBytes(32).toString("base64")}"
allow_private = true
batch_max = 100
[store]
data_dir = "${join(folder, "data")}"
`;
  const file = join(folder, "userline.toml");
  writeFileSync(file, text);
  return { file, key, jwtSecret };
}

/** Starts a server; returns its process and how to load and publish. */
async function serve(server, hookUrl) {
  if (server.name !== "userline") {
    const child = start(SERVER_CORE, server.command, server.args, ["ignore", "pipe", log]);
    const said = await listen(child, ["public"]);
    return { child, url: said.public, publish: `${said.public}/v1/emit`, key: "none" };
  }
  const folder = mkdtempSync(join(tmpdir(), "userline-compare-"));
  folders.add(folder);
  const { file, key, jwtSecret } = userlineConfig(folder, hookUrl);
  const child = start(SERVER_CORE, server.command, ["serve", "--config", file], ["ignore", "pipe", log]);
  const said = await listen(child, ["public", "admin"]);
  return { child, url: said.public, publish: `${said.admin}/v1/emit`, key, jwtSecret, folder };
}

/** Memory of a process in MiB: now, and at its peak. */
function memoryOf({ pid }) {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const mib = (name) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status)[1]) / 1024;
  return { now: mib("VmRSS"), peak: mib("VmHWM") };
}

async function measure(server, row, hookUrl) {
  const { child, url, publish, key, jwtSecret, folder } = await serve(server, hookUrl);
  try {
    const before = memoryOf(child).now;
    const [kind, ...rest] = row.args;
    const args = ["bench", kind, url, "--pid", child.pid, "--json", ...rest];
    if (jwtSecret) args.push("--auth", '{"token":"{token}"}', "--jwt-secret", jwtSecret, ...(row.token ?? []));
    else if (row.auth) args.push("--auth", row.auth);
    if (row.publishes) args.push("--preset", "userline", "--key", key, "--publish-url", publish);
    const bench = start(GENERATOR_CORE, userline, args, ["ignore", "pipe", log]);
    let text = "";
    bench.stdout.on("data", (chunk) => (text += chunk));
    const code = await bench.over;
    if (code !== 0) throw new Error(`the generator ended with ${code}, see ${join(results, "servers.log")}`);
    const report = JSON.parse(text);
    // The process may still be busy with those who have just gone; what it takes with them is in the report.
    const grown = report.rss_kib / 1024 - before;
    return { ...report, memory: { grown_mib: grown, peak_mib: memoryOf(child).peak - before } };
  } finally {
    await stop(child);
    if (folder) rmSync(folder, { recursive: true, force: true });
    folders.delete(folder);
  }
}

const median = (numbers) => {
  const sorted = numbers.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  return sorted.length % 2 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
};
const short = (value) => (value === undefined || value === null || Number.isNaN(value) ? "-" : value.toPrecision(3));
const linesOf = (row) => row.lines ?? [row];
const faults = (it) => it.lost + it.duplicates + it.reordered + it.misdirected + it.failed + it.refused + it.disconnected;

const chosen = (list, names) => (names ? list.filter((it) => names.split(",").includes(it.name)) : list);
const present = chosen(servers, knobs.servers).filter((server) => {
  if (!server.command) console.error(`\n!!! ${server.name} IS NOT INSTALLED HERE: it is missing from the comparison\n`);
  return server.command;
});
const wanted = chosen(rows, knobs.only);
if (present.length === 0 || wanted.length === 0) {
  console.error(`nothing to compare; servers: ${servers.map((it) => it.name)}; rows: ${rows.map((it) => it.name)}`);
  process.exit(2);
}
if (!canPin) console.error("!!! no second core or no taskset: server and generator share, figures are rough");

// Where userline's hooks go; it shares the generator's core.
const sink = createServer((request, response) => {
  request.resume();
  request.on("end", () => response.writeHead(204).end());
});
await new Promise((done) => sink.listen(0, "127.0.0.1", done));
const hookUrl = `http://127.0.0.1:${sink.address().port}/hook`;

const found = wanted.map((row) => ({ row: row.name, units: linesOf(row).map((it) => it.unit), args: row.args.join(" "), servers: {} }));
for (let round = 0; round < rounds; round++) {
  for (const [index, row] of wanted.entries()) {
    // Another one begins each time: what warms or tires the machine meets all alike.
    const order = present.map((_, at) => present[(at + round + index) % present.length]);
    for (const server of order.filter((it) => !row.without?.includes(it.name))) {
      const runs = (found[index].servers[server.name] ??= []);
      try {
        const report = await measure(server, row, hookUrl);
        runs.push(report);
        const figures = linesOf(row).map((it) => short(it.figure(report)));
        console.error(`${round + 1}/${rounds} ${row.name} ${server.name}: ${figures.join(", ")}  faults ${faults(report)}`);
      } catch (error) {
        console.error(`${round + 1}/${rounds} ${row.name} ${server.name}: !!! ${error.message}`);
      }
    }
  }
}
sink.close();
sink.closeAllConnections();

const names = present.map((it) => it.name);
const lines = [];
const print = (cells) => lines.push(`| ${cells.join(" | ")} |`);
print(["", "unit", ...names, ...names.filter((it) => it !== "userline").map((it) => `userline : ${it}`)]);
print(Array(2 + 2 * names.length - (names.includes("userline") ? 1 : 0)).fill("---"));
for (const [index, row] of wanted.entries()) {
  for (const line of linesOf(row)) {
    const figures = {};
    const cells = names.map((name) => {
      const runs = (found[index].servers[name] ?? []).filter((it) => Number.isFinite(line.figure(it)));
      if (runs.length === 0) return "-";
      figures[name] = median(runs.map(line.figure));
      const worst = Math.max(...runs.map((it) => (it.lost * 100) / Math.max(1, it.lost + it.delivered)));
      const others = runs.some((it) => faults(it) - it.lost) ? " (!)" : "";
      return short(figures[name]) + (worst ? ` (lost up to ${worst.toFixed(1)} %)` : "") + others;
    });
    const ratios = names.filter((it) => it !== "userline").map((name) => short(figures.userline / figures[name]));
    print([line.name, line.unit, ...cells, ...ratios]);
  }
}
const table = lines.join("\n");
const file = join(results, `${new Date().toISOString().replaceAll(":", "")}.json`);
const machine = { cpu: cpus()[0]?.model, cores: availableParallelism(), node: process.version };
writeFileSync(file, JSON.stringify({ machine, rounds, seconds, sockets, found }, null, 1));
console.log(`${table}\n\n(!) repeated, out of order, refused or disconnected: see ${file}`);
