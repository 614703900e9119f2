// Connection state recovery: a client that was away for a short while gets what it missed, once and in order.
import assert from "node:assert/strict";
import { describe } from "node:test";
import { io as io46 } from "socket.io-client-4-6";
import { up, ways } from "./lib/client.mjs";
import { Proxy } from "./lib/proxy.mjs";
import { rawClient } from "./lib/raw.mjs";
import { scenario } from "./lib/scenario.mjs";
import { sleep, steadily, until } from "./lib/wait.mjs";

const GRACE_MS = 8000;
const config = { presence: { grace: `${GRACE_MS}ms`, startup_grace: "10s" }, recovery: { window: "2m" } };
const makers = { "4.8.4": undefined, "4.6.0": io46 };

async function behindProxy(w) {
  const proxy = await Proxy.start(Number(new URL(w.server.publicUrl).port));
  w.after(() => proxy.close());
  return proxy;
}

/** Emits the numbers `from`…`to` (not included) to ann, one after the other. */
async function emit(w, from, to) {
  for (let n = from; n < to; n += 1) await w.server.emit({ to: { users: ["ann"] }, event: "n", data: n });
}

/** Waits until the client has exactly the numbers 0…count-1, in order. */
async function whole(socket, count) {
  await until(`${count} events`, () => socket.heard.length >= count, 15_000);
  assert.deepEqual(socket.heard.map((it) => it[1]), Array.from({ length: count }, (_, n) => n));
}

/** What a raw client would come back with: the name of its session and its place in the log. */
function claim(raw) {
  const offset = JSON.parse(raw.packets.findLast((it) => it.startsWith("42")).slice(2)).at(-1);
  return { pid: pidOf(raw), offset };
}

const pidOf = (raw) => JSON.parse(raw.packets.find((it) => it.startsWith("40")).slice(2)).pid;

const numbers = (raw) => raw.packets.filter((it) => it.startsWith('42["n",')).map((it) => JSON.parse(it.slice(2))[1]);

/** How many clients were not recovered for this cause. */
async function lost(w, cause) {
  const text = await (await fetch(`${w.server.adminUrl}/metrics`)).text();
  const line = text.split("\n").find((it) => it.startsWith("userline_recoveries_total{") && it.includes(`cause="${cause}"`));
  return Number(line?.split(" ").at(-1) ?? 0);
}

/** Keeps every `recovered` seen at a connect. */
function recoveries(socket) {
  const seen = [];
  socket.on("connect", () => seen.push(socket.recovered));
  return seen;
}

describe("recovery", { concurrency: 4 }, () => {
  for (const [version, make] of Object.entries(makers)) {
    for (const [way, transports] of Object.entries(ways)) {
      scenario(`after three cuts nothing is missing, nothing is twice (${version}, ${way})`, config, async (w) => {
        const proxy = await behindProxy(w);
        const socket = await w.connect("ann", { url: proxy.url, make, transports });
        const seen = recoveries(socket);
        await emit(w, 0, 3);
        for (let round = 1; round <= 3; round += 1) {
          proxy.refusing = true;
          proxy.cut();
          await until("the client to notice", () => socket.ends.length === round);
          await emit(w, 10 * round - 7, 10 * round - 2);
          proxy.refusing = false;
          await until("the client to be back", () => socket.connected);
          assert.equal(socket.recovered, true);
          await emit(w, 10 * round - 2, 10 * round + 3);
          await up(socket);
        }
        await whole(socket, 33);
        assert.deepEqual(seen, [true, true, true]);
        await steadily("no further hook", () => w.hooks.of("ann").length === 1, 300);
        await until("one socket", async () => (await w.server.user("ann")).sockets.length === 1);
      });
    }
  }

  for (const [way, transports] of Object.entries(ways)) {
    scenario(`a network switch: the half-open connection is taken over at once (${way})`, config, async (w) => {
      const proxy = await behindProxy(w);
      const socket = await w.connect("ann", { url: proxy.url, transports });
      await emit(w, 0, 3);
      await until("the first events", () => socket.heard.length === 3);
      proxy.refusing = true;
      proxy.halfOpen();
      await until("the client to notice", () => socket.ends.length === 1);
      // The server believes in the old connection and writes to it.
      assert.equal((await w.server.user("ann")).sockets.length, 1);
      await emit(w, 3, 8);
      proxy.refusing = false;
      await until("the client to be back", () => socket.connected);
      assert.equal(socket.recovered, true);
      await emit(w, 8, 11);
      await whole(socket, 11);
      await until("the ghost to be gone, long before a ping timeout", async () => (await w.server.user("ann")).sockets.length === 1, 2000);
      await steadily("no further hook", () => w.hooks.of("ann").length === 1, 1000);
    });

    scenario(`a graceful restart: what was sent after it is not missed (${way})`, config, async (w) => {
      const socket = await w.connect("ann", { transports });
      await emit(w, 0, 3);
      await until("the first events", () => socket.heard.length === 3);
      await w.server.term();
      await w.server.up();
      await emit(w, 3, 6); // the client is still in its pause
      await until("the client to be back", () => socket.connected);
      assert.equal(socket.recovered, true);
      await emit(w, 6, 8);
      await whole(socket, 8);
      assert.deepEqual(w.hooks.types("ann"), ["user.online"]);
    });
  }

  scenario("after a crash the client is told that it may have missed something", config, async (w) => {
    const socket = await w.connect("ann");
    await emit(w, 0, 3);
    await until("the first events", () => socket.heard.length === 3);
    await w.server.kill9();
    await w.server.up();
    await until("the client to be back", () => socket.connected);
    assert.equal(socket.recovered, false);
    await emit(w, 3, 5);
    await whole(socket, 5);
  });

  scenario("an event that ends in a text does not spoil the client's place, volatile or not", config, async (w) => {
    const proxy = await behindProxy(w);
    const socket = await w.connect("ann", { url: proxy.url, transports: ["websocket"] });
    for (const volatile of [false, true]) {
      await w.server.emit({ to: { users: ["ann"] }, event: "typing", args: ["in", "the kitchen"], volatile });
      await until("the event", () => socket.heard.length > 0);
      assert.deepEqual(socket.heard.pop(), ["typing", "in", "the kitchen"]);
      proxy.refusing = true;
      proxy.cut();
      await until("the client to notice", () => !socket.connected);
      await w.server.emit({ to: { users: ["ann"] }, event: "missed", data: "text" });
      proxy.refusing = false;
      await until("the client to be back", () => socket.connected);
      assert.equal(socket.recovered, true);
      await until("what it missed", () => socket.heard.length > 0);
      assert.deepEqual(socket.heard.pop(), ["missed", "text"]);
    }
  });

  scenario("events for people who are not there do not push out what a client has missed", { ...config, recovery: { window: "2m", events_max: 10 } }, async (w) => {
    const proxy = await behindProxy(w);
    const socket = await w.connect("ann", { url: proxy.url, claims: { rooms: ["org:7"] } });
    await emit(w, 0, 1);
    await until("the first event", () => socket.heard.length === 1);
    proxy.refusing = true;
    proxy.cut();
    await until("the client to notice", () => !socket.connected);
    await w.server.state("ann", "lingering");
    await emit(w, 1, 3);
    const nobody = [{ users: ["bob"] }, { rooms: ["org:8"] }, { sockets: ["sock_AAAAAAAAAAAAAAAAAAAA"] }, { rooms: ["user:bob"] }];
    for (let n = 0; n < 40; n += 1) await w.server.emit({ to: nobody[n % nobody.length], event: "n", data: "for nobody" });
    await w.server.emit({ to: { rooms: ["org:7"] }, event: "n", data: 3 });
    proxy.refusing = false;
    await until("the client to be back", () => socket.connected);
    assert.equal(socket.recovered, true);
    await emit(w, 4, 5);
    await whole(socket, 5);
  });

  scenario("a client that had heard nothing yet recovers too", config, async (w) => {
    const proxy = await behindProxy(w);
    const socket = await w.connect("ann", { url: proxy.url });
    proxy.refusing = true;
    proxy.cut();
    await until("the client to notice", () => !socket.connected);
    await emit(w, 0, 2);
    proxy.refusing = false;
    await until("the client to be back", () => socket.connected);
    assert.equal(socket.recovered, true);
    await whole(socket, 2);
  });

  scenario("a kicked client, and one that said goodbye, begin anew", config, async (w) => {
    const socket = await w.connect("ann");
    await emit(w, 0, 1);
    await until("the event", () => socket.heard.length === 1);
    await w.server.api("POST", "/v1/users/ann/disconnect", { reason: "out" });
    await until("the disconnect", () => !socket.connected);
    await emit(w, 1, 2);
    socket.connect();
    await until("the connect", () => socket.connected);
    assert.equal(socket.recovered, false);
    socket.disconnect();
    await w.server.state("ann", "lingering");
    await emit(w, 2, 3);
    socket.connect();
    await until("the connect", () => socket.connected);
    assert.equal(socket.recovered, false);
    await steadily("nothing that was sent meanwhile", () => socket.heard.length === 1, 500);
  });

  for (const [way, transports] of Object.entries(ways)) {
    scenario(`an id that was given out goes on with the session, live and in the replay (${way})`, config, async (w) => {
      const proxy = await behindProxy(w);
      const socket = await w.connect("ann", { url: proxy.url, transports });
      const other = await w.connect("ann");
      const ids = [socket.id];
      for (const half of [false, true]) {
        proxy.refusing = true;
        if (half) proxy.halfOpen();
        else proxy.cut();
        await until("the client to notice", () => !socket.connected);
        await w.server.emit({ to: { sockets: ids }, event: "away" });
        await w.server.emit({ to: { users: ["ann"] }, except: { sockets: ids }, event: "others" });
        proxy.refusing = false;
        await until("the client to be back", () => socket.connected);
        assert.equal(socket.recovered, true);
        assert.ok(!ids.includes(socket.id), "each connection has an id of its own");
        for (const id of [...ids, socket.id]) {
          assert.equal((await w.server.emit({ to: { sockets: [id] }, event: "live" })).matched, 1, "one socket by any of its ids");
          await w.server.emit({ to: { users: ["ann"] }, except: { sockets: [id] }, event: "others" });
          assert.equal((await w.server.api("GET", `/v1/sockets/${id}`)).body.id, socket.id);
        }
        ids.push(socket.id);
        assert.equal((await w.server.emit({ to: { sockets: ids }, event: "end" })).matched, 1, "once, however it is named");
        await up(socket);
      }
      await until("all", () => socket.heard.length >= 9);
      const names = socket.heard.map(([event]) => event);
      assert.deepEqual(names, ["away", "live", "live", "end", "away", "live", "live", "live", "end"]);
      await until("the others", () => other.heard.length >= 7);
      assert.ok(other.heard.every(([event]) => event === "others"));
    });
  }

  scenario("a session is of no use to another user", config, async (w) => {
    const ann = await rawClient(w.server, { token: w.server.token("ann") });
    await w.server.emit({ to: { users: ["ann"] }, event: "private", data: 1 });
    const last = await until("the event", () => ann.packets.find((it) => it.startsWith('42["private"')));
    const { pid, sid } = JSON.parse(ann.packets.find((it) => it.startsWith("40")).slice(2));
    const offset = JSON.parse(last.slice(2)).at(-1);
    ann.close();
    await w.server.state("ann", "lingering");
    await w.server.emit({ to: { users: ["ann"] }, event: "private", data: 2 });
    const mallory = await rawClient(w.server, { token: w.server.token("mallory"), pid, offset });
    w.after(() => mallory.close());
    const answer = JSON.parse(mallory.packets.find((it) => it.startsWith("40")).slice(2));
    assert.notEqual(answer.pid, pid);
    assert.notEqual(answer.sid, sid);
    await sleep(300); // nothing to wait for: it must not come
    assert.ok(!mallory.packets.some((it) => it.includes("private")), mallory.packets.join("\n"));
  });

  scenario("of two that claim a session at once one has it, and nothing comes twice", config, async (w) => {
    const first = await rawClient(w.server, { token: w.server.token("ann") });
    await emit(w, 0, 1);
    await until("the event", () => numbers(first).length === 1);
    const claimed = claim(first);
    first.close();
    await w.server.state("ann", "lingering");
    await emit(w, 1, 3);
    // One may be closed before it was even answered.
    const twins = await Promise.all([0, 1].map(() => rawClient(w.server, { token: w.server.token("ann"), ...claimed })));
    w.after(() => twins.forEach((it) => it.close()));
    await until("one to be closed", () => twins.filter((it) => it.closed !== undefined).length === 1);
    await until("one socket", async () => (await w.server.user("ann")).sockets.length === 1);
    await emit(w, 3, 5);
    const kept = twins.find((it) => it.closed === undefined);
    const other = twins.find((it) => it !== kept);
    await until("the last event", () => numbers(kept).includes(4));
    assert.equal(pidOf(kept), claimed.pid);
    assert.deepEqual(numbers(kept), [1, 2, 3, 4]);
    assert.deepEqual(numbers(other), [1, 2].slice(0, numbers(other).length), "nothing that came after");
  });

  scenario("a claim with a wrong place ends nobody's connection", config, async (w) => {
    const ann = await rawClient(w.server, { token: w.server.token("ann") });
    await emit(w, 0, 1);
    await until("the event", () => numbers(ann).length === 1);
    const claimed = claim(ann);
    for (const offset of ["zzz", "", "1.1", `${claimed.offset}z`]) {
      const other = await rawClient(w.server, { token: w.server.token("ann"), ...claimed, offset });
      assert.notEqual(pidOf(other), claimed.pid, offset);
      other.close();
    }
    assert.equal(await lost(w, "bad_offset"), 4);
    await emit(w, 1, 2);
    await until("the next event", () => numbers(ann).length === 2);
    assert.equal(ann.closed, undefined);
    ann.close();
    await until("the end", async () => (await w.server.user("ann")).sockets.length === 0);
    await emit(w, 2, 3);
    const back = await rawClient(w.server, { token: w.server.token("ann"), ...claimed });
    w.after(() => back.close());
    await until("what it missed", () => numbers(back).length === 2);
    assert.deepEqual([pidOf(back), numbers(back)], [claimed.pid, [1, 2]]);
  });

  scenario("who missed more than is kept, or than fits, is told so, and why is counted", { ...config, recovery: { window: "2m", events_max: 20 } }, async (w) => {
    const proxy = await behindProxy(w);
    const socket = await w.connect("ann", { url: proxy.url });
    let round = 0;
    const away = async (count, pad, cause) => {
      round += 1;
      proxy.refusing = true;
      proxy.cut();
      await until("the client to notice", () => socket.ends.length === round);
      for (let n = 0; n < count; n += 1) await w.server.emit({ to: { users: ["ann"] }, event: "n", args: [n, pad] });
      proxy.refusing = false;
      await up(socket);
      assert.equal(socket.recovered, !cause);
      if (cause) assert.equal(await lost(w, cause), 1);
    };
    await away(21, "", "truncated");
    await away(7, "x".repeat(64 * 1024));
    await until("what was missed", () => socket.heard.length === 7);
    await away(8, "x".repeat(64 * 1024), "too_much");
    await w.server.kill9();
    await w.server.up();
    await until("the client to be back", () => socket.connected && socket.ends.length === round + 1);
    assert.equal(socket.recovered, false);
    assert.equal(await lost(w, "unknown"), 1);
    assert.equal(socket.heard.length, 7);
  });

  scenario("switched off, handlers see their own arguments only", { ...config, recovery: { window: "0s" } }, async (w) => {
    const raw = await rawClient(w.server, { token: w.server.token("ann") });
    w.after(() => raw.close());
    const socket = await w.connect("ann");
    await emit(w, 0, 1);
    await until("the event", () => raw.packets.includes('42["n",0]'));
    socket.io.engine.close();
    await until("the client to be back", () => socket.ends.length === 1 && socket.connected);
    assert.ok(!socket.recovered);
  });
});
