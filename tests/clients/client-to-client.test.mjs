// What clients send to each other: by the rules of the configuration, under verified names, and without telling who is there.
import assert from "node:assert/strict";
import { describe } from "node:test";
import { ways } from "./lib/client.mjs";
import { scenario } from "./lib/scenario.mjs";
import { once, steadily, until } from "./lib/wait.mjs";

const on = (more) => ({ messages: { client_to_client: "rule", allow: ["typing", "cursor:*"], ...more } });
const org = { claims: { rooms: ["org:7", "secret:1"] } };
const names = (socket) => socket.heard.map(([event]) => event);
const device = (w, user, name, options = {}) =>
  w.connect(user, { ...options, auth: (give) => give({ token: w.server.token(user, options.claims), device: name }) });

describe("client to client", { concurrency: 4 }, () => {
  for (const [way, transports] of Object.entries(ways)) {
    scenario(`${way}: typing indicators by configuration alone`, on({ to_rooms: ["org:*"] }), async (w) => {
      const [ann, bob, eve] = [await device(w, "ann", "a1", { transports, ...org }), await w.connect("bob", { transports, ...org }), await w.connect("eve", { transports })];

      assert.deepEqual(await ann.emitWithAck("userline:emit", { to: { room: "org:7" }, event: "typing", data: { in: 7 }, volatile: true }), {});
      await until("bob to hear", () => bob.heard.length === 1);
      const [event, data, note] = bob.heard[0];
      const [, { socket }] = ann.own.find(([it]) => it === "userline:session");
      assert.deepEqual([event, data, note], ["typing", { in: 7 }, { from: { user: "ann", socket, device: "a1" }, room: "org:7" }]);

      assert.deepEqual(await bob.emitWithAck("userline:emit", { to: { user: "ann" }, event: "cursor:moved" }), {});
      await until("ann to hear", () => ann.heard.length === 1);
      assert.equal(ann.heard[0][2].from.user, "bob");
      assert.equal(ann.heard[0][1], null);
      await steadily("nobody else", () => eve.heard.length === 0, 100);
    });

    scenario(`${way}: buffers and acks pass through`, on(), async (w) => {
      const [ann, bob] = [await w.connect("ann", { transports, ...org }), await w.connect("bob", { transports, ...org })];
      const bytes = Buffer.from([0, 255]);
      bob.on("cursor:ask", (data, { from }, ack) => ack(from.user, { bytes: data.bytes }));
      const { ack } = await ann.emitWithAck("userline:emit", { to: { user: "bob" }, event: "cursor:ask", data: { bytes }, ack: 5000 });
      assert.deepEqual(ack, ["ann", { bytes }]);
    });
  }

  scenario("a client cannot send what the backend sends, nor to whom it may not", on({ to_rooms: ["org:*"] }), async (w) => {
    const [ann, eve] = [await w.connect("ann", org), await w.connect("eve")];
    const send = async (socket, argument) => (await socket.emitWithAck("userline:emit", argument)).error?.code;
    for (const event of ["order:paid", "userline:kicked", "cursor"]) {
      assert.match((await send(ann, { to: { user: "ann" }, event })) ?? "", /^(not_allowed|invalid_argument)$/, event);
    }
    assert.equal(await send(eve, { to: { room: "org:7" }, event: "typing" }), "not_allowed");
    assert.equal(await send(ann, { to: { room: "secret:1" }, event: "typing" }), "not_allowed");
    assert.equal(await send(eve, { to: { room: "user:ann" }, event: "typing" }), "not_allowed");
    for (const argument of [{}, { to: {}, event: "typing" }, { to: { user: "a", room: "b" }, event: "typing" }, { to: { all: true }, event: "typing" }, { to: { user: "ann" }, event: "typing", from: "bob" }, { to: { user: "ann" }, event: "typing", ack: 10_001 }, { to: { room: "org:7" }, event: "typing", ack: 1 }]) {
      assert.equal(await send(ann, argument), "invalid_argument", JSON.stringify(argument));
    }
    // Whoever shares no room is not reached; the answer is that of somebody who is not there.
    assert.equal(await send(eve, { to: { user: "ann" }, event: "typing" }), undefined);
    assert.equal(await send(eve, { to: { user: "nobody" }, event: "typing" }), undefined);
    await steadily("nothing arrives", () => ann.heard.length === 0, 200);
    const metrics = await (await fetch(`${w.server.adminUrl}/metrics`)).text();
    assert.match(metrics, /^userline_client_messages_total\{outcome="withheld"\} 2$/m);
    const { status, body } = await w.server.api("POST", "/v1/emit", { to: { users: ["ann"] }, event: "typing" });
    assert.deepEqual([status, body.error.code], [422, "reserved_event"], "and the backend sends nothing that clients send");
  });

  scenario("off unless switched on", {}, async (w) => {
    const ann = await w.connect("ann");
    const { error } = await ann.emitWithAck("userline:emit", { to: { user: "ann" }, event: "typing" });
    assert.equal(error.code, "not_allowed");
  });

  scenario("whom the credentials name is in reach, without a room", on({ to_users: ["claim:/team/members"] }), async (w) => {
    const [ann, bob, cy] = [await w.connect("ann", { claims: { data: { team: { members: ["bob"] } } } }), await w.connect("bob"), await w.connect("cy")];
    for (const user of ["bob", "cy"]) await ann.emitWithAck("userline:emit", { to: { user }, event: "typing" });
    await until("bob to hear", () => bob.heard.length === 1);
    await bob.emitWithAck("userline:emit", { to: { user: "ann" }, event: "typing" });
    await steadily("nobody else", () => cy.heard.length === 0 && ann.heard.length === 0, 200);
  });

  scenario("the socket itself never hears it; its device or user only if not left out", on(), async (w) => {
    const [one, same, other] = [await device(w, "ann", "d1", org), await device(w, "ann", "d1", org), await device(w, "ann", "d2", org)];
    const bob = await w.connect("bob", org);
    const send = (except) => one.emitWithAck("userline:emit", { to: { room: "org:7" }, event: "typing", data: except, ...(except && { except }) });
    await send();
    await send("device");
    await send("user");
    await until("bob", () => bob.heard.length === 3);
    await until("the others", () => same.heard.length === 1 && other.heard.length === 2);
    assert.deepEqual([one.heard.length, names(same).length, other.heard.map(([, data]) => data)], [0, 1, [null, "device"]]);
    await one.emitWithAck("userline:emit", { to: { user: "ann" }, event: "typing", data: "mine" });
    await until("own tabs", () => same.heard.length === 2 && other.heard.length === 3);
  });

  scenario("without an ack the answer takes its time, whoever is there", on(), async (w) => {
    const [ann, bob] = [await w.connect("ann", org), await w.connect("bob", org)];
    for (const user of ["bob", "nobody", "stranger"]) {
      const begun = performance.now();
      assert.deepEqual(await ann.emitWithAck("userline:emit", { to: { user }, event: "typing", ack: 300 }), { ack: null });
      assert.ok(performance.now() - begun >= 290, user);
    }
    assert.deepEqual(names(bob), ["typing"]);
  });

  scenario("clients that ask another for acks leave room for the backend's", on(), async (w) => {
    const bob = await w.connect("bob", org);
    let unheard = 0;
    bob.on("cursor:ask", () => (unheard += 1)); // and no ack
    bob.on("call", (_, ack) => ack("here"));
    const tabs = await Promise.all(Array.from({ length: 17 }, () => w.connect("ann", { ...org, transports: ["websocket"] })));
    for (const tab of tabs) for (let n = 0; n < 8; n += 1) tab.emit("userline:emit", { to: { user: "bob" }, event: "cursor:ask", ack: 10_000 });
    await until("half of bob's acks to be awaited", () => unheard === 64);
    await steadily("no more of them", () => unheard === 64, 200);
    const { acked, missing } = await w.server.emit({ to: { users: ["bob"] }, event: "call", data: 1, ack: { timeout: "5s" } });
    assert.deepEqual([acked, missing], [1, []]);
  });

  scenario("what looks like a buffer and is none breaks nobody", on(), async (w) => {
    const [ann, bob] = [await w.connect("ann", org), await w.connect("bob", org)];
    const heard = once(bob, "typing");
    await ann.emitWithAck("userline:emit", { to: { user: "bob" }, event: "typing", data: { _placeholder: true, num: 7 } });
    assert.deepEqual((await heard)[0], { _placeholder: true, num: 7 });
    const mixed = { to: { user: "bob" }, event: "typing", data: [Buffer.from("x"), { _placeholder: true, num: 7 }] };
    const { error } = await ann.emitWithAck("userline:emit", mixed);
    assert.equal(error.code, "invalid_argument");
    assert.ok(bob.connected && ann.connected);
  });
});
