// Story S6: a user is banned for a while. And what else the backend holds against users.
import assert from "node:assert/strict";
import { describe } from "node:test";
import { client, up, ways } from "./lib/client.mjs";
import { scenario } from "./lib/scenario.mjs";
import { steadily, until } from "./lib/wait.mjs";

/** Why a client was refused: `err.data`. */
async function refusal(socket) {
  let data;
  socket.once("connect_error", (error) => (data = error.data ?? { message: error.message }));
  socket.connect();
  await until("a refusal", () => data);
  assert.equal(socket.active, false, "it does not come back by itself");
  return data;
}

const chat = { socketio: { namespaces: ["/", "/chat"] } };

describe("S6: ban", { concurrency: 4 }, () => {
  for (const [way, transports] of Object.entries(ways)) {
    scenario(`three sockets on two namespaces are closed and stay away (${way})`, chat, async (w) => {
      const root = await w.connect("42", { transports });
      const sockets = [root, await w.connect("42", { transports }), await w.connect("42", { transports, namespace: "/chat" })];
      await w.hooks.wait("42", "user.online");

      const before = Date.now();
      const answer = await w.server.api("POST", "/v1/users/42/disconnect", { reason: "banned", block_for: "10s" });

      assert.equal(answer.status, 200, JSON.stringify(answer.body));
      assert.equal(answer.body.disconnected, 3);
      assert.equal(answer.body.sockets.length, 3);
      assert.equal((await w.server.user("42")).state, "offline");
      for (const socket of sockets) {
        await until("the disconnect", () => socket.ends.length > 0);
        const [event, { reason, code, until: end }] = socket.own.at(-1);
        assert.deepEqual([event, reason, code], ["userline:kicked", "banned", "blocked"]);
        assert.ok(before + 9_000 < end && end < Date.now() + 11_000, `${end - before}`);
        assert.deepEqual(socket.ends, ["io server disconnect"]);
      }
      const offline = await w.hooks.wait("42", "user.offline", 1, 1500);
      assert.equal(offline.data.reason, "kicked");
      const refused = await refusal(client(w.server, "42", { transports, autoConnect: false }));
      assert.deepEqual([refused.code, refused.reason], ["blocked", "banned"]);
      const later = w.remember(client(w.server, "42", { transports, autoConnect: false }));
      await steadily("none of them comes back", () => sockets.every((it) => !it.connected && !it.active), 5000);
      await until("the end of the block", () => Date.now() > refused.until + 50);
      later.connect();
      await up(later);
      assert.deepEqual(w.hooks.types("42").slice(0, 2), ["user.online", "user.offline"]);
    });
  }

  scenario("what was answered holds after kill -9, and is listed with who did it", {}, async (w) => {
    const stays = await w.connect("ann");
    const { body } = await w.server.api("PUT", "/v1/users/ann/block", { reason: "spam" });
    await w.server.kill9();
    assert.equal(body.disconnected, 1);
    await w.server.up();

    const refused = await refusal(stays);
    assert.deepEqual(refused, { code: "blocked", message: "the user is blocked", reason: "spam", until: null });
    const { blocks } = (await w.server.api("GET", "/v1/blocks")).body;
    assert.deepEqual(blocks, [{ user: "ann", reason: "spam", by: "test", since: body.block.since, until: null }]);

    const lifted = await w.server.api("DELETE", "/v1/users/ann/block");
    await w.server.kill9();
    assert.deepEqual(lifted.body, { user: "ann", lifted: true });
    await w.server.up();
    stays.connect();
    await up(stays);
  });

  scenario("tokens that were issued earlier do not count any more", {}, async (w) => {
    const now = () => Math.floor(Date.now() / 1000);
    const old = w.client("ann", { claims: { iat: now() - 60 } });
    const fresh = w.client("bob", { claims: { iat: now() - 60 } });
    await Promise.all([up(old), up(fresh)]);

    const { body } = await w.server.api("PUT", "/v1/users/ann/not_before");

    assert.equal(body.disconnected, 1, JSON.stringify(body));
    let refused;
    old.once("connect_error", (error) => (refused = error.data));
    await until("it to come back and be refused", () => refused);
    assert.deepEqual(old.ends, ["transport close"]);
    assert.equal(refused.code, "token_revoked");
    assert.equal(old.active, false);
    assert.ok(fresh.connected);
    // A token of this very second, as a backend issues it right after the answer.
    const claims = { iat: Math.floor(Date.parse(body.not_before) / 1000) };
    await w.connect("ann", { claims });
    assert.equal((await refusal(client(w.server, "ann", { autoConnect: false, claims: {} }))).code, "token_revoked");
    await w.server.kill9();
    await w.server.up();
    assert.equal((await refusal(old)).code, "token_revoked");
    await w.server.api("DELETE", "/v1/users/ann/not_before");
    old.connect();
    await up(old);
  });
});
