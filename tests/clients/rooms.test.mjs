// Rooms by grant: many sockets join and leave at once, and what that means for stock clients.
import assert from "node:assert/strict";
import { describe } from "node:test";
import { up, ways } from "./lib/client.mjs";
import { Proxy } from "./lib/proxy.mjs";
import { scenario } from "./lib/scenario.mjs";
import { until } from "./lib/wait.mjs";

const post = async (w, path, body) => {
  const answer = await w.server.api("POST", path, body);
  assert.equal(answer.status, 200, JSON.stringify(answer.body));
  return answer.body;
};

describe("rooms", { concurrency: 4 }, () => {
  for (const [way, transports] of Object.entries(ways)) {
    scenario(`sockets join and leave at once, and a recovered session stays where it was (${way})`, {
      recovery: { window: "2m" },
      presence: { grace: "8s" },
    }, async (w) => {
      const proxy = await Proxy.start(Number(new URL(w.server.publicUrl).port));
      w.after(() => proxy.close());
      const ann = await w.connect("ann", { url: proxy.url, transports, claims: { rooms: ["org:7"] } });
      const bob = await w.connect("bob", { transports });
      const joined = await post(w, "/v1/sockets/join", { to: { users: ["ann", "bob"] }, rooms: ["project:7"] });
      assert.deepEqual(joined, { matched: 2, changed: 2, full: 0, denied: 0 });
      const left = await post(w, "/v1/sockets/leave", { to: { users: ["ann"] }, rooms: ["org:7"] });
      assert.deepEqual(left, { matched: 1, changed: 1 });

      const emit = async (room, n) => (await w.server.emit({ to: { rooms: [room] }, event: "n", data: n })).matched;
      assert.deepEqual([await emit("project:7", 1), await emit("org:7", 2)], [2, 0]);
      await until("both to hear", () => ann.heard.length === 1 && bob.heard.length === 1);

      proxy.refusing = true;
      proxy.cut();
      await until("the client to notice", () => ann.ends.length === 1);
      // Nobody tells the server that a polling client is gone: its socket may count until it is missed.
      const matched = await emit("project:7", 3);
      assert.ok([1, 2].includes(matched), `${matched}`);
      assert.equal(await emit("org:7", 4), 0);
      proxy.refusing = false;
      await until("the client to be back", () => ann.connected);
      assert.equal(ann.recovered, true);
      assert.deepEqual([await emit("project:7", 5), await emit("org:7", 6)], [2, 0]);
      await until("what was missed, and what came", () => ann.heard.length === 3);
      assert.deepEqual(ann.heard.map((it) => it[1]), [1, 3, 5]);

      const gone = await post(w, "/v1/sockets/disconnect", { to: { rooms: ["project:7"] }, except: { users: ["bob"] }, reason: "over" });
      assert.deepEqual(gone, { disconnected: 1 });
      await until("the disconnect", () => ann.ends.at(-1) === "io server disconnect");
      assert.deepEqual(ann.own.at(-1), ["userline:kicked", { reason: "over" }]);
      await up(bob);

      // A session of its own is granted its rooms anew.
      ann.connect();
      await up(ann);
      assert.deepEqual([await emit("project:7", 7), await emit("org:7", 8)], [1, 1]);
    });
  }

  for (const [way, transports] of Object.entries(ways)) {
    scenario(`rooms follow from claims, and from newer ones in place (${way})`, {
      rooms: { auto: ["org:{org}", "org:{m[].org}:role:{m[].role}"] },
    }, async (w) => {
      const claims = { org: "acme", rooms: ["x"], m: [{ org: "acme", role: "admin" }, { org: 7, role: "viewer" }] };
      const ann = await w.connect("ann", { transports, claims });
      const rooms = async () => (await w.server.api("GET", "/v1/users/ann")).body.sockets[0].rooms;
      assert.deepEqual(await rooms(), ["org:7:role:viewer", "org:acme", "org:acme:role:admin", "user:ann", "x"]);
      await w.server.emit({ to: { rooms: ["org:acme:role:admin"] }, event: "n", data: 1 });
      await until("the event", () => ann.heard.length === 1);

      const refresh = (more) => ann.timeout(5000).emitWithAck("userline:refresh", { token: w.server.token("ann", more) });
      const forged = await refresh({ org: "acme:role:admin" });
      assert.equal(forged.error.code, "room_invalid");
      assert.equal((await rooms()).length, 5, "nothing has changed");
      assert.equal((await refresh({ org: "umbrella" })).error, undefined);
      assert.deepEqual(await rooms(), ["org:umbrella", "user:ann"]);

      const refused = w.connect("eve", { transports, claims: { org: "acme:role:admin" } });
      await assert.rejects(refused, /"code":"room_invalid"/);
    });
  }

  for (const [way, transports] of Object.entries(ways)) {
    scenario(`a client joins and leaves by itself what its claims let it, over a recovery too (${way})`, {
      rooms: { auto: ["org:{org}"], join: ["org:{org}:*", "doc:{docs[].id}"] },
      limits: { rooms_per_socket: 3 },
      recovery: { window: "2m" },
      presence: { grace: "8s" },
    }, async (w) => {
      const proxy = await Proxy.start(Number(new URL(w.server.publicUrl).port));
      w.after(() => proxy.close());
      let claims = { org: "acme", docs: [{ id: 7 }] };
      const ann = await w.connect("ann", {
        url: proxy.url, transports, auth: (give) => give({ token: w.server.token("ann", claims) }),
      });
      const ask = async (event, room) => (await ann.timeout(5000).emitWithAck(event, { room })).error?.code ?? "ok";
      const matched = async (room) => (await w.server.emit({ to: { rooms: [room] }, event: "n", data: room })).matched;

      const cut = async () => {
        const ends = ann.ends.length;
        proxy.refusing = true;
        proxy.cut();
        await until("the client to notice", () => ends < ann.ends.length);
        proxy.refusing = false;
        await until("the client to be back", () => ann.connected);
      };

      assert.equal(await ask("userline:join", "org:acme:general"), "ok");
      assert.equal(await matched("org:acme:general"), 1);
      assert.equal(await ask("userline:join", "doc:7"), "ok");
      assert.equal(await ask("userline:join", "doc:7"), "ok", "twice is once");
      assert.equal(await ask("userline:join", "org:acme:more"), "too_many_rooms");
      for (const room of ["doc:8", "org:umbrella:general", "org:acme2:x", "lobby"]) {
        assert.equal(await ask("userline:join", room), "not_allowed", room);
        assert.equal(await matched(room), 0);
      }
      assert.equal(await ask("userline:join", "user:bob"), "invalid_argument");
      assert.equal(await ask("userline:leave", "org:acme"), "not_allowed", "it was granted");
      assert.equal(await ask("userline:leave", "nowhere"), "ok");
      assert.equal(await ask("userline:leave", "doc:7"), "ok");
      assert.equal(await matched("doc:7"), 0);
      assert.equal(await ask("userline:join", "doc:7"), "ok");
      await post(w, "/v1/sockets/leave", { to: { users: ["ann"] }, rooms: ["doc:7"] });
      await post(w, "/v1/sockets/join", { to: { users: ["ann"] }, rooms: ["doc:7"] });
      assert.equal(await ask("userline:leave", "doc:7"), "not_allowed", "the backend has put it there");
      const denied = await w.server.api("DELETE", "/v1/users/ann/rooms/doc:7", { deny: true });
      assert.equal(denied.status, 200);
      assert.equal(await ask("userline:join", "doc:7"), "not_allowed");

      await cut();
      assert.equal(ann.recovered, true);
      assert.deepEqual([await matched("org:acme:general"), await matched("doc:7")], [1, 0]);

      // Newer credentials, in place and then by another connection: what they do not let it join it is not in.
      assert.equal(await ask("userline:join", "org:acme:two"), "ok");
      claims = { org: "acme", rooms: ["org:acme:two"] };
      const refreshed = await ann.timeout(5000).emitWithAck("userline:refresh", { token: w.server.token("ann", claims) });
      assert.equal(refreshed.error, undefined);
      assert.deepEqual([await matched("org:acme:general"), await matched("org:acme:two")], [1, 1]);
      claims = { org: "umbrella" };
      await cut();
      assert.equal(ann.recovered, true);
      const rooms = ["org:acme:general", "org:acme:two", "org:acme", "org:umbrella"];
      assert.deepEqual(await Promise.all(rooms.map(matched)), [0, 0, 0, 1]);
    });
  }

  for (const [way, transports] of Object.entries(ways)) {
    scenario(`a session that is away leaves with the others (${way})`, {
      recovery: { window: "2m" },
      presence: { grace: "8s" },
    }, async (w) => {
      const proxy = await Proxy.start(Number(new URL(w.server.publicUrl).port));
      w.after(() => proxy.close());
      const ann = await w.connect("ann", { url: proxy.url, transports, claims: { rooms: ["org:7"] } });
      await post(w, "/v1/sockets/join", { to: { users: ["ann"] }, rooms: ["project:7"] });
      const emit = async (room, n) => (await w.server.emit({ to: { rooms: [room] }, event: "n", data: n })).matched;
      await emit("org:7", 1);
      await until("the event", () => ann.heard.length === 1);
      proxy.refusing = true;
      proxy.cut();
      await until("the client to notice", () => ann.ends.length === 1);
      await emit("org:7", 2);
      await post(w, "/v1/sockets/leave", { to: { rooms: ["project:7"] }, rooms: ["org:7", "project:7"] });
      await w.server.emit({ to: { users: ["ann"] }, event: "n", data: 3 });
      proxy.refusing = false;
      await until("the client to be back", () => ann.connected);
      assert.equal(ann.recovered, true);
      assert.deepEqual([await emit("org:7", 4), await emit("project:7", 5)], [0, 0]);
      await until("what was for the user", () => ann.heard.length === 2);
      assert.deepEqual(ann.heard.map((it) => it[1]), [1, 3]);
    });
  }

  scenario("clients join nothing where there is no rule", {}, async (w) => {
    const ann = await w.connect("ann");
    const answer = await ann.timeout(5000).emitWithAck("userline:join", { room: "lobby" });
    assert.equal(answer.error.code, "not_allowed");
  });

  scenario("a membership that was answered holds after kill -9, and so does a denial", {}, async (w) => {
    const api = async (method, path, body) => {
      const answer = await w.server.api(method, path, body);
      assert.equal(answer.status, 200, JSON.stringify(answer.body));
      return answer.body;
    };
    const stays = await w.connect("ann", { claims: { rooms: ["role:admin"] } });
    const put = await api("PUT", "/v1/users/ann/rooms/org:7");
    const denied = await api("DELETE", "/v1/users/ann/rooms/role:admin", { deny: true });
    await w.server.kill9();
    assert.deepEqual([put.changed, denied.changed], [1, 1]);
    await w.server.up();
    await until("the client to be back", () => stays.connected);
    const matched = async (room) => (await w.server.emit({ to: { rooms: [room] }, event: "n", data: 1 })).matched;
    assert.deepEqual([await matched("org:7"), await matched("role:admin")], [1, 0]);

    await api("DELETE", "/v1/users/ann/rooms/org:7");
    assert.equal(await matched("org:7"), 0);
    await api("DELETE", "/v1/users/ann/rooms/role:admin");
    const again = await w.connect("ann", { claims: { rooms: ["role:admin"] } });
    assert.equal(await matched("role:admin"), 1);
    await until("the event", () => again.heard.length === 1);
  });
});
