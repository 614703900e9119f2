// Clients that take less than they are sent: closed in time, their user goes offline, nobody else waits for them.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { once as onceEvent } from "node:events";
import net from "node:net";
import { describe } from "node:test";
import { scenario } from "./lib/scenario.mjs";
import { until } from "./lib/wait.mjs";

const KB64 = "x".repeat(64 * 1024);

/** A client over a bare TCP socket that connects as `user` and then reads nothing more. */
async function deaf(server, user) {
  const url = new URL(server.publicUrl);
  const socket = net.connect(Number(url.port), url.hostname);
  socket.on("error", () => {}); // it will be reset
  await onceEvent(socket, "connect");
  let seen = "";
  socket.on("data", (bytes) => (seen += bytes.toString("latin1")));
  socket.write(
    "GET /socket.io/?EIO=4&transport=websocket HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n" +
      `Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: ${randomBytes(16).toString("base64")}\r\n\r\n`,
  );
  await until("the 101", () => seen.includes("101 Switching Protocols"));
  socket.write(masked(`40${JSON.stringify({ token: server.token(user) })}`));
  await until("the session", () => seen.includes("userline:session"));
  socket.pause();
  return socket;
}

/** One text frame as a client must send it: masked. */
function masked(text) {
  const payload = Buffer.from(text);
  const mask = randomBytes(4);
  const head = payload.length < 126 ? Buffer.from([0x81, 0x80 | payload.length]) : Buffer.from([0x81, 0xfe, payload.length >> 8, payload.length & 255]);
  return Buffer.concat([head, mask, payload.map((byte, n) => byte ^ mask[n % 4])]);
}

describe("slow clients", { concurrency: 2 }, () => {
  const stalling = { presence: { grace: "1s" }, limits: { buffer_bytes: "64MB", stall: "2s" } };
  scenario("a client that stops reading is closed within the stall limit", stalling, async (w) => {
    const socket = await deaf(w.server, "deaf");
    w.after(() => socket.destroy());
    const healthy = await w.connect("healthy");
    await w.hooks.wait("deaf", "user.online");

    for (let n = 0; n < 200; n += 1) {
      await w.server.emit({ to: { users: ["deaf", "healthy"] }, event: "big", args: [n, KB64] });
    }
    const sent = performance.now();
    const offline = await w.hooks.wait("deaf", "user.offline");
    assert.equal(offline.data.reason, "slow_consumer");
    // Counted from the last emit: stall (2 s), grace (1 s) and one second for the delivery.
    assert.ok(offline.at - sent < 2000 + 1000 + 1000, `offline ${offline.at - sent} ms after the last emit`);
    await until("the healthy client to have all", () => healthy.heard.length === 200);
    assert.deepEqual(healthy.heard.map((it) => it[1]), Array.from({ length: 200 }, (_, n) => n));
    assert.deepEqual(healthy.ends, []);
  });

  scenario("a client that takes nothing of what fits into the kernel is a slow one, too", stalling, async (w) => {
    const socket = await deaf(w.server, "deaf");
    w.after(() => socket.destroy());
    await w.hooks.wait("deaf", "user.online");

    for (let n = 0; n < 8; n += 1) await w.server.emit({ to: { users: ["deaf"] }, event: "big", args: [n, KB64] });
    const sent = performance.now();
    const before = (await w.server.user("deaf")).sockets.length;
    assert.equal(before, 1, "it has the stall limit to take something");
    const offline = await w.hooks.wait("deaf", "user.offline");
    assert.equal(offline.data.reason, "slow_consumer");
    // As above.
    assert.ok(offline.at - sent < 2000 + 1000 + 1000, `offline ${offline.at - sent} ms after the last emit`);
    const [last] = (await w.server.api("GET", "/v1/users/deaf/history")).body.sockets;
    assert.deepEqual([last.reason, last.close_detail, last.pending_bytes], ["slow_consumer", "stalled", 0]);
    assert.equal(await w.server.metric("userline_slow_consumers_total"), 1);
  });

  const small = { presence: { grace: "1s" }, limits: { buffer_bytes: "1MB", stall: "30s" } };
  scenario("a client for which more waits than the buffer holds is closed at once", small, async (w) => {
    const socket = await deaf(w.server, "deaf");
    w.after(() => socket.destroy());
    await w.hooks.wait("deaf", "user.online");
    let matched = 1;
    for (let n = 0; matched > 0; n += 1) {
      assert.ok(n < 1000, "64 MB were taken for a client that reads nothing");
      matched = (await w.server.emit({ to: { users: ["deaf"] }, event: "big", args: [n, KB64] })).matched;
    }
    const offline = await w.hooks.wait("deaf", "user.offline", 1, 5000);
    assert.equal(offline.data.reason, "slow_consumer");
  });

  for (const window of ["0s", "2m"]) {
    const config = { limits: { buffer_bytes: "64MB", stall: "60s" }, recovery: { window } };
    scenario(`to a busy client volatile events are dropped, and counted as such (recovery.window ${window})`, config, async (w) => {
      const { Proxy } = await import("./lib/proxy.mjs");
      const proxy = await Proxy.start(Number(new URL(w.server.publicUrl).port));
      w.after(() => proxy.close());
      const socket = await w.connect("ann", { url: proxy.url, transports: ["websocket"] });
      const to = { users: ["ann"] };
      proxy.stall();
      const taken = [];
      let dropped = 0;
      for (let n = 0; dropped < 5; n += 1) {
        assert.ok(n < 500, "32 MB were taken for a client that reads nothing");
        assert.equal((await w.server.emit({ to, event: "big", args: [n, KB64] })).sent, 1);
        taken.push(["big", n]);
        const { matched, sent } = await w.server.emit({ to, event: "volatile", args: [n], volatile: true });
        assert.equal(matched, 1);
        if (sent) taken.push(["volatile", n]);
        else dropped += 1;
      }
      const metrics = await (await fetch(`${w.server.adminUrl}/metrics`)).text();
      assert.match(metrics, /^userline_events_dropped_total\{cause="volatile"\} 5$/m);
      assert.doesNotMatch(metrics, /^userline_events_dropped_total\{cause="closed"\}/m);
      proxy.resume();
      await until("all that was taken", () => socket.heard.length >= taken.length);
      assert.deepEqual(socket.heard.map(([event, n]) => [event, n]), taken);
      assert.deepEqual(socket.ends, []);
    });
  }

  scenario("a stock client closed as too slow comes back by itself", small, async (w) => {
    const { Proxy } = await import("./lib/proxy.mjs");
    const proxy = await Proxy.start(Number(new URL(w.server.publicUrl).port));
    w.after(() => proxy.close());
    const socket = await w.connect("ann", { url: proxy.url, transports: ["websocket"] });
    proxy.stall();
    let matched = 1;
    for (let n = 0; matched > 0; n += 1) {
      assert.ok(n < 1000, "64 MB were taken for a client that reads nothing");
      matched = (await w.server.emit({ to: { users: ["ann"] }, event: "big", args: [n, KB64] })).matched;
    }
    proxy.resume();
    await until("the end", () => socket.ends.length > 0);
    assert.match(socket.ends[0], /^transport (close|error)$/);
    await until("the client to be back", () => socket.connected);
  });
});
