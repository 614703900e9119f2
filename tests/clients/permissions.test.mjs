// What clients may do because the backend says so: it is asked, believed, and nothing is allowed without it.
import assert from "node:assert/strict";
import { describe } from "node:test";
import express from "express";
import { Backend } from "./lib/backend.mjs";
import { blocksOf } from "./lib/blocks.mjs";
import { ways } from "./lib/client.mjs";
import { verify } from "./lib/hooks.mjs";
import { scenario } from "./lib/scenario.mjs";
import { sleep, steadily, until } from "./lib/wait.mjs";

/** A scenario with a backend that is asked; `permissions` goes over its section. */
function asking(name, { permissions, ...config }, body) {
  const shared = {};
  scenario(
    name,
    async () => {
      shared.backend = await Backend.start();
      const { url, secret } = shared.backend;
      return { ...config, permissions: { url, secret, allow_private: true, ...permissions } };
    },
    async (w) => {
      const { backend } = shared;
      w.after(() => backend.close());
      await body(w, backend);
      assert.deepEqual(backend.faults, []);
    },
  );
}

const yes = { body: { allow: true } };
const no = { body: { allow: false } };
const joins = { rooms: { join: ["lobby", "doc:*"], join_by_hook: ["doc:*"] } };
const sends = (more) => ({ messages: { client_to_client: "rule", allow: ["typing"], to_users: ["hook"], ...more } });
const shown = (more) => ({ presence: { grace: "300ms", shown_to: ["hook"], ...more } });
const ask = (socket, event, argument) => socket.timeout(15_000).emitWithAck(`userline:${event}`, argument);
const code = async (socket, event, argument) => (await ask(socket, event, argument)).error?.code;
const news = (socket) => socket.own.filter(([event]) => event === "userline:presence").map(([, it]) => [it.user, it.online]);
const rooms = async (w, user) => (await w.server.user(user)).sockets.map((it) => it.rooms.filter((room) => !room.startsWith("user:")).sort().join());
/** An answer that is given when the test says so. */
function held(backend, answer = yes) {
  const gates = [];
  backend.answer = () => new Promise((done) => gates.push(() => done(answer)));
  return { release: () => gates.splice(0).forEach((it) => it()), count: () => gates.length };
}

describe("permissions", { concurrency: 4 }, () => {
  for (const [way, transports] of Object.entries(ways)) {
    asking(`${way}: the backend says who joins a room, and hears who asks`, joins, async (w, backend) => {
      backend.answer = ({ room }) => (room === "doc:7" ? yes : no);
      const claims = { rooms: ["org:1"], data: { role: "editor" } };
      const ann = await w.connect("ann", { transports, claims, auth: (give) => give({ token: w.server.token("ann", claims), device: "tab" }) });

      assert.equal(await code(ann, "join", { room: "doc:7", }), undefined);
      assert.equal(await code(ann, "join", { room: "doc:8" }), "not_allowed", "though `rooms.join` names it");
      assert.equal(await code(ann, "join", { room: "lobby" }), undefined);
      assert.deepEqual(await rooms(w, "ann"), ["doc:7,lobby,org:1"]);

      const [call] = backend.calls;
      assert.equal(call.body.type, "client.permission");
      assert.match(call.id, /^perm_/);
      const [, { socket }] = ann.own.find(([event]) => event === "userline:session");
      const { id, ...data } = call.body.data;
      assert.equal(id, call.id);
      assert.deepEqual(data, { ask: "join", room: "doc:7", namespace: "/", from: { user: "ann", socket, device: "tab", rooms: ["org:1", "user:ann"], data: { role: "editor" } } });
      assert.deepEqual(backend.calls.map((it) => it.room), ["doc:7", "doc:8"], "nobody asks about the lobby");

      // It is in: nobody is asked again; and what it has joined stays with newer credentials.
      assert.equal(await code(ann, "join", { room: "doc:7" }), undefined);
      assert.ok((await ask(ann, "refresh", { token: w.server.token("ann", claims) })).expires_at);
      assert.deepEqual(await rooms(w, "ann"), ["doc:7,lobby,org:1"]);
      assert.equal(await code(ann, "leave", { room: "doc:7" }), undefined);
      assert.deepEqual(await rooms(w, "ann"), ["lobby,org:1"]);
      assert.equal(backend.calls.length, 2);
    });

    asking(`${way}: the backend says who writes to whom, and the sender learns nothing of it`, sends(), async (w, backend) => {
      backend.answer = ({ user }) => (user === "bob" ? yes : no);
      const [ann, bob, cy] = [await w.connect("ann", { transports }), await w.connect("bob", { transports }), await w.connect("cy", { transports })];
      const tabs = await w.connect("ann", { transports });
      for (const user of ["bob", "cy", "nobody", "ann"]) assert.deepEqual(await ask(ann, "emit", { to: { user }, event: "typing", data: { secret: 7 } }), {}, user);
      await until("bob and the other tab to hear", () => bob.heard.length === 1 && tabs.heard.length === 1);
      assert.equal(bob.heard[0][2].from.user, "ann");
      await steadily("nobody else", () => cy.heard.length === 0, 100);
      assert.deepEqual(backend.calls.map((it) => [it.ask, it.event, it.user]), ["bob", "cy", "nobody"].map((user) => ["emit", "typing", user]), "about itself nobody is asked");
      assert.doesNotMatch(JSON.stringify(backend.calls[0].body), /secret/, "what an event says the backend is not told");
      assert.equal(await code(ann, "emit", { to: { user: "bob" }, event: "order:paid" }), "not_allowed");
      assert.equal(backend.calls.length, 3);

      bob.on("typing", (data, note, ack) => ack?.("seen"));
      assert.deepEqual(await ask(ann, "emit", { to: { user: "bob" }, event: "typing", ack: 5000 }), { ack: ["seen"] });
    });

    asking(`${way}: the backend says who sees whom, and takes it back`, shown(), async (w, backend) => {
      let seen = ["bob", 7];
      backend.answer = () => ({ body: { allow: seen, for: 5 } });
      const ann = await w.connect("ann", { transports });
      const users = ["ann", "bob", "cy", "7"];
      await w.connect("bob");
      await w.connect("cy");
      assert.deepEqual(await ask(ann, "presence", { users }), { online: ["ann", "bob"] });
      assert.deepEqual(backend.calls[0].users, ["7", "bob", "cy"], "about itself nobody is asked");
      assert.deepEqual(await ask(ann, "watch", { users }), { online: ["ann", "bob"] });
      const seven = await w.connect("7");
      await until("7 to be seen", () => news(ann).length === 1);
      assert.deepEqual(news(ann), [["7", true]]);

      // Changed its mind, both ways, without a word of the client.
      seen = ["cy"];
      await until("it to be asked again", () => news(ann).length === 4);
      assert.deepEqual(news(ann).slice(1).sort(), [["7", false], ["bob", false], ["cy", true]]);
      seven.disconnect();
      await until("7 to be gone", async () => (await w.server.api("GET", "/v1/users/7")).body.state === "offline");
      seen = [];
      await until("it to be asked again", () => news(ann).length === 5);
      assert.deepEqual(news(ann).at(-1), ["cy", false]);
      assert.deepEqual(await ask(ann, "unwatch"), {});
      const asked = backend.calls.length;
      await steadily("a client that watches nobody costs no question", () => backend.calls.length === asked, 3000);
    });
  }

  asking("a room about which the backend is asked, at each event", { messages: { client_to_client: "rule", allow: ["typing"], to_rooms_by_hook: ["doc:*"] } }, async (w, backend) => {
    let answer = yes;
    backend.answer = () => answer;
    const claims = { rooms: ["doc:7", "org:1"] };
    const [ann, bob] = [await w.connect("ann", { claims }), await w.connect("bob", { claims })];
    const send = (room) => code(ann, "emit", { to: { room }, event: "typing" });
    assert.equal(await send("doc:7"), undefined);
    answer = no;
    assert.equal(await send("doc:7"), "not_allowed");
    assert.equal(await send("doc:8"), "not_allowed");
    assert.equal(await send("org:1"), undefined);
    await until("bob to hear", () => bob.heard.length === 2);
    assert.deepEqual(bob.heard.map(([, , { room }]) => room), ["doc:7", "org:1"]);
    assert.deepEqual(backend.calls.map((it) => it.room), ["doc:7", "doc:7"], "not about rooms that it is not in, nor about others");
  });

  asking("who is in reach by a room is asked about as well, so that the time it takes tells nothing", sends({ to_users: ["shared_room", "hook"] }), async (w, backend) => {
    backend.answer = () => no;
    const claims = { rooms: ["org:1"] };
    const [ann, bob] = [await w.connect("ann", { claims }), await w.connect("bob", { claims })];
    for (const user of ["bob", "stranger"]) assert.deepEqual(await ask(ann, "emit", { to: { user }, event: "typing" }), {});
    await until("bob to hear", () => bob.heard.length === 1);
    assert.deepEqual(backend.calls.map((it) => it.user), ["bob", "stranger"]);
    await backend.close();
    for (const user of ["bob", "stranger"]) assert.equal(await code(ann, "emit", { to: { user }, event: "typing" }), "backend_unavailable", user);
    await steadily("nothing arrives", () => bob.heard.length === 1, 100);
  });

  asking("what a client sends behind a question waits for it", { ...joins, ...sends({ to_rooms: ["doc:*"] }), ...shown() }, async (w, backend) => {
    const gate = held(backend);
    const [ann, bob] = [await w.connect("ann"), await w.connect("bob", { claims: { rooms: ["doc:7"] } })];
    const acked = [];
    const send = (event, argument) => ann.emit(`userline:${event}`, argument, (it) => acked.push([event, it]));
    send("join", { room: "doc:7" });
    send("emit", { to: { room: "doc:7" }, event: "typing", data: 1 });
    send("leave", { room: "doc:7" });
    send("watch", { users: ["bob"] });
    send("unwatch");
    send("join", { room: "lobby" });
    await until("the first question", () => gate.count() === 1);
    assert.equal((await ann.emitWithAck("userline:ping", 7)), 7, "what keeps no order does not wait");
    await steadily("nothing is acked", () => acked.length === 0, 200);
    gate.release();
    await until("the second question", () => gate.count() === 1);
    assert.deepEqual(acked, [["join", {}], ["emit", {}], ["leave", {}]]);
    gate.release();
    await until("all acks", () => acked.length === 6);
    assert.deepEqual(acked.slice(3), [["watch", { online: ["bob"] }], ["unwatch", {}], ["join", {}]]);
    assert.equal(bob.heard.length, 1);
    assert.deepEqual(await rooms(w, "ann"), ["lobby"]);
    assert.equal(await w.server.metric("userline_watches"), 0);
  });

  asking("a dead backend allows nothing, says so at once, and is believed again when it is back", { ...joins, ...sends(), ...shown(), permissions: { timeout: "300ms" } }, async (w, backend) => {
    backend.answer = () => new Promise(() => {});
    const ann = await w.connect("ann");
    const all = async () => [
      await code(ann, "join", { room: "doc:7" }),
      await code(ann, "emit", { to: { user: "bob" }, event: "typing" }),
      await code(ann, "presence", { users: ["bob"] }),
      await code(ann, "watch", { users: ["bob"] }),
    ];
    assert.deepEqual(await all(), Array(4).fill("backend_timeout"));
    assert.equal(await code(ann, "join", { room: "doc:7" }), "backend_timeout");
    assert.deepEqual(await all(), Array(4).fill("backend_unavailable"), "left alone");
    assert.equal(await code(ann, "presence", { users: ["ann"] }), undefined, "what needs no answer is answered");
    assert.equal(backend.calls.length, 5);
    await until("the log to say so", () => /permissions.url is failing/.test(w.server.log));
    backend.answer = () => yes;
    await until("it to be asked again", async () => (await code(ann, "join", { room: "doc:7" })) === undefined);
    await until("the log to say so", () => /permissions.url answers again/.test(w.server.log));
    assert.deepEqual(await rooms(w, "ann"), ["doc:7"]);
  });

  asking("a watcher sees nobody any more when the backend stays away", shown(), async (w, backend) => {
    backend.answer = () => ({ body: { allow: true, for: 5 } });
    const ann = await w.connect("ann");
    await w.connect("bob");
    assert.deepEqual(await ask(ann, "watch", { users: ["bob", "cy"] }), { online: ["bob"] });
    backend.answer = () => ({ status: 500 });
    await until("bob to be out of sight", () => news(ann).length === 1);
    assert.deepEqual(news(ann), [["bob", false]]);
    await w.connect("cy");
    await steadily("nothing is learned", () => news(ann).length === 1, 500);
    backend.answer = () => ({ body: { allow: ["cy"], for: 5 } });
    await until("cy to be seen", () => news(ann).length === 2);
    assert.deepEqual(news(ann)[1], ["cy", true]);
  });

  asking("a client that is gone, or logged out, when the answer comes has joined, sent and seen nothing", { ...joins, ...sends() }, async (w, backend) => {
    const gate = held(backend);
    const [ann, bob] = [await w.connect("ann"), await w.connect("bob")];
    ann.emit("userline:emit", { to: { user: "bob" }, event: "typing" });
    ann.emit("userline:join", { room: "doc:7" });
    await until("the question", () => gate.count() === 1);
    await w.server.api("POST", "/v1/users/ann/disconnect", { now: true });
    gate.release();
    await until("ann to be gone", async () => (await w.server.api("GET", "/v1/users/ann")).body.state === "offline");
    await sleep(300);
    gate.release();
    await steadily("nothing arrives", () => bob.heard.length === 0, 300);
    const metrics = await (await fetch(`${w.server.adminUrl}/metrics`)).text();
    assert.match(metrics, /^userline_permission_questions_total\{ask="emit",outcome="gone"\} 1$/m);
  });

  asking("a room that is denied to a user, or one too many, stays shut whatever the backend says", { ...joins, limits: { rooms_per_socket: 1 } }, async (w, backend) => {
    backend.answer = () => yes;
    const ann = await w.connect("ann");
    await w.server.api("DELETE", "/v1/users/ann/rooms/doc:7", { deny: true });
    assert.equal(await code(ann, "join", { room: "doc:7" }), "not_allowed");
    assert.equal(await code(ann, "join", { room: "doc:8" }), undefined);
    assert.equal(await code(ann, "join", { room: "doc:9" }), "too_many_rooms");
    // What the backend has allowed, it takes back by the API.
    assert.equal((await w.server.api("DELETE", "/v1/users/ann/rooms/doc:8")).status, 200);
    assert.deepEqual(await rooms(w, "ann"), [""]);
  });

  asking("the Express handler of the documentation", { rooms: { join_by_hook: ["doc:*"] }, messages: { client_to_client: "rule", allow: ["typing"], to_users: ["hook"], to_rooms_by_hook: ["doc:*"] }, ...shown() }, async (w, backend) => {
    const [{ text }] = blocksOf("docs/permissions.md").filter((it) => it.language === "js");
    const friends = { ann: ["bob"], bob: ["ann"] };
    const scope = {
      app: express(),
      express,
      isSigned: (headers, raw) => (verify(backend.secret, { method: "POST", headers }, raw), Buffer.isBuffer(raw)),
      friendsAmong: async (user, users) => users.filter((it) => friends[user]?.includes(it)),
      areFriends: async (user, other) => friends[user]?.includes(other) ?? false,
      mayRead: async (user, document) => document === "7",
      mayWrite: async (user, document) => document === "7" && user === "ann",
    };
    new Function(...Object.keys(scope), text.replaceAll("/userline/permissions", "/events"))(...Object.values(scope));
    backend.server.removeAllListeners("request").on("request", scope.app);

    const [ann, bob, eve] = [await w.connect("ann"), await w.connect("bob"), await w.connect("eve")];
    for (const socket of [ann, bob]) assert.equal(await code(socket, "join", { room: "doc:7" }), undefined);
    assert.equal(await code(eve, "join", { room: "doc:8" }), "not_allowed");
    assert.equal(await code(ann, "emit", { to: { room: "doc:7" }, event: "typing" }), undefined);
    assert.equal(await code(bob, "emit", { to: { room: "doc:7" }, event: "typing" }), "not_allowed");
    for (const socket of [eve, ann]) await ask(socket, "emit", { to: { user: "bob" }, event: "typing" });
    await until("bob to hear", () => bob.heard.length === 2);
    assert.deepEqual(bob.heard.map(([, , { from }]) => from.user), ["ann", "ann"]);
    assert.deepEqual(await ask(ann, "watch", { users: ["bob", "eve"] }), { online: ["bob"] });
    assert.deepEqual(await ask(eve, "presence", { users: ["ann", "bob", "eve"] }), { online: ["eve"] });
  });

  asking("bounded: so many at once for a user, then the client is not read", { ...sends(), permissions: { concurrency: 2, concurrency_per_user: 1 } }, async (w, backend) => {
    const gate = held(backend);
    const [ann, bob] = [await w.connect("ann"), await w.connect("bob")];
    const heard = await w.connect("cy");
    const acks = [];
    for (let n = 0; n < 30; n += 1) ann.emit("userline:emit", { to: { user: "cy" }, event: "typing", data: n }, (it) => acks.push(it));
    bob.emit("userline:emit", { to: { user: "cy" }, event: "typing", data: "bob" });
    await until("both to be asked about", () => gate.count() === 2);
    await steadily("no more", () => gate.count() === 2 && backend.most === 2, 200);
    backend.answer = () => yes;
    gate.release();
    await until("all to be acked", () => acks.length === 30);
    await until("all to arrive", () => heard.heard.length === 31);
    const order = heard.heard.map(([, data]) => data).filter((it) => it !== "bob");
    assert.deepEqual(order, [...Array(30).keys()], "in the order in which they were sent");
  });
});
