// SIGTERM: an orderly stop after which every stock client comes back to the next process, and nobody was offline.
import assert from "node:assert/strict";
import { describe } from "node:test";
import { ways } from "./lib/client.mjs";
import { scenario } from "./lib/scenario.mjs";
import { once, steadily, until } from "./lib/wait.mjs";

const CLIENTS = 30;
// Between two closes, unless so many are connected that the drain time asks for less.
const STEP_MS = 20;

describe("graceful stop", { concurrency: 2 }, () => {
  const config = { listen: { drain: "2s" }, presence: { grace: "10s", startup_grace: "8s" } };
  scenario("clients come back to the restarted server and no hook is sent", config, async (w) => {
    const kinds = Object.values(ways);
    const tabs = await Promise.all(
      Array.from({ length: CLIENTS }, (_, n) => w.connect(`user-${n}`, { transports: kinds[n % kinds.length] })),
    );
    await until("the online hooks", () => w.hooks.events.length === CLIENTS);

    const stop = w.server.term();
    const ready = await until("readiness to go", async () => {
      const status = await fetch(`${w.server.adminUrl}/readyz`).then((it) => it.status, () => "gone");
      return status !== 200 && { status };
    }, 10_000, 5);
    assert.equal(ready.status, 503, "not ready, and says so before the listener is gone");
    await stop;

    await w.server.up();
    await until("everybody to be back", () => tabs.every((it) => it.connected), 8000);
    for (const tab of tabs) assert.ok(!tab.ends.includes("io server disconnect"), `${tab.ends}`);
    await steadily("no further hook", () => w.hooks.events.length === CLIENTS, 9000);
  });

  for (const [name, count, drainMs] of [["few, 20 ms apart", 75, 10_000], ["many, evenly over the drain time", 150, 1500]]) {
    scenario(`connections are closed one by one: ${name}`, { listen: { drain: `${drainMs}ms` } }, async (w) => {
      const connect = (_, n) => w.connect(`user-${n}`, { transports: ["websocket"], reconnection: false });
      const tabs = await Promise.all(Array.from({ length: count }, connect));
      const ends = tabs.map((tab) => once(tab, "disconnect", 20_000).then(() => performance.now()));
      await w.server.term(drainMs + 10_000);
      const times = (await Promise.all(ends)).sort((a, b) => a - b);
      const spread = Math.min(drainMs, count * STEP_MS);
      assert.equal(spread, 1500);
      // A third of it, because a busy machine may see many closes at once, long after they happened.
      assert.ok(times.at(-1) - times[0] > spread / 3, `all were closed within ${times.at(-1) - times[0]} ms`);
    });
  }

  scenario("a server without clients stops at once, and starts again on the same folder", { listen: { drain: "30s" } }, async (w) => {
    await w.server.term(15_000);
    await w.server.up();
    const tab = await w.connect("ann");
    await w.hooks.wait("ann", "user.online");
    tab.disconnect();
    await w.hooks.wait("ann", "user.offline");
  });
});
