// Clients without credentials: guests, who keep their id by resume tokens, and become users in place.
import assert from "node:assert/strict";
import { after, describe } from "node:test";
import { ways } from "./lib/client.mjs";
import { browser } from "./lib/chromium.mjs";
import { clientDir } from "./lib/dev.mjs";
import { Shop } from "./lib/express.mjs";
import { scenario } from "./lib/scenario.mjs";
import { until } from "./lib/wait.mjs";

const seconds = () => Math.floor(Date.now() / 1000);
const lastOf = (socket, event) => socket.own.filter(([name]) => name === event).at(-1)?.[1];
const GUEST = /^guest:[0-9a-f]{32}$/;

/** A server that takes guests; `guests` and `more` go over its configuration. */
const taking = (guests = {}, more = {}) => ({
  ...more,
  auth: { anonymous: true, ...more.auth },
  guests,
  sessions: { resume_ttl: "10m", ...more.sessions },
});

/** What a client heard at its connect. */
async function session(socket) {
  await until("userline:session", () => lastOf(socket, "userline:session"));
  return lastOf(socket, "userline:session");
}

const bare = (w, options = {}) => w.connect("", { transports: ["websocket"], auth: undefined, ...options });

/** The code that a client with this `auth` is refused with. */
async function refused(w, auth, options = {}) {
  const socket = w.client("", { transports: ["websocket"], auth, ...options });
  let code;
  socket.on("connect_error", (error) => (code = error.data?.code));
  await until("a refusal", () => code);
  assert.equal(socket.active, false);
  socket.disconnect();
  return code;
}

const ask = (socket, event, ...args) => socket.timeout(5000).emitWithAck(event, ...args);

const shop = await Shop.start();
after(() => shop.close());

describe("guests", { concurrency: 4 }, () => {
  for (const [way, transports] of Object.entries(ways)) {
    scenario(`a client without credentials is a guest, keeps its id, and becomes a user in place (${way})`, taking({ rooms: ["guests"] }), async (w) => {
      const first = await bare(w, { transports });
      const one = await session(first);
      assert.match(one.user, GUEST);
      assert.deepEqual([one.guest, one.expires_at], [true, null]);
      assert.deepEqual((await w.server.user(one.user)).sockets[0].rooms, ["guests", `user:${one.user}`]);
      assert.equal(await w.server.metric("userline_guests"), 1);
      first.disconnect();

      const again = await bare(w, { transports, auth: { resume: one.resume } });
      const two = await session(again);
      assert.deepEqual([two.user, two.guest], [one.user, true], "who comes back is the same");
      assert.deepEqual((await w.server.user(one.user)).sockets[0].rooms, ["guests", `user:${one.user}`]);
      await w.server.api("PUT", `/v1/users/${one.user}/rooms/own`, {});
      await w.server.api("PUT", "/v1/users/ann/rooms/hers", {});

      const answer = await ask(again, "userline:refresh", { token: w.server.token("ann", { exp: seconds() + 300, rooms: ["org:1"] }) });
      assert.equal(answer.error, undefined);
      const three = await session(again);
      assert.deepEqual([three.user, three.guest, three.socket], ["ann", undefined, two.socket], "told by a session of its own");
      assert.equal(three.expires_at, answer.expires_at);
      const [shown] = (await w.server.user("ann")).sockets;
      assert.deepEqual([shown.id, shown.rooms], [two.socket, ["hers", "org:1", "user:ann"]]);
      assert.equal((await w.server.state(one.user, "offline")).sockets.length, 0);
      assert.deepEqual([again.ends, again.connected], [[], true]);
      assert.equal(await w.server.metric("userline_guests"), 0);
      assert.equal(await w.server.metric("userline_guest_sign_ins_total"), 1);
      const past = await w.server.api("GET", `/v1/users/${one.user}/history`);
      assert.equal(past.body.sockets[0].reason, "signed_in", JSON.stringify(past.body));

      const { users } = await w.server.emit({ to: { users: ["ann", one.user] }, event: "hello" });
      assert.deepEqual([users.ann.matched, users[one.user].matched], [1, 0]);
      await until("the event", () => again.heard.length === 1);
      assert.equal((await w.server.emit({ to: { rooms: ["guests", "own"] }, event: "bye" })).matched, 0);
      await until("one hook", () => w.hooks.events.length === 1);
      assert.deepEqual(w.hooks.events.map((it) => [it.type, it.user]), [["user.online", "ann"]], "nobody is told of guests");

      // Once: it is no guest any more.
      const other = await ask(again, "userline:refresh", { token: w.server.token("bob") });
      assert.equal(other.error.code, "user_mismatch");
      await until("the end", () => again.ends.length === 1);
    });
  }

  scenario("all namespaces of a connection become the user's together", taking({}, { socketio: { namespaces: ["/", "/chat"] }, recovery: { window: "1m" } }), async (w) => {
    const options = { transports: ["websocket"], auth: undefined, forceNew: false, multiplex: true };
    const root = await w.connect("", options);
    const chat = await w.connect("", { ...options, namespace: "/chat" });
    const [guest, same] = [await session(root), await session(chat)];
    assert.equal(guest.user, same.user, "one connection, one guest");
    const pid = chat._pid;
    assert.ok(pid);
    await ask(chat, "userline:refresh", { token: w.server.token("ann", { rooms: ["org:1"] }) });
    await until("both to be told", () => [root, chat].every((it) => lastOf(it, "userline:session").user === "ann"));
    const { sockets } = await w.server.user("ann");
    assert.deepEqual(sockets.map((it) => it.rooms), [["org:1", "user:ann"], ["org:1", "user:ann"]]);
    assert.deepEqual((await w.server.user(guest.user)).sockets, []);
    // What the guest could recover is over, for ann too.
    chat.auth = { token: w.server.token("ann") };
    root.auth = chat.auth;
    chat.io.engine.close();
    await until("a new connection", () => chat.connected && chat._pid !== pid);
    assert.equal(chat.recovered, false);
    assert.equal((await session(chat)).user, "ann");
  });

  scenario("a guest may do little, unless the configuration says more", taking({}, {
    messages: { client_to_client: "rule", allow: ["typing"], to_users: ["shared_room"] },
    presence: { shown_to: ["shared_room"] },
    events: { url: `${shop.url}/events`, secret: shop.secret, allow: ["chat:*"], allow_private: true },
  }), async (w) => {
    const guest = await bare(w);
    const { user } = await session(guest);
    for (const [event, ...args] of [
      ["userline:emit", { to: { user: "ann" }, event: "typing" }],
      ["userline:inbox", {}],
      ["userline:read", { upto: 1 }],
      ["userline:presence", { users: ["ann"] }],
      ["userline:watch", { users: ["ann"] }],
      ["userline:unwatch", {}],
      ["chat:say", "hi"],
    ]) {
      const { error } = await ask(guest, event, ...args);
      assert.equal(error?.code, "guest_not_allowed", event);
    }
    assert.equal((await ask(guest, "nobody", 1)).error.code, "unknown_event");
    assert.equal(await ask(guest, "userline:ping", 7), 7);
    assert.equal((await ask(guest, "userline:refresh", {})).error.code, "token_missing");
    const kept = await w.server.emit({ to: { users: [user, "ann"] }, event: "news", store: "always" });
    assert.ok(kept.users.ann);
    assert.deepEqual((await w.server.api("GET", `/v1/users/${user}/inbox`)).body.items, [], "nothing is kept for a guest");
    assert.equal((await w.server.api("GET", "/v1/users/ann/inbox")).body.items.length, 1);
  });

  scenario("where they may, guests do what users do, and hooks tell of them", taking(
    { may: ["emit", "presence", "inbox"], hooks: true, rooms: ["guests"] },
    {
      messages: { client_to_client: "rule", allow: ["typing"], to_users: ["shared_room"] },
      presence: { shown_to: ["shared_room"], grace: "1s" },
    },
  ), async (w) => {
    const [one, two] = [await bare(w), await bare(w)];
    const [me, other] = [(await session(one)).user, (await session(two)).user];
    assert.notEqual(me, other);
    assert.deepEqual(await ask(one, "userline:emit", { to: { user: other }, event: "typing" }), {});
    await until("it", () => two.heard.length === 1);
    assert.equal(two.heard[0].at(-1).from.user, me);
    assert.deepEqual(await ask(one, "userline:watch", { users: [other] }), { online: [other] });
    await w.server.emit({ to: { users: [me] }, event: "news", store: "always" });
    assert.equal((await ask(one, "userline:inbox", {})).items.length, 1);
    await ask(two, "userline:refresh", { token: w.server.token("ann") });
    await until("the news", () => lastOf(one, "userline:presence")?.online === false);
    await until("the hooks", () => w.hooks.events.length === 4);
    const of = (user) => w.hooks.events.filter((it) => it.user === user).map((it) => [it.type, it.data.reason]);
    assert.deepEqual(of(other), [["user.online", undefined], ["user.offline", "signed_in"]]);
    assert.deepEqual([of(me), of("ann")], [[["user.online", undefined]], [["user.online", undefined]]]);
  });

  scenario("there are so many guests, in all and of an address, and whoever signs in makes room", taking({ max: 3, per_address: 2 }, { listen: { trusted_proxies: ["127.0.0.1/32"] } }), async (w) => {
    const from = (address) => ({ extraHeaders: { "x-forwarded-for": address } });
    const one = await bare(w, from("203.0.113.1"));
    const { resume } = await session(one);
    const two = await bare(w, from("203.0.113.1"));
    assert.equal(await refused(w, undefined, from("203.0.113.1")), "guest_limit");
    assert.equal(await refused(w, { resume }, from("203.0.113.1")), "guest_limit");
    await w.connect("ann", { transports: ["websocket"], ...from("203.0.113.1") });
    await bare(w, from("203.0.113.2"));
    assert.equal(await refused(w, undefined, from("203.0.113.3")), "guest_limit");
    await ask(two, "userline:refresh", { token: w.server.token("bob") });
    await bare(w, from("203.0.113.1"));
    one.disconnect();
    await until("room", async () => (await w.server.metric("userline_guests")) === 2);
    await bare(w, from("203.0.113.3"));
    assert.equal(await w.server.metric("userline_guests"), 3);
  });

  scenario("credentials never name a guest, and those that are wrong make nobody one", taking(), async (w) => {
    assert.equal(await refused(w, { token: w.server.token("guest:1") }), "user_invalid");
    assert.equal(await refused(w, { token: w.server.token("ann", { exp: 1 }) }), "token_expired");
    assert.equal(await refused(w, { token: "x" }), "token_invalid");
    assert.equal(await refused(w, { resume: "x" }), "resume_invalid");
    const guest = await bare(w);
    const { user, resume } = await session(guest);
    const { error } = await ask(guest, "userline:refresh", { token: w.server.token(`${user}0`) });
    assert.equal(error.code, "user_invalid");
    assert.ok(guest.connected);
    // Beside a guest's token credentials count.
    const ann = await bare(w, { auth: { resume, token: w.server.token("ann") } });
    assert.equal((await session(ann)).user, "ann");
    const { resume: hers } = await session(ann);
    assert.equal((await session(await bare(w, { auth: { resume: hers } }))).user, "ann");
  });

  scenario("a guest is the same after kill -9, is blocked and kicked like a user, and is nobody where there are none", taking(), async (w) => {
    const guest = await bare(w);
    const { user, resume } = await session(guest);
    await w.server.kill9();
    await w.server.up();
    const back = await bare(w, { auth: { resume } });
    const { resume: newer } = await session(back);
    assert.equal((await session(back)).user, user);
    const block = await w.server.api("PUT", `/v1/users/${user}/block`, {});
    assert.equal(block.status, 200);
    await until("the end", () => back.ends.length === 1);
    assert.equal(await refused(w, { resume: newer }), "resume_revoked");
    const fresh = await session(await bare(w));
    assert.notEqual(fresh.user, user);
    await w.server.kill9();
    w.server.config.auth.anonymous = false;
    await w.server.up();
    assert.equal(await refused(w, { resume: fresh.resume }), "resume_revoked");
    assert.equal(await refused(w, undefined), "token_missing");
  });

  scenario("a user who has no seat is still the guest", taking({}, { sessions: { max_sockets_per_user: 1 } }), async (w) => {
    await w.connect("ann", { transports: ["websocket"] });
    const guest = await bare(w);
    const { user } = await session(guest);
    const { error } = await ask(guest, "userline:refresh", { token: w.server.token("ann") });
    assert.equal(error.code, "user_limit");
    assert.equal((await w.server.user(user)).sockets.length, 1);
    await w.server.api("PUT", "/v1/users/bob/block", {});
    assert.equal((await ask(guest, "userline:refresh", { token: w.server.token("bob") })).error.code, "blocked");
    assert.equal((await ask(guest, "userline:refresh", { token: w.server.token("eve") })).error, undefined);
    assert.equal((await w.server.user("eve")).sockets.length, 1);
  });

  scenario("the auth hook is asked about those who bring anything, and may say that they are guests", taking({}, {
    auth: { mode: "hook" },
    "auth.jwt": { secret: undefined },
    "auth.hook": { url: `${shop.url}/realtime/auth`, secret: shop.secret, allow_private: true },
    listen: { origins: ["https://app.example.com"] },
  }), async (w) => {
    const guest = await bare(w);
    assert.match((await session(guest)).user, GUEST);
    assert.equal(shop.questions.length, 0, "nothing was brought, nobody is asked");
    const cookie = await shop.signIn("42");
    assert.equal((await session(await bare(w, { extraHeaders: { cookie } }))).user, "42");
    shop.instead = (_, response) => response.json({ user: null });
    const unknown = await session(await bare(w, { extraHeaders: { cookie: "theme=dark" } }));
    assert.match(unknown.user, GUEST);
    const asked = shop.questions.length;
    const again = await session(await bare(w, { extraHeaders: { cookie: "theme=dark" }, auth: { resume: unknown.resume } }));
    assert.deepEqual([again.user, shop.questions.length], [unknown.user, asked + 1]);
    await bare(w, { query: { session: "7" } });
    assert.equal(shop.questions.length, asked + 2, "a query may say who it is");
    shop.instead = (_, response) => response.json({ user: "7" });
    const { error } = await ask(guest, "userline:refresh", { code: 7 });
    assert.equal(error, undefined);
    assert.equal((await session(guest)).user, "7");
  });

  scenario("a page in a browser is the same guest after it is loaded again, in all its tabs", taking({}, { socketio: { client_dir: clientDir } }), async (w) => {
    const context = await browser();
    w.after(() => context.close());
    const page = await context.newPage();
    shop.page = PAGE(w.server.publicUrl);
    const url = `${shop.url}/page`;
    const who = async (tab) => {
      await tab.waitForFunction(() => document.title.startsWith("guest:"));
      return tab.title();
    };
    await page.goto(url);
    const guest = await who(page);
    for (let n = 0; n < 3; n += 1) {
      await page.reload();
      assert.equal(await who(page), guest);
    }
    const other = await context.newPage();
    await other.goto(url);
    assert.equal(await who(other), guest);
    await until("two tabs", async () => (await w.server.user(guest)).sockets.length === 2);
    await page.reload();
    assert.equal(await who(page), guest);
  });
});

const PAGE = (url) => `<script src="${url}/socket.io/socket.io.js"></script><script>
const socket = io("${url}", { auth: (cb) => cb({ resume: localStorage.getItem("guest") ?? undefined }) });
const keep = ({ resume }) => localStorage.setItem("guest", resume);
socket.on("userline:session", (session) => { keep(session); document.title = session.user; });
socket.on("userline:resume", keep);
socket.on("connect_error", (error) => {
  if (error.data?.code?.startsWith("resume_")) { localStorage.removeItem("guest"); socket.connect(); }
});
</script>`;
