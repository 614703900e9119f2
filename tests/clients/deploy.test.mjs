// A deploy behind nginx, as many times a week: hundreds of stock clients, one restart, and nobody is any the wiser.
import assert from "node:assert/strict";
import { describe } from "node:test";
import { ways } from "./lib/client.mjs";
import { nginx } from "./lib/nginx.mjs";
import { scenario } from "./lib/scenario.mjs";
import { steadily, until } from "./lib/wait.mjs";

const kinds = Object.values(ways);

/** Connects `count` users, some at a time, as clients of all kinds. */
async function crowd(w, count, options, transports = (n) => kinds[n % kinds.length]) {
  const tabs = [];
  while (tabs.length < count) {
    const some = Array.from({ length: Math.min(50, count - tabs.length) }, (_, n) => tabs.length + n);
    tabs.push(...(await Promise.all(some.map((n) => w.connect(`user-${n}`, { transports: transports(n), ...options })))));
  }
  return tabs;
}

/** SIGTERM, and a new process as soon as the old one has gone. */
async function restart(w, drainMs) {
  const stopping = w.server.term(drainMs + 2000);
  const ready = await until("readiness to go", async () => {
    const status = await fetch(`${w.server.adminUrl}/readyz`).then((it) => it.status, () => "gone");
    return status !== 200 && { status };
  }, 5000, 5);
  assert.equal(ready.status, 503, "not ready, and says so before the listener is gone");
  await stopping;
  await w.server.up();
}

describe("deploy", { concurrency: 1 }, () => {
  const patient = { listen: { drain: "4s" }, presence: { grace: "1m", startup_grace: "1m" } };
  scenario("S11: 500 clients behind nginx come back after a restart, and no hook is sent", patient, async (w) => {
    const url = await nginx(w);
    const tabs = await crowd(w, 500, { url });
    await until("the online hooks", () => w.hooks.events.length === 500, 20_000);
    assert.equal((await w.server.api("GET", "/v1/stats")).body.sockets, 500);

    await restart(w, 4000);
    // Stock clients pause for 5 s at most; the rest of this bound is for a machine with other things to do.
    await until("everybody to be back", () => tabs.every((it) => it.connected), 6000 + 40_000);
    for (const tab of tabs) assert.ok(!tab.ends.includes("io server disconnect"), `${tab.ends}`);
    const answer = await w.server.emit({ to: { all: true }, event: "back", data: 1 });
    assert.deepEqual([answer.matched, answer.sent], [500, 500]);
    await until("everybody to hear it", () => tabs.every((it) => it.heard.length === 1), 20_000);
    // Nobody's grace runs any more, so nobody can go offline later.
    const { body: stats } = await w.server.api("GET", "/v1/stats");
    assert.deepEqual([stats.users, stats.lingering], [500, 0]);
    await steadily("no further hook", () => w.hooks.events.length === 500, 1000);
  }, { timeout: 180_000 });

  for (const transports of [["websocket"], ["polling"]]) {
    const config = { listen: { drain: "2s" }, presence: { grace: "1m", startup_grace: "1m" }, recovery: { window: "2m" } };
    scenario(`what is emitted all through a restart reaches 100 clients once each, in order (${transports})`, config, async (w) => {
      const tabs = await crowd(w, 100, {}, () => transports);
      const taken = [];
      let n = 0;
      let isOver = false;
      const emitting = (async () => {
        while (!isOver) {
          const number = n++;
          const answer = await w.server
            .api("POST", "/v1/emit", { to: { all: true }, event: "n", data: number })
            .catch(() => ({ status: "nobody listens" }));
          if (answer.status === 200) taken.push(number);
          await new Promise((done) => setTimeout(done, 5));
        }
      })();
      await until("some events", () => taken.length >= 10, 30_000);
      const before = taken.length;
      await restart(w, 2000);
      assert.ok(taken.length > before, "events were taken while the connections were closed");
      await until("everybody to be back", () => tabs.every((it) => it.connected), 40_000);
      const between = taken.length;
      await until("more events", () => taken.length >= between + 10, 30_000);
      isOver = true;
      await emitting;
      const last = taken.at(-1);
      await until("the last event", () => tabs.every((it) => it.heard.at(-1)?.[1] === last), 20_000);
      for (const tab of tabs) {
        const heard = tab.heard.map(([, number]) => number);
        assert.ok(heard.every((number, at) => at === 0 || heard[at - 1] < number), "twice, or out of order");
        const missed = taken.filter((number) => !new Set(heard).has(number));
        assert.deepEqual(missed, [], `missed by one of the clients of ${taken.length}`);
        assert.equal(tab.recovered, true);
        assert.equal(tab.ends.length, 1, `${tab.ends}`);
      }
      assert.equal(w.hooks.of(undefined, "user.offline").length, 0);
    }, { timeout: 120_000 });
  }

  const watched = { socketio: { upgrade_timeout: "2s" } };
  const CROWD = 25;
  scenario("without the Upgrade headers clients work by polling, and the server says what is wrong", watched, async (w) => {
    const url = await nginx(w, { without: /Upgrade \$http_upgrade|Connection \$connection_upgrade/ });
    const tabs = Array.from({ length: CROWD }, (_, n) => w.client(`user-${n}`, { url, transports: ["polling", "websocket"] }));
    await until("everybody to be connected", () => tabs.every((it) => it.connected), 20_000);
    const answer = await w.server.emit({ to: { all: true }, event: "hello", data: 1 });
    assert.equal(answer.sent, CROWD);
    await until("everybody to hear it", () => tabs.every((it) => it.heard.length === 1));
    const { body: stats } = await w.server.api("GET", "/v1/stats");
    assert.deepEqual([stats.sockets, stats.polling, stats.websocket], [CROWD, stats.connections, 0]);
    const metrics = await (await fetch(`${w.server.adminUrl}/metrics`)).text();
    assert.ok(Number(metrics.match(/^userline_transports\{transport="polling"\} (\d+)$/m)?.[1]) >= CROWD, metrics);
    assert.match(metrics, /^userline_transports\{transport="websocket"\} 0$/m);
    const said = () => w.server.log.split("0 % websocket").length - 1;
    await until("the warning", () => said() > 0);
    await steadily("the warning, once", () => said() === 1, 3000);
    for (const tab of tabs) {
      assert.equal(tab.io.engine.transport.name, "polling");
      assert.deepEqual(tab.ends, []);
    }
  });

  scenario("where WebSockets get through, no such warning", watched, async (w) => {
    const url = await nginx(w);
    await w.connect("ann", { url, transports: ["polling", "websocket"] });
    await crowd(w, CROWD, { url }, () => ["polling"]);
    await steadily("no warning", () => !w.server.log.includes("0 % websocket"), 4000);
    const { body: stats } = await w.server.api("GET", "/v1/stats");
    assert.deepEqual([stats.polling, stats.websocket], [CROWD, 1]);
  });
});
