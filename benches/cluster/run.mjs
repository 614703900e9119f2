// Emits from one node to clients of another, over Redis: userline beside Socket.IO on Node with its two Redis adapters, in one run.
// What a million of them cost the nodes and Redis in processor time, how much later than on one node they arrive, and what is lost
// when connections to Redis are killed, and when Redis is killed and comes back.
//
//   cargo build --release && npm ci --prefix benches/cluster/peers
//   node benches/cluster/run.mjs [--seconds 10] [--rate 2000] [--callers 32] [--users 50] [--rounds 3] [--servers userline,streams,pubsub]
import { Agent, request } from "node:http";
import { createRequire } from "node:module";
import { parseArgs } from "node:util";
import { Redis, cpu, key, node, peer, sleep, stop, token } from "./lib.mjs";

const { io } = createRequire(new URL("peers/", import.meta.url))("socket.io-client");
const { createClient } = createRequire(new URL("peers/", import.meta.url))("redis");

const text = (fallback) => ({ type: "string", default: fallback });
const { values } = parseArgs({
  options: {
    seconds: text("10"),
    rate: text("2000"),
    callers: text("32"),
    users: text("50"),
    rounds: text("3"),
    servers: text("userline,streams,pubsub"),
  },
});
const [seconds, rate, callers, users, rounds] = ["seconds", "rate", "callers", "users", "rounds"].map((it) => Number(values[it]));

async function connect(url) {
  const client = createClient({ url, socket: { reconnectStrategy: false } });
  client.on("error", () => {});
  await client.connect();
  return client;
}

const agent = new Agent({ keepAlive: true, maxSockets: callers });

/** One emit; `true` if its answer names nothing that may be missing, `false` if it does, `undefined` if it was refused. */
const emit = (url, body) =>
  new Promise((done) => {
    const headers = { authorization: `Bearer ${key}`, "content-type": "application/json", "content-length": Buffer.byteLength(body) };
    const asked = request(url, { method: "POST", agent, headers }, (answer) => {
      let said = "";
      answer.on("data", (chunk) => (said += chunk));
      answer.on("end", () => {
        if (answer.statusCode !== 200) return done(undefined);
        const { degraded, nodes_missing: missing } = JSON.parse(said);
        done(!degraded && !missing);
      });
    });
    asked.on("error", () => done(undefined));
    asked.end(body);
  });

/** Emits to users of `to` at `from` for a while; what became of each. */
async function load(from, to, clients, ms) {
  const end = performance.now() + ms;
  const emits = [];
  const every = (1000 * callers) / rate;
  const caller = async (first) => {
    let next = performance.now() + (first * every) / callers;
    while (next < end) {
      await sleep(Math.max(0, next - performance.now()));
      next = Math.max(next + every, performance.now() - every);
      const id = emits.length;
      const it = { at: performance.now(), arrived: 0 };
      emits.push(it);
      clients.emits = emits;
      const user = `${to}-${id % users}`;
      it.sure = await emit(from.publish, JSON.stringify({ to: { users: [user] }, event: "bench", data: { id, pad: "x".repeat(128) } }));
    }
  };
  await Promise.all(Array.from({ length: callers }, (_, first) => caller(first)));
  return emits;
}

const quantile = (sorted, q) => sorted[Math.min(sorted.length - 1, Math.floor(q * sorted.length))];

async function measure(kind) {
  const redis = await Redis.start(connect);
  const start = () => (kind === "userline" ? node(redis) : peer(kind, redis));
  const nodes = [await start(), await start()];
  const clients = { emits: [] };
  const sockets = [];
  for (const [place, { url }] of nodes.entries()) {
    for (let n = 0; n < users; n += 1) {
      const user = `${place}-${n}`;
      const auth = kind === "userline" ? { token: token(user) } : { user };
      const socket = io(url, { auth, transports: ["websocket"], forceNew: true });
      socket.on("bench", ({ id }) => {
        const it = clients.emits[id];
        it.arrived += 1;
        it.took ??= performance.now() - it.at;
      });
      sockets.push(new Promise((done) => socket.once("connect", () => done(socket))));
    }
  }
  const connected = await Promise.all(sockets);
  const latency = (emits) => {
    const took = emits.filter((it) => it.took !== undefined).map((it) => it.took).toSorted((a, b) => a - b);
    return { p50: quantile(took, 0.5), p99: quantile(took, 0.99) };
  };
  await load(nodes[0], 1, clients, 2000); // warm
  await sleep(500);

  const here = await load(nodes[0], 0, clients, 1000 * seconds);
  await sleep(1000);
  const before = [...nodes.map((it) => cpu(it.child)), cpu(redis.child)];
  const across = await load(nodes[0], 1, clients, 1000 * seconds);
  await sleep(1000);
  const after = [...nodes.map((it) => cpu(it.child)), cpu(redis.child)];
  const cost = after.map((it, at) => ((it - before[at]) * 1e6) / across.length);

  const fault = async (strike) => {
    const loading = load(nodes[0], 1, clients, 8000);
    await sleep(1500);
    await strike();
    const emits = await loading;
    await sleep(4000);
    return {
      refused: emits.filter((it) => it.sure === undefined).length,
      silent: emits.filter((it) => it.sure && it.arrived === 0).length,
      named: emits.filter((it) => it.sure === false && it.arrived === 0).length,
      twice: emits.filter((it) => 1 < it.arrived).length,
    };
  };
  const killed = await fault(async () => {
    for (const type of ["normal", "pubsub"]) await redis.client.sendCommand(["CLIENT", "KILL", "TYPE", type, "SKIPME", "yes"]);
  });
  const restarted = await fault(async () => {
    await redis.kill();
    await sleep(1000);
    await redis.run();
  });
  for (const socket of connected) socket.disconnect();
  for (const it of nodes) await stop(it.child);
  await redis.stop();
  const [one, other] = [latency(here), latency(across)];
  return {
    "CPU s of the nodes per million emits": cost[0] + cost[1],
    "CPU s of Redis per million emits": cost[2],
    "ms on one node, p50": one.p50,
    "ms on one node, p99": one.p99,
    "ms across, p50": other.p50,
    "ms across, p99": other.p99,
    "added ms, p50": other.p50 - one.p50,
    "added ms, p99": other.p99 - one.p99,
    "emits per second, across": across.length / seconds,
    "lost in silence, connections to Redis killed": killed.silent,
    "lost, and the answer said so": killed.named,
    "twice": killed.twice,
    "refused": killed.refused,
    "lost in silence, Redis killed and back": restarted.silent,
    "lost, and the answer said so (2)": restarted.named,
    "twice (2)": restarted.twice,
    "refused (2)": restarted.refused,
  };
}

const names = values.servers.split(",");
const found = Object.fromEntries(names.map((it) => [it, []]));
for (let round = 0; round < rounds; round += 1) {
  for (const name of names.map((_, at) => names[(at + round) % names.length])) {
    const figures = await measure(name);
    found[name].push(figures);
    console.error(`${round + 1}/${rounds} ${name}: ${JSON.stringify(figures)}`);
  }
}
const median = (numbers) => numbers.toSorted((a, b) => a - b)[numbers.length >> 1];
const print = (cells) => console.log(`| ${cells.join(" | ")} |`);
print(["", ...names]);
print(Array(names.length + 1).fill("---"));
for (const row of Object.keys(found[names[0]][0])) {
  const isCount = row.startsWith("lost") || row.startsWith("twice") || row.startsWith("refused");
  const figure = (name) => {
    const runs = found[name].map((it) => it[row]);
    return isCount ? runs.join(", ") : median(runs).toPrecision(3);
  };
  print([row.replace(" (2)", ""), ...names.map(figure)]);
}
process.exit(0);
