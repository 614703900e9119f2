// Stock clients for as long as one likes: some stay, some are cut off and recover, some are kicked, some come and go. Each has
// a socket in two namespaces; a third polls, a third begins with polling. Every event is numbered. What must hold all the time:
// nobody misses an event that is theirs, hears one twice or out of order, or is thought away who is not; and in the end nothing
// is left, and memory is what it was.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { client, listening, up, upgraded, ways } from "./client.mjs";
import { Proxy } from "./proxy.mjs";
import { sleep, until } from "./wait.mjs";

export const NAMESPACES = ["/", "/feed"];
/** Between two events for the same socket. */
const EVENT_MS = 400;
/** Between two mishaps. */
const MISHAP_MS = 300;
/** What clients take to hear what was sent, and to be back. */
const PATIENCE_MS = 30_000;
/** Memory that may come and go: pages that the allocator keeps. */
const SLACK_BYTES = 8 * 1024 * 1024;
/** Clients of each kind behind one proxy: they are cut off together. */
const PER_PROXY = 4;

/**
 * What the server needs to be told. What it remembers of what is gone is little, so that it is full soon. Who is away for less
 * than the grace is not offline: on a busy machine a stock client takes seconds to come back.
 */
export const soakConfig = (graceMs) => ({
  presence: { grace: `${graceMs}ms` },
  socketio: { namespaces: NAMESPACES, ping_interval: "5s", ping_timeout: "5s" },
  recovery: { window: "20s", events_max: 2000 },
  history: { per_user: 5, total: 200 },
  messages: { recent: 200 },
});

/** Draws numbers below `n`; the same seed draws the same. */
function draws(seed) {
  let state = seed >>> 0;
  return (n) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * n);
  };
}

/** One namespace of one user: what was sent there, and what was heard. */
class Stream {
  sent = 0;
  /** Numbers that a connection took and that were not heard yet, the oldest first. */
  due = [];
  last = -1;
  connects = 0;

  constructor(socket) {
    this.socket = socket;
  }

  came() {
    this.connects += 1;
    if (1 < this.connects) this.recovered = this.recovered !== false && this.socket.recovered;
  }
}

class User {
  constructor(name, kind, socket, streams) {
    Object.assign(this, { name, kind, socket, streams });
  }

  get isUp() {
    return this.streams.every(({ socket }) => socket.connected) && upgraded(this.socket);
  }
}

/** Carries out a soak of `ms` on a server with `soakConfig(graceMs)`. `w` is what a scenario gets. */
export async function soak(w, { ms, graceMs, clients, seed = Date.now() % 1_000_000, say = () => {} }) {
  const draw = draws(seed);
  say(`seed ${seed}`);
  const port = Number(new URL(w.server.publicUrl).port);
  const kinds = ["stays", "cut", "kicked", "comes and goes"];
  const users = [];
  const proxies = [];
  for (let n = 0; n < clients; n += 1) {
    const kind = kinds[n % kinds.length];
    const at = Math.floor(n / (kinds.length * PER_PROXY));
    if (kind === "cut" && proxies.length === at) {
      const proxy = Object.assign(await Proxy.start(port), { users: [] });
      proxies.push(proxy);
      w.after(() => proxy.close());
    }
    const transports = Object.values(ways)[Math.floor(n / kinds.length) % 3];
    const name = `${kind.replaceAll(" ", "-")}-${n}`;
    const options = { transports, reconnectionDelay: 50, reconnectionDelayMax: 500 };
    if (kind === "cut") options.url = proxies[at].url;
    const root = w.remember(client(w.server, name, options));
    const feed = w.remember(listening(root.io.socket(NAMESPACES[1], { auth: (give) => give({ token: w.server.token(name) }) })));
    const user = new User(name, kind, root, [new Stream(root), new Stream(feed)]);
    users.push(user);
    if (kind === "cut") proxies[at].users.push(user);
    feed.connect();
    for (const stream of user.streams) stream.socket.on("connect", () => stream.came());
    await up(root);
    await until(`${name} in ${NAMESPACES[1]}`, () => feed.connected);
  }
  const of = (kind) => users.filter((it) => it.kind === kind);
  const counts = { events: 0, cuts: 0, kicks: 0, sessions: 0 };
  /** How often each was online: a goodbye ends that after the grace, a kick at once. */
  const sessions = new Map(users.map((it) => [it.name, 1]));
  const ended = (user) => sessions.set(user.name, sessions.get(user.name) + 1);
  const memory = [];
  /** What the server is told one after the other: an event beside a kick may still be handed to whom the kick has told to go. */
  let told = Promise.resolve();
  const tell = async (...request) => {
    const answer = (told = told.then(() => w.server.api(...request)));
    const { status, body } = await answer;
    assert.equal(status, 200, JSON.stringify(body).slice(0, 300));
    return body;
  };
  const end = performance.now() + ms;
  const goesOn = () => performance.now() < end;

  /** The next number for every socket; what a connection took, and what is logged for those who are cut off, is due. */
  async function emitRound() {
    const streams = users.flatMap((user) => user.streams.map((stream, at) => ({ user, stream, namespace: NAMESPACES[at] })));
    const emits = streams.map(({ user, stream, namespace }) => ({ to: { users: [user.name] }, namespace, event: "n", data: stream.sent }));
    for (const { user, stream } of streams) {
      if (user.kind !== "comes and goes") stream.due.push(stream.sent);
      stream.sent += 1;
    }
    const { results } = await tell("POST", "/v1/emit/batch", { emits });
    counts.events += emits.length;
    for (const [at, { user, stream }] of streams.entries()) {
      const wasAway = user.kind === "kicked" && results[at].sent === 0;
      if (wasAway) stream.due = stream.due.filter((it) => it !== emits[at].data);
    }
  }

  /** Looks at what was heard; numbers that are not due must at least grow. */
  function hear() {
    for (const { name, kind, streams } of users) {
      for (const stream of streams) {
        const { socket } = stream;
        for (const [event, number] of socket.heard.splice(0)) {
          assert.equal(event, "n");
          assert.ok(stream.last < number, `${name} heard ${number} after ${stream.last}: repeated or out of order`);
          stream.last = number;
          if (stream.due[0] < number) assert.fail(`${name} heard ${number}, but never ${stream.due[0]}`);
          if (stream.due[0] === number) stream.due.shift();
        }
        socket.own.length = 0;
        socket.offsets.length = 0;
        if (kind === "stays") assert.deepEqual(socket.ends, [], `${name} stays`);
        if (kind === "cut") assert.notEqual(stream.recovered, false, `${name} came back without its session`);
      }
    }
  }

  /** One proxy loses its connections, in one of three ways. */
  async function cut() {
    const proxy = proxies[draw(proxies.length)];
    await until("all to be back", () => proxy.users.every((it) => it.isUp), PATIENCE_MS);
    const away = [0, 200, 1000][draw(3)];
    proxy.refusing = 0 < away;
    if (draw(3) === 0) proxy.halfOpen();
    else proxy.cut();
    counts.cuts += proxy.users.length;
    await sleep(away);
    proxy.refusing = false;
  }

  /** A user is disconnected by the backend, and comes back at once. */
  async function kick() {
    const user = of("kicked")[draw(of("kicked").length)];
    await until("the kicked one to be back", () => user.isUp, PATIENCE_MS);
    await tell("POST", `/v1/users/${user.name}/disconnect`, {});
    await until("the client to hear of it", () => user.streams.every(({ socket }) => !socket.connected));
    for (const { socket } of user.streams) socket.connect();
    ended(user);
    counts.kicks += 1;
  }

  /** A user says goodbye, is offline after the grace, and comes back in a new session. */
  async function comeAndGo(user) {
    while (goesOn()) {
      await sleep(draw(2000));
      for (const { socket } of user.streams) socket.disconnect();
      await w.hooks.wait(user.name, "user.offline", sessions.get(user.name), graceMs + PATIENCE_MS);
      for (const { socket } of user.streams) socket.connect();
      ended(user);
      counts.sessions += 1;
      await w.hooks.wait(user.name, "user.online", sessions.get(user.name), PATIENCE_MS);
    }
  }

  const every = async (pause, work) => {
    while (goesOn()) {
      const next = sleep(pause);
      await work();
      await next;
    }
  };
  let said = performance.now();
  await Promise.all([
    every(EVENT_MS, emitRound),
    every(EVENT_MS, hear),
    every(MISHAP_MS, () => (draw(2) ? cut() : kick())),
    every(Math.max(500, ms / 200), () => {
      memory.push(resident(w.server));
      if (said + 60_000 < performance.now()) {
        said = performance.now();
        say(`${JSON.stringify(counts)}, ${(memory.at(-1) / 2 ** 20).toFixed(1)} MiB`);
      }
    }),
    ...of("comes and goes").map(comeAndGo),
  ]);

  await until("everybody to be back", () => users.every((it) => it.isUp), PATIENCE_MS);
  await emitRound();
  await until("everything to be heard", () => (hear(), users.every((it) => it.streams.every(({ due }) => due.length === 0))), PATIENCE_MS);
  const stats = (await w.server.api("GET", "/v1/stats")).body;
  assert.deepEqual([stats.users, stats.sockets, stats.connections], [clients, 2 * clients, clients], JSON.stringify(stats));

  // Presence: nobody was offline but those who went or were kicked; each of their sessions began and ended once.
  for (const { name } of users) {
    const wanted = Array.from({ length: 2 * sessions.get(name) - 1 }, (_, n) => (n % 2 ? "user.offline" : "user.online"));
    await until(`the last hook of ${name}`, () => w.hooks.of(name).length >= wanted.length);
    assert.deepEqual(w.hooks.types(name), wanted, `what the backend was told of ${name}`);
  }

  // Memory: flat from the second quarter on; the first fills what is remembered.
  const quarter = Math.floor(memory.length / 4);
  const mean = (part) => part.reduce((sum, it) => sum + it, 0) / part.length;
  const [early, late] = [mean(memory.slice(quarter, 2 * quarter)), mean(memory.slice(-quarter))];
  say(`${JSON.stringify(counts)}; memory in the second quarter ${(early / 2 ** 20).toFixed(1)} MiB, in the last ${(late / 2 ** 20).toFixed(1)} MiB`);
  assert.ok(late < 1.1 * early + SLACK_BYTES, `memory grew from ${early} to ${late} bytes`);

  for (const { streams } of users) for (const { socket } of streams) socket.disconnect();
  const isZero = async () => {
    const left = (await w.server.api("GET", "/v1/stats")).body;
    if (Object.values(left).some((count) => count !== 0)) throw new Error(JSON.stringify(left));
    return true;
  };
  await until("every count to be zero", isZero, graceMs + PATIENCE_MS);
  return counts;
}

function resident(server) {
  return 1024 * Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${server.child.pid}/status`, "utf8"))[1]);
}
