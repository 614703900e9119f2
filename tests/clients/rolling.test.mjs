// What users see of several nodes behind one nginx: a lift (S9), a deploy (S11), and all nodes restarted one after the other.
import assert from "node:assert/strict";
import { describe } from "node:test";
import { up, ways } from "./lib/client.mjs";
import { cluster } from "./lib/cluster.mjs";
import { Proxy } from "./lib/proxy.mjs";
import { sleep, steadily, until } from "./lib/wait.mjs";

const HOLE_MS = 8000;
const kinds = Object.values(ways);
const names = (socket) => socket.heard.map(([event]) => event);

/** How the hole is made, and what happens to the first node in it. */
const holes = {
  "the connection is cut": { lose: (proxy) => proxy.cut() },
  "the old connection stays half-open": { lose: (proxy) => proxy.halfOpen() },
  "a node is restarted meanwhile": {
    lose: (proxy) => proxy.cut(),
    async inside(node) {
      await node.term();
      await node.up();
    },
  },
  "a node is killed meanwhile, and stays away": { lose: (proxy) => proxy.cut(), inside: (node) => node.kill9() },
};

describe("S9: eight seconds without a network, two nodes", { concurrency: 2 }, () => {
  const config = { presence: { grace: "1m" }, recovery: { window: "2m" } };
  for (const [hole, { lose, inside }] of Object.entries(holes)) {
    cluster(`${hole}: all five messages arrive once, in order`, 2, config, async (w) => {
      const proxy = await Proxy.start(Number(new URL(w.url).port));
      w.after(() => proxy.close());
      const users = kinds.flatMap((_, n) => [`user-${2 * n}`, `user-${2 * n + 1}`]);
      const to = { users };
      const tabs = users.map((user, n) => w.client(user, { url: proxy.url, transports: kinds[n % kinds.length] }));
      for (const tab of tabs) await up(tab, 30_000);
      await w.nodes[0].emit({ to, event: "zero" });
      await until("the first event", () => tabs.every((it) => it.heard.length === 1));

      const start = performance.now();
      proxy.refusing = true;
      // More than one try: a polling client may be between two requests.
      await until("the clients to notice", () => tabs.every((it) => it.ends.length === 1) || lose(proxy), 10_000, 50);
      await w.nodes[0].emit({ to, event: "a" });
      // Asked again of the other node, because the answer was lost, say.
      const key = { "idempotency-key": "once" };
      const first = await w.nodes[0].api("POST", "/v1/emit", { to, event: "b" }, key);
      const second = await w.nodes[1].api("POST", "/v1/emit", { to, event: "b" }, key);
      assert.deepEqual([first.status, second.body.id], [200, first.body.id]);
      await w.nodes[1].emit({ to, event: "c", store: "always" });
      await inside?.(w.nodes[0]);
      await w.nodes[1].emit({ to, event: "d" });
      await w.nodes[1].emit({ to, event: "e", store: "always" });
      await sleep(Math.max(0, HOLE_MS - (performance.now() - start)));
      proxy.refusing = false;
      await until("the clients to be back", () => tabs.every((it) => it.connected), 30_000);
      await until("all five", () => tabs.every((it) => it.heard.length >= 6), 30_000);
      await w.nodes[1].emit({ to, event: "after" });
      await until("what comes after", () => tabs.every((it) => names(it).includes("after")), 30_000);
      const all = ["zero", "a", "b", "c", "d", "e", "after"].join();
      for (const tab of tabs) assert.equal(tab.recovered, true);
      await steadily("nothing twice", () => tabs.every((it) => names(it).join() === all), 500);
      for (const user of users) {
        await until("one socket", async () => (await w.nodes[1].user(user)).sockets.length === 1, 30_000);
        assert.deepEqual(w.hooks.types(user), ["user.online"]);
        const { body: inbox } = await w.nodes[1].api("GET", `/v1/users/${user}/inbox`);
        assert.deepEqual([inbox.unread, inbox.items.map((it) => it.event)], [2, ["e", "c"]]);
      }
    });
  }
});

/** Connects `count` users, some at a time, as clients of all kinds. */
async function crowd(w, count) {
  const tabs = [];
  while (tabs.length < count) {
    const some = Array.from({ length: Math.min(50, count - tabs.length) }, (_, n) => tabs.length + n);
    tabs.push(...(await Promise.all(some.map((n) => w.connect(`user-${n}`, { transports: kinds[n % kinds.length] })))));
  }
  return tabs;
}

/** SIGTERM, which the node says to load balancers at once, and a new process as soon as the old one has gone. */
async function restart(node, drainMs) {
  const stopping = node.term(drainMs + 20_000);
  let seen = performance.now();
  const ready = await until("readiness to go", async () => {
    const begun = performance.now();
    const status = await fetch(`${node.adminUrl}/readyz`).then((it) => it.status, () => "gone");
    if (status === 200) seen = begun;
    return status !== 200 && { status, unseenMs: performance.now() - seen };
  }, 10_000, 5);
  // Closing takes longer than this; whoever looked away for longer may have missed it.
  if (ready.unseenMs < 250) assert.equal(ready.status, 503, "not ready, and says so before the listener is gone");
  await stopping;
  await node.up();
}

/** All nodes have said that nobody's grace runs, so nobody can go offline later. */
const nobodyLingers = async (node) => (await node.api("GET", "/v1/users?state=lingering&limit=1")).body.users.length === 0;

describe("deploys of several nodes", { concurrency: 1 }, () => {
  const patient = { listen: { drain: "4s" }, presence: { grace: "1m" } };
  cluster("S11: one of two nodes is restarted under 500 clients, and no hook is sent", 2, patient, async (w) => {
    const tabs = await crowd(w, 500);
    await until("the online hooks", () => w.hooks.events.length === 500, 60_000);
    await restart(w.nodes[0], 4000);
    await until("everybody to be back", () => tabs.every((it) => it.connected), 60_000);
    for (const tab of tabs) assert.ok(!tab.ends.includes("io server disconnect"), `${tab.ends}`);
    // Whoever was started just now may be late with its answer.
    const answer = await until("all to be sent it", async () => {
      const it = await w.nodes[1].emit({ to: { all: true }, event: "back", data: 1 });
      return it.matched === 500 && it;
    }, 60_000);
    assert.deepEqual([answer.matched, answer.sent], [500, 500]);
    await until("everybody to hear it", () => tabs.every((it) => it.heard.length >= 1), 30_000);
    await until("nobody to linger", () => nobodyLingers(w.nodes[1]), 30_000);
    await steadily("no further hook", () => w.hooks.events.length === 500, 1000);
  }, { timeout: 240_000 });

  const lossless = { listen: { drain: "2s" }, presence: { grace: "1m" }, recovery: { window: "2m" } };
  cluster("three nodes are restarted one after the other: nobody is offline, and nothing is lost", 3, lossless, async (w) => {
    const COUNT = 60;
    const tabs = await crowd(w, COUNT);
    await until("the online hooks", () => w.hooks.events.length === COUNT, 30_000);
    // Whoever emits asks the next node when one is gone, as a load balancer does.
    const taken = [];
    let isOver = false;
    const emitting = (async () => {
      for (let n = 0; !isOver; n++) {
        const node = w.nodes[n % w.nodes.length];
        const answer = await node.api("POST", "/v1/emit", { to: { all: true }, event: "n", data: n }).catch(() => ({}));
        if (answer.status === 200 && !answer.body.degraded) taken.push(n);
        await sleep(10);
      }
    })();
    await until("some events", () => tabs.every((it) => it.heard.length > 10), 30_000);
    for (const node of w.nodes) await restart(node, 2000);
    await until("everybody to be back", () => tabs.every((it) => it.connected), 60_000);
    const between = taken.length;
    await until("more events", () => taken.length >= between + 10, 60_000);
    isOver = true;
    await emitting;
    const last = taken.at(-1), sure = new Set(taken);
    await until("the last event", () => tabs.every((it) => it.heard.some(([, n]) => n === last)), 60_000);
    for (const tab of tabs) {
      const heard = tab.heard.map(([, number]) => number).filter((it) => sure.has(it));
      assert.ok(heard.every((number, at) => at === 0 || heard[at - 1] < number), "twice, or out of order");
      const known = new Set(heard);
      assert.deepEqual(taken.filter((number) => !known.has(number)), [], `missed by one of the clients, of ${taken.length}`);
      assert.equal(tab.recovered, true);
      assert.ok(tab.ends.length >= 1, "each was on one of them");
      assert.ok(!tab.ends.includes("io server disconnect"), `${tab.ends}`);
    }
    await until("nobody to linger", () => nobodyLingers(w.nodes[0]), 30_000);
    assert.deepEqual(w.hooks.of(undefined, "user.offline"), []);
  }, { timeout: 240_000 });
});
