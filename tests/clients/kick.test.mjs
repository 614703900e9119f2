// The backend shows a user the door.
import assert from "node:assert/strict";
import { describe } from "node:test";
import { ways } from "./lib/client.mjs";
import { scenario } from "./lib/scenario.mjs";
import { steadily, until } from "./lib/wait.mjs";

describe("kick", { concurrency: 4 }, () => {
  for (const [way, transports] of Object.entries(ways)) {
    scenario(`every device is told why, and stays away (${way})`, {}, async (w) => {
      const devices = [await w.connect("ann", { transports }), await w.connect("ann", { transports })];
      const other = await w.connect("bob");
      await w.hooks.wait("ann", "user.online");

      const answer = await w.server.api("POST", "/v1/users/ann/disconnect", { reason: "banned" });
      assert.equal(answer.status, 200, JSON.stringify(answer.body));
      assert.equal(answer.body.user, "ann");
      assert.equal(answer.body.disconnected, 2);
      for (const device of devices) {
        await until("the disconnect", () => device.ends.length > 0);
        assert.deepEqual(device.own.at(-1), ["userline:kicked", { reason: "banned" }]);
        assert.deepEqual(device.ends, ["io server disconnect"]);
      }
      const offline = await w.hooks.wait("ann", "user.offline", 1, 1500);
      assert.equal(offline.data.reason, "kicked");
      await steadily("nobody of them comes back", () => devices.every((it) => !it.connected && !it.active), 3000);
      assert.deepEqual(w.hooks.types("ann"), ["user.online", "user.offline"]);
      assert.ok(other.connected);
      assert.equal((await w.server.user("ann")).state, "offline");
      await until("their connections to be closed", async () => {
        const { body } = await w.server.api("GET", "/v1/stats");
        if (body.connections !== 1) throw new Error(JSON.stringify(body));
        return true;
      });
    });
  }

  for (const [way, transports] of Object.entries(ways)) {
    scenario(`who emits without a pause is told, too, and stays away (${way})`, {}, async (w) => {
      const devices = await Promise.all(Array.from({ length: 10 }, () => w.connect("ann", { transports })));
      const bursts = setInterval(() => {
        for (const device of devices) for (let n = 0; n < 50; n++) device.emit("userline:ping", n);
      }, 1);
      try {
        await w.server.api("POST", "/v1/users/ann/disconnect", { reason: "banned" });
        await until("the disconnects", () => devices.every((it) => it.ends.length > 0));
      } finally {
        clearInterval(bursts);
      }
      assert.deepEqual(devices.map((it) => it.ends), devices.map(() => ["io server disconnect"]));
      await steadily("nobody of them comes back", () => devices.every((it) => !it.connected && !it.active), 2000);
    });
  }

  scenario("with `now: false` the user lingers, and may come back as if nothing had happened", {}, async (w) => {
    const device = await w.connect("ann");
    await w.server.api("POST", "/v1/users/ann/disconnect", { reason: "please sign in again", now: false });
    await until("the disconnect", () => device.ends.length > 0);
    await w.server.state("ann", "lingering");
    device.connect();
    await w.server.state("ann", "online");
    await steadily("no offline", () => w.hooks.of("ann").length === 1, 2500);
  });

  scenario("one socket is closed, the user's other one stays", {}, async (w) => {
    const [one, other] = [await w.connect("ann"), await w.connect("ann")];
    const route = `/v1/sockets/${one.id}`; // the client forgets its id when it is closed
    const answer = await w.server.api("DELETE", route);
    assert.ok(answer.status === 200 || answer.status === 204, JSON.stringify(answer.body));
    await until("the disconnect", () => one.ends.length > 0);
    assert.deepEqual(one.ends, ["io server disconnect"]);
    await until("one socket", async () => (await w.server.user("ann")).sockets.length === 1);
    assert.ok(other.connected);
    assert.equal((await w.server.api("DELETE", route)).status, 404);
  });

  scenario("somebody who is not there is an answer, not an error", {}, async (w) => {
    const answer = await w.server.api("POST", "/v1/users/nobody/disconnect", {});
    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    assert.equal(answer.body.disconnected, 0);
  });
});
