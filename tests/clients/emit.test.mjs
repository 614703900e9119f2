// Where an emit goes, and what arrives.
import assert from "node:assert/strict";
import { describe } from "node:test";
import { Manager } from "socket.io-client";
import { listening, up, ways } from "./lib/client.mjs";
import { pipelined } from "./lib/http.mjs";
import { rawClient } from "./lib/raw.mjs";
import { scenario } from "./lib/scenario.mjs";
import { once, steadily, until } from "./lib/wait.mjs";

const heard = (socket, count = 1) => until(`${count} events`, () => socket.heard.length >= count && socket.heard);

describe("emit", { concurrency: 3 }, () => {
  scenario("rooms come from the token; users, rooms, sockets, all and except select", {}, async (w) => {
    const ann = await w.connect("ann", { claims: { rooms: ["org:7", "admins"] } });
    const ann2 = await w.connect("ann", { claims: { rooms: ["org:7"] } });
    const bob = await w.connect("bob", { claims: { rooms: ["org:7"] }, transports: ["polling"] });
    const cy = await w.connect("cy");
    const all = [ann, ann2, bob, cy];

    const cases = [
      [{ users: ["ann"] }, undefined, [ann, ann2]],
      [{ users: ["ann", "bob"] }, undefined, [ann, ann2, bob]],
      [{ rooms: ["org:7"] }, undefined, [ann, ann2, bob]],
      [{ rooms: ["org:7", "admins"] }, undefined, [ann, ann2, bob]],
      [{ rooms: ["user:bob"] }, undefined, [bob]],
      [{ sockets: [ann2.id] }, undefined, [ann2]],
      [{ users: ["cy"], sockets: [ann.id], rooms: ["admins"] }, undefined, [ann, cy]],
      [{ all: true }, undefined, all],
      [{ all: true }, { users: ["ann"] }, [bob, cy]],
      [{ rooms: ["org:7"] }, { sockets: [ann.id] }, [ann2, bob]],
      [{ rooms: ["org:7"] }, { rooms: ["admins"] }, [ann2, bob]],
      [{ users: ["ann"] }, { users: ["ann"] }, []],
      [{ users: ["ann"] }, { sockets: ["sock_AAAAAAAAAAAAAAAAAAAA"] }, [ann, ann2]],
      [{ rooms: ["nobody:here"] }, undefined, []],
      [{ users: ["nobody"] }, undefined, []],
    ];
    for (const [n, [to, except, expected]] of cases.entries()) {
      const answer = await w.server.emit({ to, except, event: "case", data: n });
      assert.equal(answer.matched, expected.length, `case ${n}: ${JSON.stringify(answer)}`);
      assert.equal(answer.sent, expected.length, `case ${n}: ${JSON.stringify(answer)}`);
    }
    await w.server.emit({ to: { all: true }, event: "end", data: null });
    for (const socket of all) {
      await until("the end", () => socket.heard.some(([event]) => event === "end"));
      const wanted = [...cases.entries()].filter(([, it]) => it[2].includes(socket)).map(([n]) => n);
      assert.deepEqual(socket.heard.filter(([event]) => event === "case").map((it) => it[1]), wanted);
    }

    const rooms = (await w.server.api("GET", "/v1/rooms?limit=1000")).body.rooms;
    assert.equal(rooms.find((it) => it.room === "org:7").sockets, 3);
    const room = await w.server.api("GET", `/v1/rooms/${encodeURIComponent("org:7")}`);
    assert.equal(room.status, 200, JSON.stringify(room.body));
  });

  scenario("several arguments, no argument, and null arrive as they were sent", {}, async (w) => {
    const socket = await w.connect("ann");
    const to = { users: ["ann"] };
    await w.server.emit({ to, event: "three", args: [1, { two: 2 }, ["three"]] });
    await w.server.emit({ to, event: "none", args: [] });
    await w.server.emit({ to, event: "null", data: null });
    await w.server.emit({ to, event: "unicode é 漢", data: "ü\u2028" });
    await heard(socket, 4);
    assert.deepEqual(socket.heard, [["three", 1, { two: 2 }, ["three"]], ["none"], ["null", null], ["unicode é 漢", "ü\u2028"]]);
  });

  scenario("the data reaches the client byte for byte", {}, async (w) => {
    const raw = await rawClient(w.server, { token: w.server.token("ann") });
    w.after(() => raw.close());
    const data = '{"z":12345678901234567890.10,"a":1e2,"a":"\\u00e9"}';
    await w.server.emit(`{"to":{"users":["ann"]},"event":"exact","data":${data}}`);
    await until("the event", () => raw.packets.includes(`42["exact",${data}]`));
  });

  scenario("volatile events arrive at a client that keeps up", {}, async (w) => {
    const socket = await w.connect("ann");
    const answer = await w.server.emit({ to: { users: ["ann"] }, event: "typing", data: 1, volatile: true });
    assert.equal(answer.matched, 1);
    await heard(socket);
    assert.deepEqual(socket.heard, [["typing", 1]]);
  });

  for (const [way, transports] of Object.entries(ways)) {
    scenario(`a burst of 10,000 emits arrives whole and in order (${way})`, {}, async (w) => {
      const socket = await w.connect("ann", { transports });
      const count = 10_000;
      const statuses = await pipelined(w.server, "/v1/emit", count, (n) => `{"to":{"users":["ann"]},"event":"n","data":${n}}`);
      assert.deepEqual(statuses, { 200: count });
      await until("all of them", () => socket.heard.length >= count, 30_000);
      assert.equal(socket.heard.findIndex(([, value], n) => value !== n), -1, "in order, none missing");
      assert.equal(socket.heard.length, count);
      assert.deepEqual(socket.ends, []);
    }, { timeout: 120_000 });
  }

  scenario("nothing that is emitted during the upgrade is lost, doubled or out of order", {}, async (w) => {
    const clients = 20;
    const count = 60;
    await Promise.all(Array.from({ length: clients }, async (_, c) => {
      const user = `user-${c}`;
      const socket = w.client(user, { transports: ["polling", "websocket"] });
      await until("the connect", () => socket.connected, 10_000, 1);
      // Some larger than a polling payload's share: the client's transport changes in the middle of this.
      for (let n = 0; n < count; n += 1) {
        await w.server.emit({ to: { users: [user] }, event: "n", args: [n, "x".repeat(n % 10 === 0 ? 60_000 : 10)] });
      }
      await until("all events", () => socket.heard.length >= count, 20_000);
      assert.deepEqual(socket.heard.map((it) => it[1]), Array.from({ length: count }, (_, n) => n));
      assert.deepEqual(socket.ends, []);
      await until("the upgrade", () => socket.io.engine.transport.name === "websocket");
    }));
  });

  scenario("two namespaces live on one connection", { socketio: { namespaces: ["/", "/admin"] } }, async (w) => {
    const manager = new Manager(w.server.publicUrl, { transports: ["websocket"] });
    const auth = (give) => give({ token: w.server.token("ann") });
    const main = w.remember(listening(manager.socket("/", { auth })));
    const admin = w.remember(listening(manager.socket("/admin", { auth })));
    await up(main);
    await up(admin);
    assert.notEqual(main.id, admin.id);
    const user = await w.server.user("ann");
    assert.deepEqual(user.sockets.map((it) => it.namespace).sort(), ["/", "/admin"]);

    await w.server.emit({ to: { users: ["ann"] }, event: "root", data: 1 });
    await w.server.emit({ namespace: "/admin", to: { users: ["ann"] }, event: "there", data: 2 });
    await heard(main);
    await heard(admin);
    assert.deepEqual([main.heard, admin.heard], [[["root", 1]], [["there", 2]]]);

    main.disconnect();
    await until("one socket", async () => (await w.server.user("ann")).sockets.length === 1);
    await steadily("the user is online in the other namespace", () => w.hooks.of("ann").length === 1, 2500);
    admin.disconnect();
    await w.hooks.wait("ann", "user.offline");
  });

  scenario("a namespace that is not offered is refused", {}, async (w) => {
    const socket = w.client("ann", { namespace: "/nowhere" });
    const [error] = await once(socket, "connect_error");
    assert.equal(error.message, "Invalid namespace");
    assert.equal(socket.active, false);
  });

  scenario("requests that make no sense are refused with a code and the field", {}, async (w) => {
    const to = { users: ["ann"] };
    const cases = [
      [400, "invalid_argument", "{"],
      [400, "invalid_argument", "[]"],
      [400, "invalid_argument", { to: {}, event: "x" }],
      [400, "invalid_argument", { to, event: "" }],
      [400, "invalid_argument", { to }],
      [400, "invalid_argument", { to, event: "x", data: 1, args: [1] }],
      [400, "invalid_argument", { to, event: "x", surprise: true }],
      [400, "invalid_argument", { to: { users: [""] }, event: "x" }],
      [400, "invalid_argument", { to: { sockets: ["not an id"] }, event: "x" }],
      [422, "reserved_event", { to, event: "userline:kicked" }],
      [422, "reserved_event", { to, event: "connect" }],
      [422, "reserved_event", { to, event: "disconnect" }],
    ];
    for (const [status, code, body] of cases) {
      const answer = await w.server.api("POST", "/v1/emit", body);
      assert.equal(answer.status, status, `${JSON.stringify(body)}: ${JSON.stringify(answer.body)}`);
      assert.equal(answer.body.error.code, code, JSON.stringify(answer.body));
      assert.ok(answer.body.error.message && answer.body.error.request_id, JSON.stringify(answer.body));
    }
    const big = await w.server.api("POST", "/v1/emit", { to, event: "x", data: "y".repeat(2_000_000) });
    assert.equal(big.status, 413, JSON.stringify(big.body));
    const noKey = await w.server.api("POST", "/v1/emit", { to, event: "x" }, { authorization: "Bearer wrong" });
    assert.equal(noKey.status, 401);
    const nowhere = await w.server.api("GET", "/v1/nothing");
    assert.equal(nowhere.status, 404);
  });

  scenario("a key does only what its scopes say", { admin: { keys: [
    { name: "reader", key: "reader-reader-reader", scopes: ["read"] },
    { name: "sender", key: "sender-sender-sender", scopes: ["emit"] },
  ] } }, async (w) => {
    const as = (key) => ({ authorization: `Bearer ${key}` });
    const emit = { to: { users: ["ann"] }, event: "x" };
    const status = async (...call) => (await w.server.api(...call)).status;
    assert.equal(await status("POST", "/v1/emit", emit, as("reader-reader-reader")), 403);
    assert.equal(await status("GET", "/v1/users", undefined, as("reader-reader-reader")), 200);
    assert.equal(await status("POST", "/v1/emit", emit, as("sender-sender-sender")), 200);
    assert.equal(await status("GET", "/v1/users", undefined, as("sender-sender-sender")), 403);
    assert.equal(await status("POST", "/v1/users/ann/disconnect", {}, as("sender-sender-sender")), 403);
  });
});

