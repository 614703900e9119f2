// Story S1: a phone and a laptop of one user; one hook when the last of them is gone.
import assert from "node:assert/strict";
import { describe } from "node:test";
import { ways } from "./lib/client.mjs";
import { scenario } from "./lib/scenario.mjs";
import { steadily, until } from "./lib/wait.mjs";

const GRACE_MS = 2000;

describe("S1", { concurrency: 3 }, () => {
  for (const [way, transports] of Object.entries(ways)) {
    scenario(`a user is addressed on all devices and gone after the last (${way})`, { presence: { grace: "2s" } }, async (w) => {
      const phone = await w.connect("42", { transports });
      const laptop = await w.connect("42", { transports });
      await w.server.state("42", "online");

      // As curl sends it, with its default content type.
      const answer = await w.server.api(
        "POST",
        "/v1/emit",
        '{"to":{"users":["42"]},"event":"order:paid","data":{"id":7}}',
        { "content-type": "application/x-www-form-urlencoded" },
      );
      assert.equal(answer.status, 200, JSON.stringify(answer.body));
      assert.match(answer.body.id, /^msg_/);
      assert.equal(answer.body.matched, 2);
      assert.equal(answer.body.sent, 2);
      assert.deepEqual(answer.body.users, { 42: { state: "online", matched: 2, sent: 2 } });
      for (const device of [phone, laptop]) {
        await until("the event", () => device.heard.length > 0);
        assert.deepEqual(device.heard, [["order:paid", { id: 7 }]]);
      }

      const online = await w.hooks.wait("42", "user.online");
      assert.deepEqual(w.hooks.types("42"), ["user.online"]);
      assert.equal(online.data.session, online.data.seq);

      phone.disconnect();
      await steadily("no user.offline while the laptop is there", () => w.hooks.of("42").length === 1, GRACE_MS + 3000);

      const closed = performance.now();
      laptop.disconnect();
      const offline = await w.hooks.wait("42", "user.offline");
      const after = offline.at - closed;
      assert.ok(after >= GRACE_MS - 20 && after <= GRACE_MS + 1000, `offline came ${after} ms after the close`);
      assert.ok(offline.data.seq > online.data.seq);
      assert.equal(offline.data.session, online.data.session);
      assert.equal(offline.data.reason, "client_disconnect");
      assert.ok(Date.parse(offline.data.online_since) <= Date.parse(offline.data.last_socket_closed_at));

      const nobody = await w.server.emit({ to: { users: ["42"] }, event: "order:paid", data: 1 });
      assert.equal(nobody.matched, 0);
      assert.deepEqual(nobody.users, { 42: { state: "offline", matched: 0, sent: 0 } });
      await steadily("one offline only", () => w.hooks.of("42", "user.offline").length === 1, 500);
    });
  }
});
