// Story S3: kill -9. Who comes back was never away; who does not gets exactly one offline.
import assert from "node:assert/strict";
import { describe } from "node:test";
import { ways } from "./lib/client.mjs";
import { scenario } from "./lib/scenario.mjs";
import { sleep, steadily, until } from "./lib/wait.mjs";

const STARTUP_MS = 8000;
const USERS = 50;
const LOST = 20;

function crash(outageMs) {
  const config = { presence: { grace: "2s", startup_grace: `${STARTUP_MS}ms` } };
  scenario(`kill -9 with ${USERS} users, ${LOST} of whom never return, down for ${outageMs} ms`, config, async (w) => {
    const kinds = Object.values(ways);
    const names = Array.from({ length: USERS }, (_, n) => `user-${n}`);
    const tabs = new Map();
    await Promise.all(
      names.map(async (name, n) => tabs.set(name, await w.connect(name, { transports: kinds[n % kinds.length] }))),
    );
    await until("every online hook", () => w.hooks.of(undefined, "user.online").length >= USERS);
    const flaps = names.filter((name) => w.hooks.types(name).join() !== "user.online" || tabs.get(name).ends.length > 0);
    assert.deepEqual(flaps.map((name) => [w.hooks.types(name), tabs.get(name).ends]), [], "nobody goes before the crash");

    // An offline that cannot be delivered before the crash.
    const early = await w.connect("early", { transports: ["websocket"] });
    await w.hooks.wait("early", "user.online");
    w.hooks.mode = 500;
    early.disconnect();
    const unsent = await until("an attempt", () => w.hooks.attempts.find((it) => it.user === "early" && it.type === "user.offline"));

    await w.server.kill9();
    const lost = names.slice(0, LOST);
    const kept = names.slice(LOST);
    for (const name of lost) tabs.get(name).disconnect();
    await sleep(outageMs);
    w.hooks.mode = "ok";
    await w.server.up();

    await until("the others to be back", () => kept.every((name) => tabs.get(name).connected), 10_000);
    await until("the offlines", () => w.hooks.of(undefined, "user.offline").length >= LOST + 1, STARTUP_MS + 5000);
    for (const name of lost) {
      const [online, offline, ...more] = w.hooks.of(name);
      assert.deepEqual([online.type, offline.type, more.length], ["user.online", "user.offline", 0]);
      assert.ok(offline.data.seq > online.data.seq);
      assert.equal(offline.data.session, online.data.session);
      assert.equal(offline.data.reason, "server_restart");
      const after = offline.at - w.server.readyAt;
      assert.ok(after > 0 && after <= STARTUP_MS + 2000, `offline ${after} ms after listening again`);
    }
    const [, offline, ...more] = w.hooks.of("early");
    assert.equal(offline.id, unsent.id, "the webhook id is constant over retries and restarts");
    assert.equal(more.length, 0);

    await steadily(
      "nothing is said of those who came back",
      () => kept.every((name) => w.hooks.of(name).length === 1) && w.hooks.events.length === 2 * (LOST + 1) + kept.length,
      2000,
    );
    const { body } = await w.server.api("GET", "/v1/users?limit=1000");
    assert.deepEqual(body.users.map((it) => it.user).sort(), [...kept].sort());
    assert.ok(body.users.every((it) => it.state === "online"));
  });
}

describe("S3", { concurrency: 2 }, () => {
  crash(3000);
  crash(STARTUP_MS + 4000);
});
