// How a client that behaves fares while others do not, and what the server's memory does then and later. Linux only.
//
//   cargo build --release && (cd tests/clients && npm ci)
//   node benches/hostile/run.mjs [--seconds 10] [--rest 30] [--only acks,bodies]
//
// Each attack runs against a server of its own, with the default limits but for what stands in the list here, for `--seconds`; meanwhile a stock client makes one round
// trip after the other, and others connect. Then everybody but the bystander goes, and after `--rest` the memory is read again.
// Server, attack and bystander share the processors of this machine, and talk over its loopback interface only.
import { fork, spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { setTimeout as pause } from "node:timers/promises";
import { parseArgs } from "node:util";
import { Server } from "../../tests/clients/lib/server.mjs";

/** The attacks, and what is configured for them. */
const ATTACKS = [
  { name: "nothing", what: "nobody attacks" },
  { name: "closed-sessions", what: "sessions with 15 KB of Authorization, opened and closed" },
  { name: "kicked-polling", what: "a kicked user who never polls joins and leaves" },
  { name: "kicked-websocket", what: "the same by WebSockets that read nothing" },
  { name: "handshakes", what: "handshakes pipelined on one connection, never polled" },
  // Emits with acks are remembered for an hour, which is no leak.
  { name: "acks", what: "acks of a megabyte for batches of 128 emits", config: { messages: { max: 0 } } },
  { name: "bodies", what: "300 unfinished posts of a megabyte for one session" },
  { name: "messages", what: "300 unfinished messages of a megabyte, before CONNECT" },
  { name: "recovery", what: "emits to 1,000 users each, kept for recovery", config: { recovery: { window: "10s" } } },
  { name: "unread-polling", what: "200 clients that post pongs and never poll", config: { limits: { stall: "2s" } } },
];

const text = (fallback) => ({ type: "string", default: fallback });
const { values } = parseArgs({
  options: {
    seconds: text("10"),
    rest: text("30"),
    only: text(ATTACKS.map((it) => it.name).join()),
    help: { type: "boolean", short: "h" },
  },
});
if (values.help) {
  console.log(`node benches/hostile/run.mjs [--seconds 10] [--rest 30] [--only NAMES]\n\n--only: of these, by commas\n`);
  for (const { name, what } of ATTACKS) console.log(`  ${name.padEnd(18)}${what}`);
  process.exit(0);
}
const number = (name, least, most) => {
  const value = Number(values[name]);
  if (!Number.isInteger(value) || value < least || most < value) throw new Error(`--${name} must be a number from ${least} to ${most}`);
  return value;
};
const [seconds, rest] = [number("seconds", 1, 300), number("rest", 0, 300)];
const chosen = values.only.split(",").map((name) => {
  const attack = ATTACKS.find((it) => it.name === name);
  if (!attack) throw new Error(`--only: there is no ${name}; there are ${ATTACKS.map((it) => it.name).join(", ")}`);
  return attack;
});

const script = (name) => new URL(name, import.meta.url).pathname;

/** Resident memory of a process, in megabytes. */
const resident = (pid) => Number(readFileSync(`/proc/${pid}/status`, "utf8").match(/VmRSS:\s+(\d+)/)[1]) / 1000;

/** What the attack did; it is ended by force if it does not end by itself. */
async function attack(name, server) {
  const told = {
    attack: name,
    seconds,
    publicUrl: server.publicUrl,
    adminUrl: server.adminUrl,
    key: server.key,
    tokens: [0, 1, 2, 3].map((n) => server.token(`attacker-${n}`)),
  };
  const child = spawn(process.execPath, [script("attacks.mjs"), JSON.stringify(told)], { stdio: ["ignore", "pipe", "inherit"] });
  const late = setTimeout(() => child.kill("SIGKILL"), (seconds + 15) * 1000);
  let out = "";
  child.stdout.on("data", (bytes) => (out += bytes));
  await once(child, "close");
  clearTimeout(late);
  return out ? JSON.parse(out).done : null;
}

async function measure({ name, config }) {
  const server = await Server.start({ "auth.jwt": {}, ...config });
  const { pid } = server.child;
  const token = server.token("bystander");
  const bystander = fork(script("bystander.mjs"), [JSON.stringify({ publicUrl: server.publicUrl, token })]);
  await once(bystander, "message");
  // Whatever a first round trip and a first newcomer touch is there before it is counted.
  await pause(1000);
  const before = resident(pid);
  let peak = before;
  const watch = setInterval(() => (peak = Math.max(peak, resident(pid))), 50);
  const done = name === "nothing" ? await pause(seconds * 1000, 0) : await attack(name, server);
  bystander.send("end");
  const [said] = await once(bystander, "message");
  clearInterval(watch);
  await pause(rest * 1000);
  const after = resident(pid);
  await server.finish();
  return { done, before, peak, after, ...said };
}

const ms = (it) => (it === null ? "-" : it.toFixed(1));
const titles = ["attack", "times", "echo p50", "p99", "max", "late", "connect p99", "kept out", "MB before", "peak", `${rest} s after`];
console.log(`| ${titles.join(" | ")} |\n|${titles.map(() => "---").join("|")}|`);
for (const it of chosen) {
  const got = await measure(it);
  const { trips, joins } = got;
  const cells = [
    it.what, got.done, ms(trips.p50), ms(trips.p99), ms(trips.max), got.failed + got.ends.length, ms(joins.p99), got.kept,
    got.before.toFixed(1), got.peak.toFixed(1), `${got.after.toFixed(1)} (${(((got.after / got.before) - 1) * 100).toFixed(0)} %)`,
  ];
  console.log(`| ${cells.join(" | ")} |`);
}
console.log("\nTimes in ms. \"late\": round trips that took 5 s or more, and disconnects; \"kept out\": of those who connected meanwhile.");
