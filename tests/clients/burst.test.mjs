// Bursts, as docs/messages.md describes them: 10,000 events of 1 KB to a client that is well.
import assert from "node:assert/strict";
import { describe } from "node:test";
import { ways } from "./lib/client.mjs";
import { Proxy } from "./lib/proxy.mjs";
import { scenario } from "./lib/scenario.mjs";
import { until } from "./lib/wait.mjs";

const COUNT = 10_000;
const BATCH = 500;
const KB = "x".repeat(1000);
const to = { users: ["ann"] };

/** Emits the events `from`…`from + BATCH`, the last with `ack` if asked; gives the results. */
async function batch(w, from, ack) {
  const emits = Array.from({ length: BATCH }, (_, n) => ({ to, event: "n", args: [from + n, KB] }));
  if (ack) emits.at(-1).ack = ack;
  const { status, body } = await w.server.api("POST", "/v1/emit/batch", { emits });
  assert.equal(status, 200, JSON.stringify(body).slice(0, 300));
  return body.results;
}

const numbers = (socket) => socket.heard.map(([, n]) => n);
const whole = (socket) => numbers(socket).every((n, at) => n === at) && socket.heard.length === COUNT;

describe("bursts", { concurrency: 1 }, () => {
  for (const recovery of ["0s", "2m"]) {
    for (const [way, transports] of Object.entries(ways)) {
      // What waits for a polling client between two of its requests must fit.
      const limits = transports.includes("websocket") ? {} : { buffer_bytes: "16MB" };
      scenario(`a burst arrives whole and in order (${way}, recovery ${recovery})`, { limits, recovery: { window: recovery } }, async (w) => {
        const socket = await w.connect("ann", { transports });
        for (let from = 0; from < COUNT; from += BATCH) {
          for (const { sent } of await batch(w, from)) assert.equal(sent, 1);
        }
        await until("all of them", () => socket.heard.length >= COUNT, 30_000);
        assert.ok(whole(socket), "in order, once each");
        assert.deepEqual(socket.ends, []);
      });
    }
  }

  scenario("a polling client for which more than the buffer holds comes at once is closed, the answers say so, and it comes back", {}, async (w) => {
    const proxy = await Proxy.start(Number(new URL(w.server.publicUrl).port));
    w.after(() => proxy.close());
    const socket = await w.connect("ann", { url: proxy.url, transports: ["polling"] });
    // All of it between two requests of the client, however fast the machine is.
    proxy.stall();
    const taken = [];
    for (let from = 0; from < COUNT; from += BATCH) {
      const results = await batch(w, from);
      taken.push(...results.flatMap(({ sent }, n) => (sent === 1 ? [from + n] : [])));
    }
    assert.ok(taken.length < COUNT, "everything was taken");
    proxy.resume();
    await until("the client to be back", () => socket.ends.length === 1 && socket.connected);
    await w.server.emit({ to, event: "n", args: [Infinity.toString()] });
    await until("what comes after", () => numbers(socket).includes("Infinity"));
    const heard = numbers(socket).slice(0, -1);
    assert.ok(heard.every((n, at) => at === 0 || heard[at - 1] < n), "in order, once each");
    const known = new Set(taken);
    assert.ok(heard.every((n) => known.has(n)), "what was heard was sent");
    const { body } = await w.server.api("GET", "/v1/users/ann/history");
    assert.ok(body.sockets.some(({ reason }) => reason === "slow_consumer"), JSON.stringify(body));
  });

  scenario("a sender that waits for acks now and then loses nothing with the default buffer", {}, async (w) => {
    const socket = await w.connect("ann", { transports: ["polling"] });
    socket.on("n", (...args) => typeof args.at(-1) === "function" && args.at(-1)());
    for (let from = 0; from < COUNT; from += BATCH) {
      const results = await batch(w, from, { timeout: "20s" });
      assert.equal(results.at(-1).acked, 1, JSON.stringify(results.at(-1)));
    }
    assert.ok(whole(socket), "in order, once each");
    assert.deepEqual(socket.ends, []);
  });
});
