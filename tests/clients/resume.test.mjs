// Clients come back without credentials: by a token of the server's own, which counts once and can be revoked.
import assert from "node:assert/strict";
import { describe } from "node:test";
import { up, ways } from "./lib/client.mjs";
import { Shop } from "./lib/express.mjs";
import { scenario } from "./lib/scenario.mjs";
import { until } from "./lib/wait.mjs";

const seconds = () => Math.floor(Date.now() / 1000);
const resuming = { sessions: { resume_ttl: "10m" } };
const lastOf = (socket, event) => socket.own.filter(([name]) => name === event).at(-1)?.[1];

/** What a client heard at its connect. */
async function session(socket) {
  await until("userline:session", () => lastOf(socket, "userline:session"));
  return lastOf(socket, "userline:session");
}

/** A client that comes by this resume token, and by nothing else; waits until it is in. */
const comes = (w, resume, options = {}) => w.connect("", { transports: ["websocket"], ...options, auth: { resume, ...options.auth } });

/** The code that such a client is refused with. */
async function refused(w, resume) {
  const socket = w.client("", { transports: ["websocket"], auth: { resume } });
  let code;
  socket.on("connect_error", (error) => (code = error.data?.code));
  await until("a refusal", () => code);
  assert.equal(socket.active, false);
  return code;
}

describe("resume", { concurrency: 4 }, () => {
  for (const [way, transports] of Object.entries(ways)) {
    scenario(`a client comes back as who it was, without credentials (${way})`, resuming, async (w) => {
      const exp = seconds() + 300;
      const first = await w.connect("ann", { transports, claims: { exp, rooms: ["org:1"], data: { n: 1 } } });
      const { resume, expires_at: end } = await session(first);
      assert.equal(end, exp * 1000);
      first.disconnect();

      const second = await comes(w, resume, { transports });
      const again = await session(second);
      assert.deepEqual([again.user, again.expires_at], ["ann", end], "it does not outlive the first credentials");
      assert.notEqual(again.resume, resume);
      const [shown] = (await w.server.user("ann")).sockets;
      assert.deepEqual([shown.rooms, shown.data], [["user:ann"], null], "rooms are granted by credentials");

      const { resume: fresh, error } = await second
        .timeout(3000)
        .emitWithAck("userline:refresh", { token: w.server.token("ann", { rooms: ["org:2"] }) });
      assert.equal(error, undefined);
      assert.deepEqual((await w.server.user("ann")).sockets[0].rooms, ["org:2", "user:ann"]);
      second.disconnect();
      assert.equal((await session(await comes(w, fresh, { transports }))).user, "ann");
      assert.equal(await w.server.metric('userline_resumes_total{outcome="resumed"}'), 2);
    });
  }

  scenario("where it is not switched on there is none, and what was given before does not count", resuming, async (w) => {
    const { resume } = await session(await w.connect("ann", { transports: ["websocket"] }));
    await w.server.kill9();
    await w.server.up();
    await comes(w, resume);
    await w.server.kill9();
    w.server.config.sessions = {};
    await w.server.up();
    const plain = await w.connect("bob", { transports: ["websocket"] });
    assert.equal("resume" in (await session(plain)), false);
    assert.equal(await refused(w, resume), "token_missing");
    await w.server.kill9();
    w.server.config.sessions = resuming.sessions;
    await w.server.up();
    assert.equal(await refused(w, resume), "resume_invalid");
  });

  scenario("a token counts once; who uses it again ends all that came from it", resuming, async (w) => {
    const first = await w.connect("ann", { transports: ["websocket"] });
    const one = (await session(first)).resume;
    const two = (await session(await comes(w, one))).resume;
    const again = (await session(await comes(w, one))).resume;
    const three = (await session(await comes(w, two))).resume;
    await comes(w, again);
    assert.equal(await refused(w, one), "resume_reused");
    for (const token of [two, again, three]) assert.equal(await refused(w, token), "resume_revoked");
    assert.match(w.server.log, /used twice/);
    assert.equal(await w.server.metric('userline_resumes_total{outcome="reused"}'), 1);
    // Credentials beside it count all the same.
    const both = await comes(w, one, { auth: { resume: one, token: w.server.token("ann") } });
    assert.ok((await session(both)).resume);
  });

  scenario("a connection that lasts gets a newer token before the one that it has ends", { sessions: { resume_ttl: "10s" } }, async (w) => {
    const socket = await w.connect("ann", { transports: ["websocket"] });
    const old = (await session(socket)).resume;
    await until("two newer ones", () => socket.own.filter(([name]) => name === "userline:resume").length === 2, 25_000);
    assert.equal(await refused(w, old), "resume_expired");
    const { resume } = lastOf(socket, "userline:resume");
    assert.equal((await session(await comes(w, resume))).user, "ann");
  });

  scenario("kick, block, logout and not_before revoke them, and what was answered holds after kill -9", resuming, async (w) => {
    const start = async (user) => session(await w.connect(user, { transports: ["websocket"], claims: { iat: seconds() } }));
    const post = async (user, what, body = {}) => {
      const answer = await w.server.api("POST", `/v1/users/${user}/${what}`, body);
      assert.equal(answer.status, 200, JSON.stringify(answer.body));
      return answer.body;
    };
    const [kicked, blocked, out, here, there, revoked, single, many] = await Promise.all(
      ["kicked", "blocked", "out", "family", "family", "revoked", "single", "many"].map(start),
    );
    const exchanged = (await session(await comes(w, out.resume))).resume;
    await post("kicked", "disconnect");
    await w.server.api("PUT", "/v1/users/blocked/block", {});
    assert.equal((await post("out", "logout", { reason: "bye" })).disconnected, 2);
    const { sockets } = await w.server.user("family");
    const { family } = sockets.find((it) => it.id === here.socket);
    const answer = await post("family", "logout", { family });
    assert.deepEqual(answer.sockets, [here.socket]);
    const later = new Date(Date.now() + 3600_000).toISOString();
    await w.server.api("PUT", "/v1/users/revoked/not_before", { at: later });
    await w.server.api("DELETE", `/v1/sockets/${single.socket}`);
    const bulk = await w.server.api("POST", "/v1/sockets/disconnect", { to: { users: ["many"] } });
    assert.deepEqual(bulk.body, { disconnected: 1 });

    await w.server.kill9();
    await w.server.up();

    await w.server.api("DELETE", "/v1/users/blocked/block");
    for (const it of [kicked, blocked, out, here, single, many]) assert.equal(await refused(w, it.resume), "resume_revoked", it.user);
    assert.equal(await refused(w, exchanged), "resume_revoked");
    assert.equal(await refused(w, revoked.resume), "token_revoked");
    assert.equal((await session(await comes(w, there.resume))).user, "family");
  });

  scenario("no token of before counts of a user who was erased, also after kill -9", resuming, async (w) => {
    const [first, unused] = [await session(await w.connect("ann")), await session(await w.connect("ann"))];
    const used = await session(await comes(w, first.resume));
    const bob = await session(await w.connect("bob"));
    const erased = await w.server.api("DELETE", "/v1/users/ann?undelivered=drop");
    assert.equal(erased.status, 200, JSON.stringify(erased.body));
    for (const resume of [unused.resume, used.resume]) assert.equal(await refused(w, resume), "resume_revoked");
    const fresh = await session(await w.connect("ann"));
    await w.server.kill9();
    await w.server.up();
    for (const resume of [unused.resume, used.resume]) assert.equal(await refused(w, resume), "resume_revoked");
    assert.equal((await session(await comes(w, fresh.resume))).user, "ann", "who comes again is anybody new");
    assert.equal((await session(await comes(w, bob.resume))).user, "bob");
  });

  scenario("a client logs out: it is told, stays away, and its token does not count", resuming, async (w) => {
    const socket = await w.connect("ann", { transports: ["websocket"] });
    const other = await w.connect("ann", { transports: ["websocket"] });
    const { resume } = await session(socket);
    assert.deepEqual(await socket.timeout(3000).emitWithAck("userline:logout"), {});
    await until("the end", () => socket.ends.length > 0);
    assert.deepEqual(socket.ends, ["io server disconnect"]);
    assert.deepEqual(lastOf(socket, "userline:kicked"), { reason: null, code: "logged_out" });
    await w.server.kill9();
    await w.server.up();
    assert.equal(await refused(w, resume), "resume_revoked");
    await up(other);
  });

  scenario("namespaces of one connection come by the same token", { ...resuming, socketio: { namespaces: ["/", "/chat"] } }, async (w) => {
    const { resume } = await session(await w.connect("ann", { transports: ["websocket"] }));
    const root = await comes(w, resume, { forceNew: false });
    const chat = w.remember(root.io.socket("/chat", { auth: { resume } }));
    await until("the other namespace", () => chat.connected);
    assert.equal(await w.server.metric('userline_resumes_total{outcome="resumed"}'), 1);
  });

  scenario("what is none of this server's tokens is refused with a code", resuming, async (w) => {
    const { resume } = await session(await w.connect("ann", { transports: ["websocket"] }));
    const [version, key, claims, signature] = resume.split(".");
    const bob = Buffer.from(Buffer.from(claims, "base64url").toString().replace("ann", "bob")).toString("base64url");
    for (const wrong of ["", "x", `${version}.${key}.${bob}.${signature}`, `v2.${key}.${claims}.${signature}`, "v1.".repeat(5000)]) {
      const code = await refused(w, wrong);
      assert.ok(["resume_invalid", "auth_too_large"].includes(code), `${wrong.slice(0, 20)}: ${code}`);
    }
    assert.equal(await refused(w, 7), "auth_invalid");
    assert.ok(!w.server.log.includes(signature), "a token is in the log");
  });
});

const shop = await Shop.start();
const hooked = {
  ...resuming,
  auth: { mode: "hook" },
  "auth.jwt": { secret: undefined },
  "auth.hook": { url: `${shop.url}/realtime/auth`, secret: shop.secret, allow_private: true },
  listen: { origins: ["https://app.example.com"] },
};

const down = await Shop.start();
describe("resume while the backend is down", () => {
  scenario("who has a token comes back, and the others meet 503 all the while", {
    auth: { mode: "hook" },
    "auth.jwt": { secret: undefined },
    "auth.hook": { url: `${down.url}/realtime/auth`, secret: down.secret, allow_private: true, timeout: "1s", forward_headers: ["cookie"] },
    listen: { origins: ["https://app.example.com"] },
    ...resuming,
  }, async (w) => {
    w.after(() => down.close());
    down.instead = (request, response) => response.json({ user: JSON.parse(request.body).data.client.auth.name });
    const options = (auth) => ({ transports: ["websocket"], auth });
    const tokens = await Promise.all(Array.from({ length: 20 }, async (_, n) => (await session(await w.connect("", options({ name: `u${n}` })))).resume));
    down.instead = (_, response) => response.status(500).end();
    await w.server.kill9();
    await w.server.up();
    const without = Array.from({ length: 30 }, (_, n) => w.client("", options({ name: `v${n}` })));
    await until("the circuit to open", async () => (await w.server.metric("userline_auth_hook_open")) === 1, 30_000);
    const holders = tokens.map((resume) => w.client("", { ...options({ resume }), query: { resume: 1 } }));
    const liars = [1, 2].map((n) => w.client("", { ...options({ name: `liar${n}` }), query: { resume: 1 } }));
    await until("all who have tokens", () => holders.every((it) => it.connected), 60_000);
    assert.equal([...without, ...liars].filter((it) => it.connected).length, 0);
    assert.equal(await w.server.metric("userline_auth_hook_open"), 1, "the backend is still down");
    assert.ok((await w.server.metric('userline_handshakes_refused_total{cause="backend"}')) > 0);
    down.instead = (request, response) => response.json({ user: JSON.parse(request.body).data.client.auth.name });
    await until("all the others", () => [...without, ...liars].every((it) => it.connected), 60_000);
  }, { timeout: 150_000 });
});

describe("resume and the auth hook", () => {
  scenario("the backend is neither asked about whoever comes back nor told of the token", hooked, async (w) => {
    const cookie = await shop.signIn("42");
    const first = await w.connect("", { transports: ["websocket"], auth: undefined, extraHeaders: { cookie } });
    const { resume } = await session(first);
    assert.equal(shop.questions.length, 1);
    const back = await comes(w, resume);
    assert.equal((await session(back)).user, "42");
    assert.equal(shop.questions.length, 1);

    await w.server.api("POST", "/v1/users/42/logout");
    const again = await w.connect("", { transports: ["websocket"], auth: { resume, tab: 1 }, extraHeaders: { cookie } });
    assert.equal((await session(again)).user, "42");
    assert.equal(shop.questions.length, 2);
    assert.deepEqual(shop.questions[1].data.client.auth, { tab: 1 });
    await shop.close();
    const late = (await session(again)).resume;
    assert.equal((await session(await comes(w, late))).user, "42", "also while the backend is down");
  });
});
