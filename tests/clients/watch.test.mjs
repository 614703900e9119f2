// Who is online, for clients: as far as the rules let them see, with the grace of presence, and no longer than the grant.
import assert from "node:assert/strict";
import { describe } from "node:test";
import { ways } from "./lib/client.mjs";
import { cluster } from "./lib/cluster.mjs";
import { scenario } from "./lib/scenario.mjs";
import { steadily, until } from "./lib/wait.mjs";

const shown = (shown_to, more) => ({ presence: { grace: "700ms", shown_to, ...more } });
const org = (n) => ({ claims: { rooms: [`org:${n}`] } });
const news = (socket) => socket.own.filter(([event]) => event === "userline:presence").map(([, it]) => [it.user, it.online]);
const ask = (socket, event, argument) => socket.emitWithAck(`userline:${event}`, argument);

describe("who is online", { concurrency: 4 }, () => {
  for (const [way, transports] of Object.entries(ways)) {
    scenario(`${way}: asked once, then told of every change and of no flap`, shown(["shared_room:org:*"]), async (w) => {
      const ann = await w.connect("ann", { transports, ...org(7) });
      const bob = await w.connect("bob", { transports, ...org(7) });
      await w.connect("eve", { transports, ...org(8) });
      const users = ["ann", "bob", "cy", "eve", "nobody"];
      assert.deepEqual(await ask(ann, "presence", { users }), { online: ["ann", "bob"] });
      assert.deepEqual(await ask(ann, "watch", { users }), { online: ["ann", "bob"] });

      const cy = await w.connect("cy", { transports, ...org(7) });
      await until("cy to be seen", () => news(ann).length === 1);
      assert.deepEqual(news(ann), [["cy", true]]);

      // A page that is loaded again is no news.
      cy.disconnect().connect();
      await until("cy to be back", () => cy.connected);
      await steadily("no flap", () => news(ann).length === 1, 1000);

      bob.disconnect();
      await until("bob to be gone", () => news(ann).length === 2);
      assert.deepEqual(news(ann)[1], ["bob", false]);
      assert.deepEqual(await ask(ann, "presence", { users }), { online: ["ann", "cy"] });

      assert.deepEqual(await ask(ann, "unwatch", { users: ["cy"] }), {});
      cy.disconnect();
      await until("cy to be offline", async () => (await w.server.api("GET", "/v1/users/cy")).body.state === "offline");
      await steadily("nothing of cy", () => news(ann).length === 2, 200);
      assert.deepEqual(await ask(ann, "unwatch"), {});
    });
  }

  cluster("over two nodes: told of the last socket on either, of a room on either, and of no flap", 2, shown(["shared_room:org:*"]), async (w) => {
    const on = (node, user, n) => w.connect(user, { url: w.nodes[node].publicUrl, transports: ["websocket"], ...org(n) });
    const ann = await on(0, "ann", 7);
    const [bob, too] = [await on(0, "bob", 7), await on(1, "bob", 7)];
    await on(1, "eve", 8);
    const users = ["ann", "bob", "cy", "eve", "nobody"];
    const seen = async (online) => assert.deepEqual(await ask(ann, "presence", { users }), { online });
    await until("bob to be seen", () => seen(["ann", "bob"]).then(() => true, () => false), 30_000);
    assert.deepEqual(await ask(ann, "watch", { users }), { online: ["ann", "bob"] });

    const cy = await on(1, "cy", 7);
    await until("cy to be seen", () => news(ann).length === 1, 30_000);
    bob.disconnect();
    await steadily("no flap", () => news(ann).length === 1, 1500);
    too.disconnect();
    await until("bob to be gone", () => news(ann).length === 2, 30_000);
    const member = await w.nodes[0].api("PUT", "/v1/users/eve/rooms/org:7");
    assert.ok([200, 202].includes(member.status));
    await until("eve to be seen", () => news(ann).length === 3, 30_000);
    assert.deepEqual(news(ann), [["cy", true], ["bob", false], ["eve", true]]);
    assert.deepEqual(await ask(ann, "unwatch"), {});
    cy.disconnect();
    await steadily("nothing more", () => news(ann).length === 3, 1500);
  }, { forward: false });

  scenario("a stranger is never seen, and looks like somebody who is offline", shown(["shared_room"]), async (w) => {
    const eve = await w.connect("eve", org(8));
    assert.deepEqual(await ask(eve, "watch", { users: ["ann", "nobody"] }), { online: [] });
    const ann = await w.connect("ann", org(7));
    ann.disconnect();
    await until("ann to be offline", async () => (await w.server.api("GET", "/v1/users/ann")).body.state === "offline");
    await steadily("nothing is told", () => news(eve).length === 0, 200);
  });

  scenario("whom the credentials name is seen, without a room", shown(["claim:contacts"]), async (w) => {
    const ann = await w.connect("ann", { claims: { data: { contacts: ["bob", 7] } } });
    await w.connect("bob");
    assert.deepEqual(await ask(ann, "watch", { users: ["bob", "cy", "7"] }), { online: ["bob"] });
    await w.connect("cy");
    await w.connect("7");
    await until("7 to be seen", () => news(ann).length > 0);
    assert.deepEqual(news(ann), [["7", true]]);
  });

  scenario("who is kicked or erased is gone at once, and its own list with it", shown(["shared_room"]), async (w) => {
    const ann = await w.connect("ann", org(7));
    await w.connect("bob", org(7));
    const cy = await w.connect("cy", org(7));
    await ask(ann, "watch", { users: ["bob", "cy"] });
    await ask(cy, "watch", { users: ["ann"] });
    await w.server.api("POST", "/v1/users/bob/disconnect", { now: true });
    await w.server.api("DELETE", "/v1/users/cy");
    await until("both to be gone", () => news(ann).length === 2);
    assert.deepEqual(news(ann).sort(), [["bob", false], ["cy", false]]);
    const watches = async () => (await (await fetch(`${w.server.adminUrl}/metrics`)).text()).match(/^userline_watches (\d+)$/m)[1];
    await until("only bob to be watched", async () => (await watches()) === "1");
  });

  scenario("a membership that the backend takes away ends what it has shown, on either side", shown(["shared_room:org:*"]), async (w) => {
    const [ann, bob] = [await w.connect("ann", org(7)), await w.connect("bob")];
    assert.deepEqual(await ask(ann, "watch", { users: ["bob"] }), { online: [] });
    const member = (method, user, room = "org:7", body) => w.server.api(method, `/v1/users/${user}/rooms/${room}`, body);
    const steps = [
      ["PUT", "bob", true],
      ["DELETE", "bob", false],
      ["PUT", "bob", true],
      ["DELETE", "ann", false],
    ];
    for (const [n, [method, user, online]] of steps.entries()) {
      assert.equal((await member(method, user)).status, 200);
      await until(`${method} ${user} to be seen`, () => news(ann).length === n + 1);
      assert.deepEqual(news(ann).at(-1), ["bob", online]);
    }
    bob.disconnect();
    await until("bob to be offline", async () => (await w.server.api("GET", "/v1/users/bob")).body.state === "offline");
    await steadily("nothing more is told", () => news(ann).length === steps.length, 200);
  });

  scenario("bounded, and refused with stable codes", shown(["shared_room"], { watches_per_socket: 2, watches: 3 }), async (w) => {
    const [ann, bob] = [await w.connect("ann", org(7)), await w.connect("bob", org(7))];
    const code = async (socket, event, argument) => (await ask(socket, event, argument)).error?.code;
    assert.equal(await code(ann, "watch", { users: ["a", "b", "c"] }), "too_many_watches");
    assert.equal(await code(ann, "watch", { users: ["a", "b"] }), undefined);
    assert.equal(await code(ann, "watch", { users: ["a", "c"] }), "too_many_watches");
    assert.equal(await code(bob, "watch", { users: ["a", "b"] }), "overloaded");
    assert.equal(await code(bob, "watch", { users: ["a"] }), undefined);
    ann.disconnect();
    await until("room again", async () => (await code(bob, "watch", { users: ["b"] })) === undefined);
    for (const argument of [undefined, {}, { users: "ann" }, { users: [""] }, { users: [7] }, { users: ["a"], of: "bob" }, { users: Array(1001).fill("a") }]) {
      for (const event of ["presence", "watch"]) assert.equal(await code(bob, event, argument), "invalid_argument", JSON.stringify(argument)?.slice(0, 80));
    }
  });

  scenario("off unless a rule says who sees whom", {}, async (w) => {
    const ann = await w.connect("ann");
    for (const event of ["presence", "watch", "unwatch"]) {
      const { error } = await ask(ann, event, { users: ["ann"] });
      assert.equal(error.code, "not_allowed");
    }
  });
});
