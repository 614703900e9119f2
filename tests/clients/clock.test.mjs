// The wall clock is set while the server runs: nobody is told anything, no deadline moves, nothing that is kept is lost.
import assert from "node:assert/strict";
import { after, describe } from "node:test";
import { scenario } from "./lib/scenario.mjs";
import { steadily, until } from "./lib/wait.mjs";
import { WallClock } from "./lib/wall.mjs";

const GRACE_MS = 6000;
const DAY_MS = 24 * 60 * 60 * 1000;
/** Tokens that are good at any time this test knows. */
const claims = { iat: 0, exp: 4_000_000_000 };

/** What happens around a clock that is set so many days off, and right again. */
const setting = (wall, days) => async (w) => {
  const ann = await w.connect("ann", { claims });
  const bob = await w.connect("bob", { claims });
  await w.hooks.wait("ann", "user.online");
  const online = await w.hooks.wait("bob", "user.online");
  await w.server.emit({ to: { users: ["cy"] }, event: "kept", store: "always" });

  // One hook waits, one grace runs.
  w.hooks.mode = 500;
  await w.connect("dan", { claims });
  await until("an attempt", () => w.hooks.attempts.some((it) => it.user === "dan"));
  bob.disconnect();
  const left = performance.now();
  await w.server.state("bob", "lingering");

  w.hooks.shifts.push(days * DAY_MS);
  wall.set(days);
  const { id } = await w.server.emit({ to: { users: ["nobody"] }, event: "x" });
  const [last] = (await w.server.api("GET", "/v1/messages")).body.messages;
  assert.equal(last.id, id);
  const shift = Date.parse(last.emitted_at) - Date.now();
  assert.ok(Math.abs(shift - days * DAY_MS) < 60_000, `the server sees a clock that is ${shift / DAY_MS} days off`);

  w.hooks.mode = "ok"; // before the second attempt, or the third would be waited for
  assert.equal((await w.server.user("bob")).state, "lingering", "no grace ends because of it");
  await w.server.state("bob", "offline");
  const took = performance.now() - left;
  assert.ok(took > GRACE_MS - 200, `offline after ${took} ms`);
  const offline = await w.hooks.wait("bob", "user.offline");
  assert.ok(offline.data.seq > online.data.seq, "the numbers of a user only grow");
  await w.hooks.wait("dan", "user.online");

  // Long enough for the pings that follow, and for whatever looks for old things.
  await w.server.emit({ to: { users: ["ann"] }, event: "still" });
  await until("the event", () => ann.heard.length === 1);
  const inbox = async () => (await w.server.api("GET", "/v1/users/cy/inbox")).body.items.map(({ event }) => event);
  await steadily("nothing goes", async () => (await inbox()).join() === "kept" && ann.connected, 6000, 500);
  const { body } = await w.server.api("GET", "/v1/events?after=0");
  assert.equal(body.gap, false);
  assert.deepEqual(body.events.slice(0, 2).map(({ body: { type, data } }) => `${type} ${data.user}`).sort(), ["user.online ann", "user.online bob"]);

  // And right again.
  wall.set(0);
  bob.connect();
  const back = await w.hooks.wait("bob", "user.online", 2);
  assert.ok(back.data.seq > offline.data.seq);
  assert.deepEqual(w.hooks.types("ann"), ["user.online"]);
  assert.deepEqual(w.hooks.types("dan"), ["user.online"]);
  assert.deepEqual(await inbox(), ["kept"]);
};

describe("the wall clock", { concurrency: 2 }, () => {
  const config = { presence: { grace: `${GRACE_MS}ms` } };
  const [ahead, behind] = [new WallClock(), new WallClock()];
  after(() => [ahead, behind].forEach((it) => it.remove()));
  // Further than anything is kept.
  scenario("a wall clock that is set forwards makes no news, and nothing old", config, setting(ahead, 400), { env: ahead.env });
  scenario("a wall clock that is set back makes no news, and nothing old", config, setting(behind, -400), { env: behind.env });
});
