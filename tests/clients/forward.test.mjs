// Polls at the wrong node: two nodes behind an nginx that sends each request to the next of them.
import assert from "node:assert/strict";
import { describe } from "node:test";
import { ways } from "./lib/client.mjs";
import { cluster, forwarded } from "./lib/cluster.mjs";
import { once, steadily, until } from "./lib/wait.mjs";

const kinds = Object.entries(ways);
const CLIENTS = 12;

/** Emits to all from `node` until `isOver()`; gives the numbers that were taken. */
async function emitting(node, isOver) {
  const taken = [];
  for (let n = 0; !isOver(); n++) {
    const answer = await node.api("POST", "/v1/emit", { to: { all: true }, event: "n", data: n }).catch(() => ({}));
    if (answer.status === 200 && !answer.body.degraded) taken.push(n);
    await new Promise((done) => setTimeout(done, 10));
  }
  return taken;
}

const sum = async (nodes, outcome) => {
  const counts = await Promise.all(nodes.map((it) => forwarded(it, outcome)));
  return counts.reduce((a, b) => a + b, 0);
};

describe("polls at the wrong node", { concurrency: 1 }, () => {
  const trusting = { listen: { trusted_proxies: ["127.0.0.1/32"] }, presence: { grace: "1m" } };
  cluster("stock clients of all kinds work through a load balancer that sends each request elsewhere", 2, trusting, async (w) => {
    const address = (n) => `203.0.113.${n + 1}`;
    for (const [name, transports] of kinds) {
      const tabs = await Promise.all(Array.from({ length: CLIENTS }, (_, n) =>
        w.connect(`${name}-${n}`, { transports, extraHeaders: { "X-Forwarded-For": address(n) } })));
      const long = "x".repeat(300_000);
      for (let n = 0; n < 10; n++) {
        const answer = await w.nodes[n % 2].emit({ to: { users: tabs.map((_, n) => `${name}-${n}`) }, event: "n", data: n === 5 ? long : n });
        if (!answer.nodes_missing) assert.equal(answer.sent, CLIENTS, JSON.stringify(answer));
        await until("everybody to hear it", () => tabs.every((it) => it.heard.length === n + 1), 30_000);
        const word = n === 7 ? long : n;
        const said = await Promise.all(tabs.map((tab) => tab.timeout(30_000).emitWithAck("userline:ping", word)));
        assert.ok(said.every((it) => it === word));
      }
      await until("everybody to hear all of it", () => tabs.every((it) => it.heard.length === 10), 30_000);
      for (const tab of tabs) {
        assert.deepEqual(tab.heard.map(([, it]) => it), [0, 1, 2, 3, 4, long, 6, 7, 8, 9]);
        assert.deepEqual(tab.ends, []);
      }
      // Wherever its requests came: who a client is was seen when it opened its connection.
      for (const [n] of tabs.entries()) {
        await until("its address", async () => (await w.nodes[1].user(`${name}-${n}`)).sockets[0]?.address === address(n), 30_000);
      }
      for (const tab of tabs) tab.disconnect();
    }
    assert.ok(await sum(w.nodes, "request") > 100, "polls were handed on");
    assert.ok(await sum(w.nodes, "websocket") > 0, "and WebSockets");
    for (const outcome of ["unreachable", "unanswered", "full", "refused"]) assert.equal(await sum(w.nodes, outcome), 0, outcome);
  });

  const patient = { presence: { grace: "1m" }, recovery: { window: "2m" } };
  cluster("kill -9 of the node that has the connections: clients come back, and have missed nothing", 2, patient, async (w) => {
    const tabs = [];
    for (const [name, transports] of kinds) {
      tabs.push(...await Promise.all(Array.from({ length: CLIENTS }, (_, n) => w.connect(`${name}-${n}`, { transports }))));
    }
    await until("the online hooks", () => w.hooks.events.length === tabs.length, 30_000);
    let isOver = false;
    const emitted = emitting(w.nodes[1], () => isOver);
    await until("some events", () => tabs.every((it) => it.heard.length > 10), 30_000);
    await w.nodes[0].kill9();
    await until("everybody to be back", () => tabs.every((it) => it.connected), 60_000);
    const before = tabs.map((it) => it.heard.length);
    await until("more events", () => tabs.every((it, at) => it.heard.length > before[at] + 10), 60_000);
    isOver = true;
    const taken = await emitted;
    const last = taken.at(-1), sure = new Set(taken);
    await until("the last event", () => tabs.every((it) => it.heard.some(([, n]) => n === last)), 30_000);
    for (const tab of tabs) {
      const heard = tab.heard.map(([, number]) => number).filter((it) => sure.has(it));
      const first = heard[0];
      assert.deepEqual(heard, taken.filter((it) => it >= first), "each once, in order");
    }
    assert.ok(tabs.some((it) => it.ends.length > 0), "the killed node had some");
    assert.equal(w.hooks.of(undefined, "user.offline").length, 0);
  });

  cluster("while Redis is away clients of either node are served, wherever their requests come", 2, { presence: { grace: "1m" } }, async (w) => {
    const tabs = [];
    for (const [name, transports] of kinds) {
      tabs.push(...await Promise.all(Array.from({ length: CLIENTS }, (_, n) => w.connect(`${name}-${n}`, { transports }))));
    }
    await w.redis.stop();
    for (const node of w.nodes) {
      await until("it to notice", async () => await node.metric("userline_cluster_attached") === 0, 30_000);
    }
    const sent = [];
    for (const [at, node] of w.nodes.entries()) {
      const answer = await node.emit({ to: { all: true }, event: "from", data: at });
      assert.equal(answer.degraded, true, JSON.stringify(answer));
      sent.push(answer.sent);
    }
    assert.equal(sent[0] + sent[1], tabs.length, "each node has its own");
    assert.ok(sent.every((it) => it > 0), `${sent}`);
    await until("each to hear its node", () => tabs.every((it) => it.heard.length === 1), 30_000);
    for (const tab of tabs) assert.deepEqual(tab.ends, []);
    await w.redis.up();
    for (const node of w.nodes) {
      await until("it to be back", async () => await node.metric("userline_cluster_attached") === 1, 30_000);
      node.expectedErrors.push("cluster");
    }
  });

  cluster("without forwarding polls at the wrong node are refused, and it is said why", 2, { presence: { grace: "1m" } }, async (w) => {
    const socket = w.client("ann", { transports: ["polling"], reconnection: false });
    const refused = await once(socket, "connect_error", 30_000).catch(() => socket.ends);
    assert.ok(refused, "it cannot work");
    const open = await (await fetch(`${w.nodes[0].publicUrl}/socket.io/?EIO=4&transport=polling`)).text();
    const { sid } = JSON.parse(open.slice(1));
    const answer = await fetch(`${w.nodes[1].publicUrl}/socket.io/?EIO=4&transport=polling&sid=${sid}`);
    const body = await answer.json();
    assert.deepEqual([answer.status, body.code, body.message], [400, 1, "Session ID unknown"]);
    assert.match(body.hint, /sticky sessions.*cluster\.forward/);
    const said = (node) => node.log.split("sticky sessions").length - 1;
    await until("the log to say so", () => said(w.nodes[1]) === 1);
    await fetch(`${w.nodes[1].publicUrl}/socket.io/?EIO=4&transport=polling&sid=${sid}`);
    assert.ok(await forwarded(w.nodes[1], "refused") >= 2);
    await steadily("once", () => said(w.nodes[1]) === 1, 500);

    await w.connect("bob", { transports: ["websocket"] });
    await until("bob to be sent it", async () => (await w.nodes[0].emit({ to: { users: ["bob"] }, event: "hello" })).sent === 1, 30_000);
  }, { forward: false });

  cluster("with sticky sessions clients of all kinds work without it", 2, { presence: { grace: "1m" } }, async (w) => {
    for (const [name, transports] of kinds) {
      const tab = await w.connect(name, { transports });
      const hello = { to: { users: [name] }, event: "hello", data: 1 };
      await until("it to be sent it", async () => (await w.nodes[0].emit(hello)).sent === 1, 30_000);
      await until("it hears", () => tab.heard.length >= 1);
      assert.deepEqual(tab.ends, []);
    }
    assert.equal(await sum(w.nodes, "refused"), 0);
  }, { forward: false, sticky: "    ip_hash;" });
});
