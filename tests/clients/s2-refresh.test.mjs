// Story S2: refreshes and short losses of the network are invisible; a longer absence is one offline and one online.
import assert from "node:assert/strict";
import { describe } from "node:test";
import { ways } from "./lib/client.mjs";
import { scenario } from "./lib/scenario.mjs";
import { sleep } from "./lib/wait.mjs";

const GRACE_MS = 5000;
const ROUNDS = 20;

describe("S2", { concurrency: 3 }, () => {
  for (const [way, transports] of Object.entries(ways)) {
    scenario(`twenty refreshes make no hook (${way})`, { presence: { grace: `${GRACE_MS}ms` } }, async (w) => {
      let tab = await w.connect("42", { transports });
      const online = await w.hooks.wait("42", "user.online");

      for (let round = 0; round < ROUNDS; round += 1) {
        // By turns: the page says goodbye, and the connection just ends.
        if (round % 2 === 0) tab.disconnect();
        else {
          tab.io.reconnection(false);
          tab.io.engine.close();
        }
        const gone = performance.now();
        const hole = await w.server.state("42", "lingering");
        assert.deepEqual(hole.sockets, []);
        await sleep((round * 53) % 700); // holes of different length are the point here
        tab = await w.connect("42", { transports });
        assert.ok(performance.now() - gone < GRACE_MS - 500, "the hole was shorter than the story says");
        await w.server.state("42", "online");
      }

      const user = await w.server.user("42");
      assert.equal(user.sockets.length, 1);
      assert.deepEqual(w.hooks.types("42"), ["user.online"]);

      // The boundary: half a second longer than the grace.
      tab.disconnect();
      await sleep(GRACE_MS + 500);
      tab = await w.connect("42", { transports });
      await w.hooks.wait("42", "user.online", 2);
      assert.deepEqual(w.hooks.types("42"), ["user.online", "user.offline", "user.online"]);
      const [first, offline, second] = w.hooks.of("42");
      assert.equal(first.id, online.id);
      assert.ok(first.data.seq < offline.data.seq && offline.data.seq < second.data.seq);
      assert.equal(offline.data.session, first.data.session);
      assert.notEqual(second.data.session, first.data.session);
      assert.equal(second.data.session, second.data.seq);
    });
  }
});
