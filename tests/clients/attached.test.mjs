// Hooks that need no look-up: who a user is, and what the backend attached, over reconnects, restarts and a kill.
import assert from "node:assert/strict";
import { describe } from "node:test";
import { up } from "./lib/client.mjs";
import { scenario } from "./lib/scenario.mjs";
import { until } from "./lib/wait.mjs";

const on = { hooks: { identity: true }, presence: { grace: "1s", startup_grace: "8s" } };
const told = (hooks, type, user) => hooks.events.filter((it) => it.type === type && it.user === user).map((it) => it.data);
const claims = (n) => ({ claims: { rooms: ["org:7", `tab:${n}`], data: { name: "Ann", n } } });

describe("hooks that need no look-up", { concurrency: 3 }, () => {
  scenario("online and offline say rooms and data, and offline what was attached", on, async (w) => {
    const first = await w.connect("ann", claims(1));
    const patch = (body) => w.server.api("PATCH", "/v1/users/ann/data", body);
    assert.equal((await patch({ plan: "pro" })).status, 200);
    const second = await w.connect("ann", claims(2));
    first.disconnect();
    // The session goes on without a socket for a moment, and so does what is attached.
    second.disconnect().connect();
    await until("ann to be back", () => second.connected);
    assert.deepEqual((await patch({ seats: 3 })).body.attached, { plan: "pro", seats: 3 });
    second.disconnect();
    await until("the offline", () => told(w.hooks, "user.offline", "ann").length === 1);

    const [online] = told(w.hooks, "user.online", "ann");
    assert.deepEqual([online.rooms, online.data, "attached" in online], [["org:7", "tab:1"], { name: "Ann", n: 1 }, false]);
    const [offline] = told(w.hooks, "user.offline", "ann");
    assert.deepEqual([offline.rooms, offline.data, offline.attached], [["org:7", "tab:2"], { name: "Ann", n: 2 }, { plan: "pro", seats: 3 }]);
    assert.equal((await patch({ plan: "pro" })).status, 404, "the session is over");

    await w.connect("ann", claims(3));
    assert.equal((await w.server.api("GET", "/v1/users/ann")).body.attached, undefined);
  });

  scenario("kill -9: the offline that follows says it all, and what was attached is still there for who comes back", on, async (w) => {
    const ann = await w.connect("ann", claims(1));
    const bob = await w.connect("bob", claims(2));
    for (const user of ["ann", "bob"]) {
      assert.equal((await w.server.api("PATCH", `/v1/users/${user}/data`, { of: user })).status, 200);
    }
    await until("the onlines", () => w.hooks.events.length === 2);
    ann.disconnect();
    await w.server.kill9();
    await w.server.up();
    await up(bob);

    await until("the offline", () => told(w.hooks, "user.offline", "ann").length === 1);
    const [{ reason, rooms, data, attached }] = told(w.hooks, "user.offline", "ann");
    assert.deepEqual({ reason, rooms, data, attached }, { reason: "server_restart", rooms: ["org:7", "tab:1"], data: { name: "Ann", n: 1 }, attached: { of: "ann" } });
    assert.deepEqual((await w.server.api("GET", "/v1/users/bob")).body.attached, { of: "bob" });
  });

  scenario("without the switch hooks say no more than before", { presence: { grace: "300ms" } }, async (w) => {
    const ann = await w.connect("ann", claims(1));
    ann.disconnect();
    await until("the offline", () => told(w.hooks, "user.offline", "ann").length === 1);
    assert.deepEqual(Object.keys(told(w.hooks, "user.online", "ann")[0]), ["user", "seq", "session"]);
    assert.ok(!("rooms" in told(w.hooks, "user.offline", "ann")[0]));
  });
});
