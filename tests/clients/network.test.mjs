// The network does what networks do: connections break, go silent, or live on at one end only.
import assert from "node:assert/strict";
import { describe } from "node:test";
import { Proxy } from "./lib/proxy.mjs";
import { scenario } from "./lib/scenario.mjs";
import { steadily, until } from "./lib/wait.mjs";

const PING_MS = 2000;
const PONG_MS = 2000;
const GRACE_MS = 2000;
// Other tests run beside these.
const SLACK_MS = 500;
const config = {
  presence: { grace: `${GRACE_MS}ms` },
  socketio: { ping_interval: `${PING_MS}ms`, ping_timeout: `${PONG_MS}ms` },
};

async function behindProxy(w) {
  const proxy = await Proxy.start(Number(new URL(w.server.publicUrl).port));
  w.after(() => proxy.close());
  return proxy;
}

describe("network", { concurrency: 4 }, () => {
  for (const transports of [["websocket"], ["polling"]]) {
    // The stock client comes back after 0.5 to 1.5 s; the grace leaves a slow machine time for it.
    const patient = { ...config, presence: { grace: "6s" } };
    scenario(`a connection that is cut comes back without a hook (${transports})`, patient, async (w) => {
      const proxy = await behindProxy(w);
      const tab = await w.connect("ann", { url: proxy.url, transports });
      await w.hooks.wait("ann", "user.online");
      for (let round = 1; round <= 3; round += 1) {
        // More than one try: a polling client may be between two requests.
        await until("the client to notice", () => tab.ends.length >= round || proxy.cut(), 10_000, 50);
        await until("the client to return", () => tab.connected);
        await w.server.state("ann", "online");
      }
      await steadily("no further hook", () => w.hooks.of("ann").length === 1, 1000);
      await until("one socket", async () => (await w.server.user("ann")).sockets.length === 1);
    });

    scenario(`a silent connection ends in one offline, in time (${transports})`, config, async (w) => {
      const proxy = await behindProxy(w);
      const tab = await w.connect("ann", { url: proxy.url, transports, reconnection: false });
      await w.hooks.wait("ann", "user.online");
      const start = performance.now();
      proxy.blackhole();
      const offline = await w.hooks.wait("ann", "user.offline", 1, PING_MS + PONG_MS + GRACE_MS + 3000);
      const after = offline.at - start;
      assert.ok(after >= GRACE_MS && after <= PING_MS + PONG_MS + GRACE_MS + 500 + 1000 + SLACK_MS, `offline after ${after} ms`);
      assert.equal(offline.data.reason, "ping_timeout");
      tab.disconnect();
    });
  }

  scenario("after a network switch the old half-open connection dies without a hook", config, async (w) => {
    const proxy = await behindProxy(w);
    const tab = await w.connect("ann", { url: proxy.url, transports: ["websocket"] });
    await w.hooks.wait("ann", "user.online");
    proxy.halfOpen();
    await until("the client to be back", () => tab.ends.length === 1 && tab.connected);
    await until("the old socket to be gone", async () => (await w.server.user("ann")).sockets.length === 1, PING_MS + PONG_MS + 2000);
    await steadily("no further hook", () => w.hooks.of("ann").length === 1, GRACE_MS + 1000);
    await w.server.emit({ to: { users: ["ann"] }, event: "still", data: 1 });
    await until("the event", () => tab.heard.length === 1);
  });

  scenario("a receiver that is down gets everything later, in order", config, async (w) => {
    w.hooks.mode = 500;
    const tab = await w.connect("ann", { transports: ["websocket"] });
    await until("an attempt", () => w.hooks.attempts.length > 0);
    tab.disconnect();
    await w.server.state("ann", "offline");
    const other = await w.connect("bob", { transports: ["websocket"] });
    assert.ok(other.connected);
    w.hooks.mode = "ok";
    await w.hooks.wait("ann", "user.offline", 1, 40_000);
    await w.hooks.wait("bob", "user.online", 1, 40_000);
    assert.deepEqual(w.hooks.types("ann"), ["user.online", "user.offline"]);
    for (const event of w.hooks.events) {
      const ids = w.hooks.attempts.filter((it) => it.user === event.user && it.type === event.type).map((it) => it.id);
      assert.deepEqual([...new Set(ids)], [event.id], "retries keep their id");
    }
  }, { timeout: 90_000 });
});
