// 2,000 clients under 500 events a second, one of which stops reading: it alone is closed; nobody else loses or waits, and
// the memory that it took comes back.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { Proxy } from "./lib/proxy.mjs";
import { scenario } from "./lib/scenario.mjs";
import { sleep, until } from "./lib/wait.mjs";

const CLIENTS = 2000;
const ROOMS = 100;
/** One round: 2,500 events in 5 s, each to a room of 20 clients and to the one that may stop reading. */
const BATCHES = 50;
const PER_BATCH = 50;
const EVERY_MS = 100;
const KB = "x".repeat(1000);
/** To the one alone: more than the kernel's buffers hold takes it to the bound of ours. */
const BIG = "x".repeat(200_000);
/** Of memory, whatever it was before: pages that the allocator keeps for the next time. */
const FLOOR_BYTES = 8 * 1024 * 1024;

const rss = (w) => Number(readFileSync(`/proc/${w.server.child.pid}/status`, "utf8").match(/VmRSS:\s+(\d+) kB/)[1]) * 1024;
const median = (values) => values.sort((a, b) => a - b)[values.length >> 1];

const config = { presence: { grace: "1s" } };
scenario(`one of ${CLIENTS} clients stops reading`, config, async (w) => {
  const clients = [];
  while (clients.length < CLIENTS) {
    const some = Array.from({ length: 50 }, (_, n) => clients.length + n);
    const connect = (n) => w.connect(`user-${n}`, {
      claims: { rooms: [`room-${n % ROOMS}`] },
      // Every tenth polls.
      transports: n % 1000 < 100 ? ["polling"] : ["websocket"],
    });
    clients.push(...(await Promise.all(some.map(connect))));
  }
  const latencies = [];
  for (const it of clients) it.on("n", (_n, at) => latencies.push(performance.now() - at));
  const proxy = await Proxy.start(Number(new URL(w.server.publicUrl).port));
  w.after(() => proxy.close());

  /** Nobody but a client that does not read is closed; if somebody is, says why. */
  async function everybodyIsHere() {
    const gone = clients.findIndex((it) => it.ends.length > 0);
    if (gone < 0) return;
    const { body } = await w.server.api("GET", `/v1/users/user-${gone}/history`);
    assert.fail(`user-${gone} was closed: ${clients[gone].ends} ${JSON.stringify(body)}`);
  }

  let sent = 0;
  /** Sends one round; gives the median time until an event was heard. `deaf` gets every event, and more. */
  async function round(deaf) {
    const first = sent;
    latencies.length = 0;
    for (let n = 0; n < BATCHES; n += 1) {
      const next = sleep(EVERY_MS);
      const emits = Array.from({ length: PER_BATCH }, () => {
        const users = deaf ? { users: [deaf] } : {};
        return { to: { rooms: [`room-${sent % ROOMS}`], ...users }, event: "n", args: [sent++, performance.now(), KB] };
      });
      if (deaf) emits.push({ to: { users: [deaf] }, event: "big", args: [BIG] });
      await everybodyIsHere();
      const { status, body } = await w.server.api("POST", "/v1/emit/batch", { emits });
      assert.equal(status, 200, JSON.stringify(body).slice(0, 300));
      for (const it of body.results.slice(0, PER_BATCH)) {
        const others = it.sent - (it.users?.[deaf]?.sent ?? 0);
        assert.equal(others, CLIENTS / ROOMS, JSON.stringify(it));
      }
      await next; // no faster than this; a busy machine may be slower
    }
    const wanted = Array.from({ length: ROOMS }, () => []);
    for (let n = first; n < sent; n += 1) wanted[n % ROOMS].push(n);
    await until("everybody to have heard all", () => clients.every((it, n) => it.heard.length >= wanted[n % ROOMS].length), 30_000);
    for (const [n, it] of clients.entries()) {
      assert.deepEqual(it.heard.map(([, number]) => number), wanted[n % ROOMS], `what user-${n} heard`);
      assert.deepEqual(it.ends, []);
      it.heard.length = 0;
    }
    return median(latencies);
  }

  /** A round with a client that stops reading; it is gone afterwards, and nothing of it is left. */
  async function roundWithDeaf(user) {
    const deaf = await w.connect(user, { url: proxy.url, transports: ["websocket"], reconnection: false });
    proxy.stall();
    const latency = await round(user);
    await until(`${user} to be closed`, async () => (await w.server.user(user)).sockets.length === 0, 40_000);
    await w.server.state(user, "offline");
    proxy.resume();
    await until("the client to notice", () => !deaf.connected);
    const { body } = await w.server.api("GET", `/v1/users/${user}/history`);
    assert.deepEqual(body.sockets.map(({ reason }) => reason), ["slow_consumer"]);
    return latency;
  }

  await roundWithDeaf("deaf-0"); // warms up: what the first round of all allocates stays
  const before = rss(w);
  const alone = await round();
  const beside = await roundWithDeaf("deaf-1");
  // Loosely: somebody who waited for the slow one would wait for seconds.
  assert.ok(beside < 3 * alone + 1000, `median ${alone} ms alone, ${beside} ms beside a client that stops reading`);
  const bound = before * 1.1 + FLOOR_BYTES;
  await until("the memory to come back", () => {
    if (rss(w) > bound) throw new Error(`${before} bytes before, ${rss(w)} now`);
    return true;
  }, 20_000);
}, { timeout: 240_000 });
