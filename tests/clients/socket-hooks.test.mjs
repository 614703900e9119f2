// Hooks that tell that sockets come and go: from where, how, for how long and why, over upgrades, kicks and a kill.
import assert from "node:assert/strict";
import { describe } from "node:test";
import { up, ways } from "./lib/client.mjs";
import { scenario } from "./lib/scenario.mjs";
import { steadily, until } from "./lib/wait.mjs";

const all = ["user.online", "user.offline", "socket.connected", "socket.disconnected"];
const on = (more = {}) => ({
  hooks: { events: all, identity: true, ...more },
  presence: { grace: "300ms", startup_grace: "2s" },
  socketio: { namespaces: ["/", "/admin"] },
});
/** What was told, each event once: one whose answer was lost in a kill comes again. */
const told = (w, user, type) => [...new Map(w.hooks.of(user, type).map((it) => [it.id, it])).values()];
const types = (w, user) => told(w, user).map((it) => it.type);
const data = (w, user, type) => told(w, user, type).map((it) => it.data);
const claims = { claims: { rooms: ["org:7"], data: { name: "Ann" } } };

describe("hooks of sockets", { concurrency: 3 }, () => {
  scenario("each namespace and each tab is told of, between the user's online and offline", on(), async (w) => {
    const options = { ...claims, transports: ["websocket"], extraHeaders: { "user-agent": 'a "b"' } };
    const tab = await w.connect("ann", options);
    const second = w.remember(tab.io.socket("/admin", { auth: tab.auth }));
    await until("the other namespace", () => second.connected);
    const poll = await w.connect("ann", { ...claims, transports: ["polling"] });
    const data_of = (id) => `/v1/sockets/${id}/data`;
    assert.equal((await w.server.api("PATCH", data_of(poll.id), { plan: "pro" })).status, 200);
    const ids = [tab.id, second.id, poll.id];
    await until("three sockets", () => data(w, "ann", "socket.connected").length === 3);
    poll.disconnect();
    await until("the first end, long before the offline", () => data(w, "ann", "socket.disconnected").length === 1);
    tab.io.engine.close();
    await w.hooks.wait("ann", "user.offline");

    const kinds = types(w, "ann");
    assert.deepEqual([kinds[0], kinds.at(-1), kinds.length], ["user.online", "user.offline", 8], `${kinds}`);
    const [online] = data(w, "ann", "user.online");
    const came = new Map(data(w, "ann", "socket.connected").map((it) => [it.socket, it]));
    const went = new Map(data(w, "ann", "socket.disconnected").map((it) => [it.socket, it]));
    assert.deepEqual([[...came.keys()].sort(), [...went.keys()].sort()], [[...ids].sort(), [...ids].sort()]);
    const { connected_at, ...first } = came.get(ids[0]);
    assert.deepEqual(first, {
      user: "ann", session: online.session, socket: ids[0], namespace: "/", address: "127.0.0.1", user_agent: 'a "b"',
      transport: "websocket", rooms: ["org:7"], data: { name: "Ann" },
    });
    assert.equal(came.get(ids[1]).namespace, "/admin");
    const end = went.get(ids[2]);
    assert.deepEqual([end.transport, end.reason, end.attached], ["polling", "client_disconnect", { plan: "pro" }]);
    assert.equal(Date.parse(end.disconnected_at) - Date.parse(end.connected_at), end.duration_ms);
    assert.equal(went.get(ids[0]).connected_at, connected_at);

    const { events } = (await w.server.api("GET", "/v1/events?limit=100")).body;
    const pulled = events.filter((it) => it.body.data.user === "ann");
    assert.deepEqual(pulled.map((it) => it.webhook_id), w.hooks.of("ann").map((it) => it.id), "the same, for those who pull");
    assert.deepEqual(pulled.map((it) => it.body), w.hooks.of("ann").map((it) => it.body));
  });

  scenario("a client that upgrades comes by polling and goes by WebSocket; who is kicked is told so", on(), async (w) => {
    const tab = await w.connect("ann", { transports: ways["polling, then upgrade"] });
    await until("it came", () => data(w, "ann", "socket.connected").length === 1);
    assert.equal((await w.server.api("POST", "/v1/users/ann/disconnect", { reason: "rude" })).status, 200);
    await w.hooks.wait("ann", "user.offline");

    assert.deepEqual(types(w, "ann"), ["user.online", "socket.connected", "socket.disconnected", "user.offline"]);
    assert.equal(data(w, "ann", "socket.connected")[0].transport, "polling");
    const [{ transport, reason }] = data(w, "ann", "socket.disconnected");
    assert.deepEqual([transport, reason, tab.connected], ["websocket", "kicked", false]);
  });

  scenario("kill -9: the end of every socket is told, before what comes after", on(), async (w) => {
    const stays = await w.connect("ann", { ...claims, transports: ["websocket"] });
    const lost = await w.connect("bob", { transports: ["websocket"] });
    await until("both", () => ["ann", "bob"].every((it) => types(w, it).length === 2));
    const before = { ann: stays.id, bob: lost.id };
    await w.server.kill9();
    lost.disconnect();
    await w.server.up();
    await up(stays);
    await w.hooks.wait("bob", "user.offline");
    await until("ann's new socket", () => data(w, "ann", "socket.connected").length === 2);

    assert.deepEqual(types(w, "bob"), ["user.online", "socket.connected", "socket.disconnected", "user.offline"]);
    assert.deepEqual(types(w, "ann"), ["user.online", "socket.connected", "socket.disconnected", "socket.connected"]);
    for (const user of ["ann", "bob"]) {
      const [{ socket, reason, duration_ms, session }] = data(w, user, "socket.disconnected");
      assert.deepEqual([socket, reason], [before[user], "server_restart"]);
      assert.ok(0 <= duration_ms && duration_ms < 60_000, `${duration_ms}`);
      assert.equal(session, data(w, user, "user.online")[0].session);
    }
    assert.deepEqual(data(w, "ann", "socket.disconnected")[0].rooms, ["org:7"], "as it was when it came");
  });

  scenario("a stop in order tells each end with its reason, at once or at the next start", on(), async (w) => {
    await Promise.all(["ann", "bob"].map((user) => w.connect(user, { transports: ["websocket"], reconnection: false })));
    await until("both", () => ["ann", "bob"].every((it) => types(w, it).length === 2));
    await w.server.term(4000);
    await w.server.up();
    await until("both ends", () => ["ann", "bob"].every((it) => data(w, it, "socket.disconnected").length === 1));
    for (const user of ["ann", "bob"]) assert.equal(data(w, user, "socket.disconnected")[0].reason, "server_shutdown");
  });

  const offline = { hooks: { events: all, backlog_max: 1000 }, presence: { grace: "100ms" } };
  scenario("while the receiver is down ends wait on disk, and come in order", offline, async (w) => {
    w.hooks.mode = 500;
    for (let n = 0; n < 10; n += 1) (await w.connect("ann", { transports: ["websocket"] })).disconnect();
    await until("20 ends", async () => {
      const { events } = (await w.server.api("GET", "/v1/events?limit=100")).body;
      return events.filter((it) => it.body.type.startsWith("socket.")).length === 20;
    });
    await w.server.kill9();
    w.hooks.mode = "ok";
    await w.server.up();
    await until("all", () => types(w, "ann").filter((it) => it.startsWith("socket.")).length === 20);
    const open = new Set();
    for (const { type, data: { socket } } of w.hooks.of("ann")) {
      if (type === "socket.connected") open.add(socket);
      if (type === "socket.disconnected") assert.ok(open.delete(socket), "each after its beginning");
      if (type === "user.offline") assert.equal(open.size, 0);
    }
  });

  scenario("whoever did not ask is not told", { presence: { grace: "100ms" } }, async (w) => {
    (await w.connect("ann")).disconnect();
    await w.hooks.wait("ann", "user.offline");
    assert.deepEqual(types(w, "ann"), ["user.online", "user.offline"]);
    assert.equal((await w.server.api("GET", "/v1/events")).body.events.length, 2);
  });

  const guests = { ...on(), auth: { anonymous: true }, sessions: { resume_ttl: "10m" }, guests: { hooks: true } };
  scenario("a guest who becomes a user: the same socket ends as the guest's and begins as the user's", guests, async (w) => {
    const socket = w.remember(w.client("x", { transports: ["websocket"], auth: {} }));
    await until("the guest", () => w.hooks.of(undefined, "socket.connected").length === 1);
    const [guest] = w.hooks.of(undefined, "socket.connected");
    const answer = await socket.timeout(5000).emitWithAck("userline:refresh", { token: w.server.token("ann") });
    assert.equal(answer.error, undefined, JSON.stringify(answer));
    await until("both", () => types(w, guest.user).length === 4 && types(w, "ann").length === 2);
    assert.deepEqual(types(w, guest.user).slice(0, 3), ["user.online", "socket.connected", "socket.disconnected"]);
    assert.equal(data(w, guest.user, "socket.disconnected")[0].reason, "signed_in");
    assert.equal(data(w, "ann", "socket.connected")[0].socket, guest.data.socket);
    await steadily("and nobody else", () => types(w, "ann").length === 2, 300);
  });
});
