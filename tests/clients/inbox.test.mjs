// Stored events: they wait for their user, are counted, and every tab knows what is read.
import assert from "node:assert/strict";
import { describe } from "node:test";
import { up, ways } from "./lib/client.mjs";
import { Proxy } from "./lib/proxy.mjs";
import { rawClient } from "./lib/raw.mjs";
import { scenario } from "./lib/scenario.mjs";
import { once, steadily, until } from "./lib/wait.mjs";

const ann = { users: ["ann"] };
const recovering = { recovery: { window: "2m" }, presence: { grace: "10s" } };

/** The numbers that a client was told, oldest first. */
const told = (socket) => socket.own.filter(([event]) => event === "userline:inbox").map(([, state]) => state);
const items = (socket) => socket.own.filter(([event]) => event === "userline:inbox:item").map(([, item]) => item);
const names = (socket) => socket.heard.map(([event]) => event);
const page = async (w, query = "") => (await w.server.api("GET", `/v1/users/ann/inbox${query}`)).body;
const seqs = (it) => it.items.map(({ seq }) => seq);

/** Stores `count` events named after their numbers. */
async function store(w, from, count) {
  for (let n = from; n < from + count; n += 1) {
    const { users } = await w.server.emit({ to: ann, event: "note", data: { n }, store: "always", id: `note-${n}` });
    assert.deepEqual(users.ann.inbox, { seq: n, id: `note-${n}`, duplicate: false });
  }
}

describe("inbox", { concurrency: 4 }, () => {
  scenario("S9: nothing is missed in a short cut; after a long one the inbox has it", { recovery: { window: "3s" }, presence: { grace: "4s" } }, async (w) => {
    const proxy = await Proxy.start(Number(new URL(w.server.publicUrl).port));
    w.after(() => proxy.close());
    const socket = await w.connect("ann", { url: proxy.url, transports: ["websocket"] });
    const emit = (event, store) => w.server.emit({ to: ann, event, ...(store ? { store: "always" } : {}) });

    proxy.refusing = true;
    proxy.cut();
    await until("the client to notice", () => socket.ends.length === 1);
    for (const [event, kept] of [["a"], ["b", true], ["c"], ["d", true], ["e"]]) await emit(event, kept);
    proxy.refusing = false;
    await until("the client to be back", () => socket.connected);
    assert.equal(socket.recovered, true);
    await until("all five", () => socket.heard.length >= 5);
    assert.deepEqual(names(socket), ["a", "b", "c", "d", "e"]);

    proxy.refusing = true;
    proxy.cut();
    await until("the client to notice again", () => socket.ends.length === 2);
    await w.server.state("ann", "offline"); // later than the window
    await emit("lost");
    for (const event of ["f", "g"]) {
      const { users } = await w.server.emit({ to: ann, event, store: "if_offline" });
      assert.ok(users.ann.inbox, JSON.stringify(users));
    }
    proxy.refusing = false;
    await until("the client to be back again", () => socket.connected);
    assert.equal(socket.recovered, false);

    const first = await page(w, "?limit=3");
    assert.deepEqual([seqs(first), first.next, first.unread], [[4, 3, 2], 2, 4]);
    assert.deepEqual(first.items.map(({ event }) => event), ["g", "f", "d"]);
    const second = await page(w, `?limit=3&before=${first.next}`);
    assert.deepEqual([seqs(second), second.next, second.unread], [[1], null, 4]);
    await steadily("nothing twice", () => socket.heard.length === 5, 300);
  });

  scenario("what is read in one tab is read in the other, within 500 ms, in every namespace", { socketio: { namespaces: ["/", "/chat"] } }, async (w) => {
    const one = await w.connect("ann");
    const two = await w.connect("ann", { transports: ["polling"] });
    const chat = await w.connect("ann", { namespace: "/chat" });
    const bob = await w.connect("bob");
    await store(w, 1, 4);
    const all = [one, two, chat];
    await until("all tabs to know", () => all.every((it) => told(it).at(-1)?.unread === 4));

    let heard = once(two, "userline:inbox", 500);
    const answer = await one.emitWithAck("userline:read", { upto: 3 });
    const state = { head: 4, unread: 1, read_upto: 3, min_seq: 1 };
    assert.deepEqual(answer, state);
    assert.deepEqual((await heard)[0], state);
    assert.deepEqual(seqs(await page(w, "?unread=true")), [4]);

    heard = once(one, "userline:inbox", 500);
    const { status, body } = await w.server.api("POST", "/v1/users/ann/inbox/read", { ids: ["note-4", "unknown"] });
    assert.deepEqual([status, body.unread, body.read_upto], [200, 0, 4]);
    assert.equal((await heard)[0].unread, 0);
    await until("the other namespace", () => told(chat).at(-1)?.unread === 0);

    const again = await two.emitWithAck("userline:read", { upto: 4 });
    assert.equal(again.unread, 0);
    assert.equal(told(one).length, 6, "what changes nothing is not told");
    const { status: gone } = await w.server.api("DELETE", "/v1/users/ann/inbox/2");
    assert.equal(gone, 200);
    assert.deepEqual(seqs(await page(w)), [4, 3, 1]);
    assert.deepEqual([bob.heard, told(bob)], [[], []], "nobody else hears of it");
  });

  for (const [way, transports] of Object.entries(ways)) {
    scenario(`a client that has recovered has the badge of now, not of before (${way})`, recovering, async (w) => {
      const proxy = await Proxy.start(Number(new URL(w.server.publicUrl).port));
      w.after(() => proxy.close());
      const a = await w.connect("ann", { url: proxy.url, transports });
      const b = await w.connect("ann");
      await store(w, 1, 3);
      await until("both to know", () => [a, b].every((it) => told(it).at(-1)?.unread === 3));
      proxy.refusing = true;
      proxy.cut();
      await until("the cut", () => !a.connected);
      await b.emitWithAck("userline:read", { upto: 3 });
      await store(w, 4, 1);
      const now = { head: 4, unread: 1, read_upto: 3, min_seq: 1 };
      await until("B to know", () => told(b).at(-1)?.head === 4);
      assert.deepEqual(told(b).at(-1), now);
      proxy.refusing = false;
      await until("A to be back", () => a.connected);
      assert.equal(a.recovered, true);
      await until("A to know", () => told(a).at(-1).head === 4);
      assert.deepEqual(told(a).at(-1), now);
      assert.equal(a.heard.length, 4);
      await up(a);

      // Nothing changed: what it had heard is still so, and it goes on hearing what changes.
      proxy.refusing = true;
      proxy.cut();
      await until("the cut", () => a.ends.length === 2);
      proxy.refusing = false;
      await until("A to be back", () => a.connected);
      await b.emitWithAck("userline:read", { upto: 4 });
      await until("A to know", () => told(a).at(-1).unread === 0);
      assert.equal(a.recovered, true);
    });
  }

  scenario("a client without an inbox hears nothing of one when it recovers", recovering, async (w) => {
    const socket = await w.connect("ann");
    socket.io.engine.close();
    await until("the client to be back", () => socket.ends.length === 1 && socket.connected);
    assert.equal(socket.recovered, true);
    await steadily("no numbers", () => told(socket).length === 0, 300);
  });

  scenario("the server's own events have their place in the log, too", recovering, async (w) => {
    await store(w, 1, 2);
    const raw = await rawClient(w.server, { token: w.server.token("ann"), inbox_after: 0 });
    w.after(() => raw.close());
    await until("the end of the replay", () => raw.packets.some((it) => it.startsWith('42["userline:inbox",')));
    await store(w, 3, 1);
    await until("the badge", () => raw.packets.filter((it) => it.startsWith('42["userline:inbox",')).length === 2);
    const events = raw.packets.filter((it) => it.startsWith("42")).map((it) => JSON.parse(it.slice(2)));
    assert.deepEqual(events.map(([name]) => name), [
      "userline:session", "userline:inbox:item", "userline:inbox:item", "userline:inbox", "note", "userline:inbox",
    ]);
    const place = (offset) => offset.split(".").map((it) => Number.parseInt(it, 36))[1];
    const places = events.map((it) => place(it.at(-1)));
    const [before] = places;
    assert.deepEqual(places, [before, before, before, before, before + 1, before + 1], "where the log stood");
  });

  scenario("the same id again is stored once, sent once, and answered with the same place", {}, async (w) => {
    const socket = await w.connect("ann");
    const request = { to: { users: ["ann", "bob"] }, event: "paid", data: 1, store: "always", id: "order-7" };
    const answers = await Promise.all(Array.from({ length: 20 }, () => w.server.emit(request)));
    const fresh = answers.filter(({ users }) => !users.ann.inbox.duplicate);
    assert.equal(fresh.length, 1);
    for (const { users } of answers) {
      assert.deepEqual([users.ann.inbox.seq, users.ann.inbox.id, users.bob.inbox.seq], [1, "order-7", 1]);
    }
    await w.server.emit({ to: ann, event: "end" });
    await until("the end", () => names(socket).includes("end"));
    assert.deepEqual(names(socket), ["paid", "end"]);
    assert.deepEqual([(await page(w)).head, (await page(w)).unread], [1, 1]);
  });

  scenario("a client that says what it knows gets the rest at once, and pages through more", {}, async (w) => {
    await store(w, 1, 130);
    const auth = (inbox_after) => (give) => give({ token: w.server.token("ann"), inbox_after });

    const fresh = await w.connect("ann", { auth: auth(128) });
    await until("the end of the replay", () => told(fresh).length === 1);
    assert.deepEqual(items(fresh).map(({ seq, id, event, args, read }) => [seq, id, event, args, read]), [
      [129, "note-129", "note", [{ n: 129 }], false],
      [130, "note-130", "note", [{ n: 130 }], false],
    ]);
    assert.deepEqual(told(fresh)[0], { head: 130, unread: 130, read_upto: 0, min_seq: 1, has_more: false });
    assert.equal(fresh.own[0][0], "userline:session", "first comes the session");
    assert.deepEqual(fresh.heard, [], "the app's own event comes live only");

    const late = await w.connect("ann", { auth: auth(0) });
    await until("the end of the long replay", () => told(late).length === 1);
    assert.deepEqual(items(late).map(({ seq }) => seq), Array.from({ length: 100 }, (_, n) => n + 1));
    assert.equal(told(late)[0].has_more, true);
    const rest = await late.emitWithAck("userline:inbox", { after: 100, limit: 20 });
    assert.deepEqual([seqs(rest).at(0), seqs(rest).at(-1), rest.next, rest.unread], [101, 120, 120, 130]);
    const newest = await late.emitWithAck("userline:inbox", { limit: 2, unread: true });
    assert.deepEqual([seqs(newest), newest.next], [[130, 129], 129]);
    const older = await late.emitWithAck("userline:inbox", { limit: 2, before: newest.next });
    assert.deepEqual(seqs(older), [128, 127]);

    const nothing = await w.connect("ann", { auth: auth(null) });
    await steadily("who does not ask hears nothing", () => nothing.own.length === 1, 200);
    const wrong = w.client("ann", { auth: auth("12.8") });
    const [error] = await once(wrong, "connect_error");
    assert.equal(error.data.code, "inbox_after_invalid");
  });

  scenario("mistakes and other people's inboxes are answered with an error or nothing", {}, async (w) => {
    const bob = await w.connect("bob");
    await store(w, 1, 1);
    assert.deepEqual(seqs(await bob.emitWithAck("userline:inbox")), []);
    assert.equal((await bob.emitWithAck("userline:read", { upto: 9 })).unread, 0);
    assert.equal((await page(w)).unread, 1);
    const wrong = [
      ["userline:inbox", { user: "ann" }],
      ["userline:inbox", { after: 1, before: 2 }],
      ["userline:inbox", { limit: 0 }],
      ["userline:inbox", "all"],
      ["userline:read", {}],
      ["userline:read", { upto: "7" }],
      ["userline:read", { ids: [7] }],
    ];
    for (const [event, argument] of wrong) {
      const { error } = await bob.emitWithAck(event, argument);
      assert.equal(error.code, "invalid_argument", JSON.stringify(argument));
    }
    const { error } = await bob.emitWithAck("userline:read", Buffer.from("x"));
    assert.equal(error.code, "binary_unsupported");
    const flood = await Promise.all(Array.from({ length: 200 }, () => bob.emitWithAck("userline:inbox", {})));
    assert.ok(flood.every((it) => it.items || it.error.code === "busy"), JSON.stringify(flood));
  });

  scenario("what was answered is there after kill -9, and numbers and ids go on", { presence: { grace: "1s", startup_grace: "1s" } }, async (w) => {
    await store(w, 1, 3);
    await w.server.api("POST", "/v1/users/ann/inbox/read", { upto: 1 });
    const last = await w.server.emit({ to: ann, event: "last", store: "always", id: "last" });
    assert.equal(last.users.ann.inbox.seq, 4);
    await w.server.kill9();
    await w.server.up();
    const after = await page(w);
    assert.deepEqual([seqs(after), after.unread, after.read_upto], [[4, 3, 2, 1], 3, 1]);
    const again = await w.server.emit({ to: ann, event: "last", store: "always", id: "last" });
    assert.deepEqual(again.users.ann.inbox, { seq: 4, id: "last", duplicate: true });
    await store(w, 5, 1);
  });

  scenario("the number that every tab ends with is the right one, however many change it at once", {}, async (w) => {
    const tabs = [await w.connect("ann"), await w.connect("ann", { transports: ["polling"] })];
    const emits = Array.from({ length: 150 }, (_, n) => w.server.emit({ to: ann, event: "n", data: n, store: "always" }));
    const reads = Array.from({ length: 20 }, (_, n) => tabs[n % 2].emitWithAck("userline:read", { upto: 3 * n }));
    await Promise.all([...emits, ...reads]);
    const { head, unread } = await page(w, "?limit=1");
    assert.equal(head, 150);
    for (const tab of tabs) {
      await until("the last number", () => told(tab).at(-1).head === 150 && told(tab).at(-1).unread === unread);
      assert.equal(tab.heard.length, 150);
      const heads = told(tab).map((it) => it.head);
      assert.deepEqual(heads, [...heads].sort((a, b) => a - b), "never an older one after a newer one");
    }
  });

  scenario("an event with a short life goes by itself, and every tab is told", {}, async (w) => {
    const socket = await w.connect("ann");
    await w.server.emit({ to: ann, event: "soon gone", store: "always", ttl: "1s" });
    await w.server.emit({ to: ann, event: "stays", store: "always" });
    await until("the badge", () => told(socket).at(-1)?.unread === 1 && told(socket).at(-1).head === 2, 20_000);
    const left = await page(w);
    assert.deepEqual([seqs(left), left.unread, left.min_seq], [[2], 1, 2]);
  });
});
