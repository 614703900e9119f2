// Who gets in, who does not, and what the client is told.
import assert from "node:assert/strict";
import { describe } from "node:test";
import { ways } from "./lib/client.mjs";
import { sign } from "./lib/jwt.mjs";
import { scenario } from "./lib/scenario.mjs";
import { once, steadily, until } from "./lib/wait.mjs";

const now = () => Math.floor(Date.now() / 1000);

describe("authentication", { concurrency: 4 }, () => {
  for (const [way, transports] of Object.entries(ways)) {
    scenario(`bad tokens are refused with a code, and a good one mends it (${way})`, {}, async (w) => {
      const cases = [
        ["token_missing", undefined],
        ["token_missing", {}],
        ["token_invalid", { token: "not.a.token" }],
        ["token_invalid", { token: sign({ sub: "1" }, "another secret of thirty-two bytes!") }],
        ["token_expired", { token: w.server.token("1", { exp: now() - 60 }) }],
        ["token_not_yet_valid", { token: w.server.token("1", { nbf: now() + 600 }) }],
        ["token_invalid", { token: w.server.token("1", { exp: null }) }],
      ];
      for (const [code, auth] of cases) {
        const socket = w.client("1", { transports, auth });
        const [error] = await once(socket, "connect_error");
        assert.equal(error.data?.code, code, `${JSON.stringify(auth)}: ${error.message} ${JSON.stringify(error.data)}`);
        assert.ok(error.message.length > 0);
        assert.equal(socket.active, false, "the stock client does not try again by itself");
        socket.auth = { token: w.server.token("1") };
        socket.connect();
        await once(socket, "connect");
        socket.disconnect();
      }
      await until("nobody is left", async () => (await w.server.user("1")).sockets.length === 0);
    });
  }

  scenario("a refused client never counts as online", {}, async (w) => {
    const socket = w.client("ghost", { auth: { token: w.server.token("ghost", { exp: now() - 60 }) } });
    await once(socket, "connect_error");
    await steadily("no hook", () => w.hooks.events.length === 0, 500);
    assert.equal((await w.server.user("ghost")).state, "offline");
  });

  scenario("after the connect the client is told who it is, under a public id", {}, async (w) => {
    for (const transports of Object.values(ways)) {
      const exp = now() + 1000;
      const socket = await w.connect("ann", { transports, claims: { exp } });
      await until("userline:session", () => socket.own.length > 0);
      const [event, session] = socket.own[0];
      assert.equal(event, "userline:session");
      assert.equal(session.user, "ann");
      assert.equal(session.socket, socket.id);
      assert.match(socket.id, /^sock_[A-Za-z0-9_-]{20}$/);
      assert.notEqual(socket.id, socket.io.engine.id, "socket.id is not the engine's session id");
      const user = await w.server.user("ann");
      assert.ok(user.sockets.some((it) => it.id === socket.id), JSON.stringify(user));
      assert.ok(!JSON.stringify(user).includes(socket.io.engine.id), "the engine's session id is shown to nobody");
      const one = await w.server.api("GET", `/v1/sockets/${socket.id}`);
      assert.equal(one.status, 200, JSON.stringify(one.body));
      assert.equal(one.body.id, socket.id);
    }
  });

  scenario("the token may come as a bearer header, and ids may be numbers", {}, async (w) => {
    const token = sign({ sub: 42 }, w.server.secret);
    const socket = await w.connect("42", {
      auth: undefined,
      transports: ["websocket"],
      extraHeaders: { authorization: `Bearer ${token}` },
    });
    await w.server.state("42", "online");
    socket.disconnect();
  });

  scenario("the client cannot send the server's own events, and unknown events are answered", {}, async (w) => {
    const socket = await w.connect("ann", { transports: ["websocket"] });
    assert.deepEqual(await socket.timeout(3000).emitWithAck("userline:ping", { n: 1 }), { n: 1 });
    const unknown = await socket.timeout(3000).emitWithAck("order:cancel", { id: 7 });
    assert.equal(unknown.error.code, "unknown_event");
    const reserved = await socket.timeout(3000).emitWithAck("userline:session", { user: "root" });
    assert.ok(reserved.error?.code, JSON.stringify(reserved));
    assert.ok(socket.connected);
  });

  scenario("what the socket brought is shown to the backend", {}, async (w) => {
    const socket = await w.connect("ann", {
      transports: ["websocket"],
      extraHeaders: { "user-agent": "probe/1.0" },
      claims: { rooms: ["org:7"], data: { name: "Ann", big: 1 } },
    });
    const [shown] = (await w.server.user("ann")).sockets;
    assert.equal(shown.id, socket.id);
    assert.equal(shown.namespace, "/");
    assert.match(shown.address, /^127\.0\.0\.1/);
    assert.equal(shown.user_agent, "probe/1.0");
    assert.equal(shown.transport, "websocket");
    assert.deepEqual([...shown.rooms].sort(), ["org:7", "user:ann"]);
    assert.deepEqual(shown.data, { name: "Ann", big: 1 });
    assert.ok(Math.abs(Date.parse(shown.connected_at) - Date.now()) < 10_000);
  });
});
