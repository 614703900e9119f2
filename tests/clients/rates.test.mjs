// How fast one socket may send: held back first, closed only if that goes on, and others do not notice.
import assert from "node:assert/strict";
import { describe } from "node:test";
import { ways } from "./lib/client.mjs";
import { scenario } from "./lib/scenario.mjs";
import { once, sleep, until } from "./lib/wait.mjs";

const flood = (socket, count, ...args) => Promise.all(Array.from({ length: count }, (_, n) => socket.emitWithAck("userline:ping", n, ...args)));

describe("rates", { concurrency: 4 }, () => {
  for (const [way, transports] of Object.entries(ways)) {
    scenario(`${way}: a burst passes, what comes too fast is held back, and nothing is lost`, { limits: { events_per_s: 50, events_burst: 20 } }, async (w) => {
      const socket = await w.connect("ann", { transports });
      const begun = performance.now();
      const acks = await flood(socket, 120);
      const took = performance.now() - begun;
      assert.deepEqual(acks, Array.from({ length: 120 }, (_, n) => n));
      assert.ok(took >= 1900, `100 beyond the burst at 50 a second take 2 s, not ${took} ms`);
      assert.ok((await w.server.metric("userline_sockets_throttled_total")) > 0);
      assert.deepEqual(socket.ends, []);
    });
  }

  scenario("no ping timeout runs meanwhile", { limits: { bytes_per_s: "10KB", bytes_burst: "10KB" }, socketio: { ping_interval: "500ms", ping_timeout: "500ms" } }, async (w) => {
    const socket = await w.connect("ann", { transports: ["websocket"] });
    await flood(socket, 5, "x".repeat(9_000)); // some 4 s
    assert.deepEqual(socket.ends, []);
  });

  scenario("so has an event for other clients", { limits: { event_rates: [{ event: "typing", per_s: 2, burst: 1 }] }, messages: { client_to_client: "rule", allow: ["typing", "cursor"] } }, async (w) => {
    const socket = await w.connect("ann");
    const send = (event) => socket.emitWithAck("userline:emit", { to: { user: "ann" }, event });
    const throttled = () => w.server.metric("userline_sockets_throttled_total");
    await Promise.all([1, 2, 3, 4, 5].map(() => send("cursor")));
    assert.equal(await throttled(), 0);
    await Promise.all([1, 2, 3].map(() => send("typing")));
    assert.ok((await throttled()) > 0);
  });

  scenario("a single event has a rate of its own", { limits: { event_rates: [{ event: "typing", per_s: 2, burst: 1 }] } }, async (w) => {
    const socket = await w.connect("ann");
    await flood(socket, 200);
    const begun = performance.now();
    await Promise.all([1, 2, 3].map((n) => socket.emitWithAck("typing", n)));
    assert.ok(performance.now() - begun >= 990);
  });

  scenario("who floods on is closed as rate_limited, and others do not notice", { limits: { events_per_s: 20, events_burst: 20 } }, async (w) => {
    const other = await w.connect("bob");
    const socket = await w.connect("ann", { transports: ["websocket"], reconnection: false });
    const gone = once(socket, "disconnect", 30_000);
    for (let n = 0; n < 10_000; n += 1) socket.emit("userline:ping", n);
    let isOver = false;
    gone.finally(() => (isOver = true)).catch(() => {});
    // The flood lasts for ten seconds and more; an answer that had to wait for its end would miss this deadline.
    for (; !isOver; await sleep(200)) await other.timeout(5000).emitWithAck("userline:ping");
    await gone;
    const history = () => w.server.api("GET", "/v1/users/ann/history").then(({ body }) => body.sockets[0]?.reason);
    await until("the reason", async () => (await history()) === "rate_limited");
    const metrics = await (await fetch(`${w.server.adminUrl}/metrics`)).text();
    assert.match(metrics, /^userline_disconnects_total\{reason="rate_limited"\} 1$/m);
    assert.deepEqual(other.ends, []);
  });
});
