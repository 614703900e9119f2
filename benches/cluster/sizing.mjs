// What connects, users who are there, and emits cost Redis: processor time, memory and bytes. For sizing, see docs/cluster.md.
//
//   cargo build --release && npm ci --prefix benches/cluster/peers
//   node benches/cluster/sizing.mjs [--nodes 3] [--users 5000] [--seconds 20] [--recovery 2m]
import { createRequire } from "node:module";
import { parseArgs } from "node:util";
import { Redis, bench, cpu, key, node, secret, sleep, stop } from "./lib.mjs";

const { createClient } = createRequire(new URL("peers/", import.meta.url))("redis");
const text = (fallback) => ({ type: "string", default: fallback });
const { values } = parseArgs({
  options: { nodes: text("3"), users: text("5000"), seconds: text("20"), recovery: text("0s") },
});
const [count, users, seconds] = [values.nodes, values.users, values.seconds].map(Number);

async function connect(url) {
  const client = createClient({ url });
  client.on("error", () => {});
  await client.connect();
  return client;
}

const redis = await Redis.start(connect);
const nodes = [];
for (let n = 0; n < count; n += 1) nodes.push(await node(redis, `[recovery]\nwindow = "${values.recovery}"\n`));
const auth = ["--auth", '{"token":"{token}"}', "--jwt-secret", secret];

/** What Redis has taken so far. */
async function taken() {
  const info = await redis.info();
  return { cpu: cpu(redis.child), memory: info.used_memory, into: info.total_net_input_bytes, out: info.total_net_output_bytes };
}

const rows = [];
function row(what, times, before, after, idle) {
  // What the nodes ask for while nothing happens is not this row's.
  const own = (name) => (after[name] - before[name] - (idle?.[name] ?? 0) * (after.at - before.at)) / times;
  rows.push([what, (own("cpu") * 1e6).toFixed(1), own("into").toFixed(0), own("out").toFixed(0)]);
}
const at = async () => ({ ...(await taken()), at: performance.now() / 1000 });

// Nodes without anybody.
await sleep(3000);
let before = await at();
await sleep(1000 * seconds);
let after = await at();
const span = after.at - before.at;
const idle = Object.fromEntries(["cpu", "into", "out"].map((it) => [it, (after[it] - before[it]) / span]));
row("a node, a second, with nobody there", count * span, before, after);

// Users come, stay and go. They stay as long as the generator runs: memory is looked at meanwhile.
before = await at();
const staying = bench(["idle", nodes[0].url, ...auth, "--sockets", users, "--duration", `${seconds}s`]);
let there = 0;
const users_there = () => redis.client.sendCommand(["EVAL", "return #redis.call('KEYS', '*:u:*')", "0"]);
while ((there = Number(await users_there())) < users) await sleep(200);
after = await at();
row("a user's first connection", users, before, after, idle);
const memory = (after.memory - before.memory) / users;
await sleep(1000);
before = await at();
await sleep(Math.max(1000, 500 * seconds));
after = await at();
row("a user who is there, a minute", (users * (after.at - before.at)) / 60, before, after, idle);
await staying;
before = await at();
while (0 < Number(await users_there())) await sleep(500);

// Emits to users of another node, one after the other and many at once.
for (const publishers of [1, 64]) {
  before = await at();
  const args = ["target", nodes[1 % count].url, ...auth, "--sockets", "200", "--publishers", publishers, "--duration", `${seconds}s`];
  const report = await bench([...args, "--preset", "userline", "--key", key, "--publish-url", nodes[0].publish]);
  after = await at();
  row(`an emit, ${publishers} at once (${Math.round(report.delivered / seconds)} a second)`, report.delivered, before, after, idle);
}

console.log(`${count} nodes, ${users} users, recovery ${values.recovery}\n`);
console.log("| | µs of Redis' processor | bytes to Redis | bytes from Redis |\n|---|---|---|---|");
for (const cells of rows) console.log(`| ${cells.join(" | ")} |`);
console.log(`\n${memory.toFixed(0)} bytes of memory of Redis for a user who is there, ${there} of them`);
for (const it of nodes) await stop(it.child);
await redis.stop();
process.exit(0);
