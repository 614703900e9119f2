// The backend says who a client is: a real Express app with its own session cookie, a Python one, one that is dead.
import assert from "node:assert/strict";
import http from "node:http";
import path from "node:path";
import { describe } from "node:test";
import { browser } from "./lib/chromium.mjs";
import { ways } from "./lib/client.mjs";
import { clientDir, program } from "./lib/dev.mjs";
import { Shop } from "./lib/express.mjs";
import { scenario } from "./lib/scenario.mjs";
import { root } from "./lib/server.mjs";
import { once, sleep, until } from "./lib/wait.mjs";

const EVIL = "https://evil.example";
const python = path.join(root, "tests/clients/.venv/bin/python");

/** The configuration of a server that asks this backend. */
const asking = (url, secret, hook = {}, more = {}) => ({
  auth: { mode: "hook" },
  "auth.jwt": { secret: undefined },
  "auth.hook": { url, secret, allow_private: true, timeout: "2s", ...hook },
  listen: { origins: ["https://app.example.com"] },
  ...more,
});

/** A stock client with this cookie, and what it was refused with. */
function withCookie(w, cookie, options = {}) {
  const socket = w.client("", { auth: undefined, extraHeaders: cookie ? { cookie } : {}, transports: ["websocket"], ...options });
  socket.refusals = [];
  socket.on("connect_error", (error) => socket.refusals.push(error.data ?? error.message));
  return socket;
}

const shops = await Promise.all(Array.from({ length: 7 }, () => Shop.start()));
const [plain, refusing, mistaken, shared, paged, either, ending] = shops;
const asks = (shop, hook, more) => asking(`${shop.url}/realtime/auth`, shop.secret, hook, more);

describe("auth hook", { concurrency: 3 }, () => {
  scenario("an Express app says who a client is by its own session cookie", asks(plain), async (w) => {
    const cookie = await plain.signIn("42");
    for (const transports of Object.values(ways)) {
      const socket = withCookie(w, cookie, { transports, query: { tab: "a b" }, auth: { hello: 1, pid: "secret" } });
      await until("the client to connect", () => socket.connected);
      const question = plain.questions.at(-1);
      assert.equal(question.type, "client.connect");
      assert.deepEqual(question.data.client.auth, { hello: 1 }, "what is for the server alone is not told");
      assert.equal(question.data.client.headers.cookie, cookie);
      assert.equal(new URLSearchParams(question.data.client.query).get("tab"), "a b");
      assert.deepEqual(question.data.verified, { address: "127.0.0.1", namespace: "/" });
      const [shown] = (await w.server.user("42")).sockets.filter((it) => it.id === socket.id);
      assert.deepEqual([...shown.rooms].sort(), ["org:7", "role:admin", "user:42"]);
      assert.deepEqual(shown.data, { name: "user 42" });
      const answer = await w.server.emit({ to: { rooms: ["org:7"] }, event: "sale" });
      assert.equal(answer.matched, 1);
      await until("the event", () => socket.heard.length === 1);
      socket.disconnect();
      await w.server.state("42", "lingering");
    }
    assert.deepEqual(plain.faults, []);
    assert.ok(!w.server.log.includes(cookie), "the cookie is in the log");
    // A page of a stranger comes with the cookie of the user, and gets nothing.
    const evil = withCookie(w, cookie, { extraHeaders: { cookie, origin: EVIL } });
    await until("the refusal", () => evil.refusals.length > 0);
    const polled = await fetch(`${w.server.publicUrl}/socket.io/?EIO=4&transport=polling`, { headers: { cookie, origin: EVIL } });
    assert.equal(polled.status, 403);
    assert.equal(evil.io.engine?.transport?.name ?? "websocket", "websocket");
    assert.equal(evil.connected, false);
  });

  scenario("what the backend says ends when it says so, and is asked for again in place", asks(ending), async (w) => {
    let asked = 0;
    ending.instead = (_, response) => {
      asked += 1;
      const expires_at = Math.floor(Date.now() / 1000) + (asked === 1 ? 5 : 600);
      response.json({ user: "42", rooms: [`round:${asked}`], expires_at });
    };
    const socket = withCookie(w, "any");
    await until("the client to connect", () => socket.connected);
    await once(socket, "userline:expiring");
    const { expires_at: end, error } = await socket.timeout(3000).emitWithAck("userline:refresh", {});
    assert.equal(error, undefined);
    assert.ok(Date.now() + 300_000 < end);
    assert.equal(asked, 2);
    assert.deepEqual((await w.server.user("42")).sockets[0].rooms, ["round:2", "user:42"]);
    ending.instead = (_, response) => response.status(500).end();
    const reply = await socket.timeout(5000).emitWithAck("userline:refresh", { again: 1 });
    assert.equal(reply.error.code, "auth_unavailable");
    assert.deepEqual(socket.ends, []);
  });

  scenario("a refusal of the backend reaches the client in the backend's own words", asks(refusing), async (w) => {
    const stranger = withCookie(w, undefined);
    const [error] = await once(stranger, "connect_error");
    assert.equal(error.data.code, "unauthorized");
    assert.equal(stranger.active, false);
    const banned = withCookie(w, await refusing.signIn("banned"));
    const [refused] = await once(banned, "connect_error");
    assert.deepEqual(refused.data, { code: "no_plan", message: "Upgrade.", data: { plan: 0 } });
    assert.equal(banned.active, false);
  });

  scenario("a mistake of the backend is temporary for clients, and told in the log with its likely cause", asks(mistaken), async (w) => {
    const cookie = await mistaken.signIn("42");
    const answers = [
      [(response) => response.redirect("/login"), "status 302: redirects are not followed; does the route redirect to a login page"],
      [(response) => response.sendStatus(404), "status 404: is the path of auth.hook.url right"],
      [(response) => response.sendStatus(419), "status 419: CSRF protection"],
      [(response) => response.json({ id: 42 }), "no user is named"],
    ];
    const socket = withCookie(w, cookie);
    for (const [answer, told] of answers) {
      mistaken.instead = (_, response) => answer(response);
      await until(`the log to say: ${told}`, () => w.server.log.includes(told));
      assert.equal(socket.active, true);
    }
    mistaken.instead = undefined;
    await until("the client to come back alone", () => socket.connected, 40_000);
    assert.ok(socket.refusals.every((it) => typeof it === "string"), JSON.stringify(socket.refusals));
  }, { timeout: 120_000 });

  scenario(
    "namespaces of one connection share an answer for the same credentials, and belong to one user",
    asks(shared, {}, { socketio: { namespaces: ["/", "/a", "/b", "/c"] } }),
    async (w) => {
      const cookie = await shared.signIn("42");
      const first = withCookie(w, cookie, { auth: { v: 1 } });
      const manager = first.io;
      const others = ["/a", "/b"].map((name) => w.remember(manager.socket(name, { auth: { v: 1 } })));
      for (const socket of [first, ...others]) await until("each to connect", () => socket.connected);
      assert.equal(shared.questions.length, 1);
      const other = w.remember(manager.socket("/c", { auth: { v: 2 } }));
      await until("the other one to connect", () => other.connected);
      assert.equal(shared.questions.length, 2, "other credentials are asked about");
      other.disconnect();
      shared.instead = (_, response) => response.json({ user: "43" });
      other.auth = { v: 3 };
      other.connect();
      const [error] = await once(other, "connect_error");
      assert.equal(error.data.code, "user_mismatch");
      assert.ok(first.connected);
    },
  );

  scenario(
    "a page comes with its cookies, a page of a stranger does not",
    asks(paged, {}, { listen: { origins: [paged.url] }, socketio: { client_dir: clientDir } }),
    async (w) => {
      const script = (url) =>
        `<script src="${url}/socket.io/socket.io.js"></script><script>` +
        `for (const transport of ["websocket", "polling"]) {` +
        ` const socket = io("${url}", { withCredentials: true, transports: [transport], forceNew: true });` +
        ` socket.on("userline:session", (it) => (document.title += " " + transport + ":" + it.user));` +
        ` socket.on("connect_error", (error) => (document.title += " " + transport + ":" + (error.context?.status ?? "refused")));` +
        `}</script>`;
      paged.page = script(w.server.publicUrl);
      const context = await browser();
      w.after(() => context.close());
      const page = await context.newPage();
      await page.goto(`${paged.url}/login/42`);
      await page.goto(`${paged.url}/page`);
      await until("both transports", async () => /(?=.*websocket:42)(?=.*polling:42)/.test(await page.title()));

      // The same page from another origin of the same site: its cookies would go along.
      const evil = await context.newPage();
      await evil.goto(`${plain.url}/page`);
      await evil.setContent("<title></title>");
      const before = paged.questions.length;
      const evilOnes = await evil.evaluate(
        async ({ url }) => {
          const polled = await fetch(`${url}/socket.io/?EIO=4&transport=polling`, { credentials: "include" }).then((it) => it.status, () => "blocked");
          const socket = new WebSocket(`${url.replace("http", "ws")}/socket.io/?EIO=4&transport=websocket`);
          const opened = await new Promise((done) => {
            socket.onopen = () => done("opened");
            socket.onerror = () => done("refused");
          });
          return [polled, opened];
        },
        { url: w.server.publicUrl },
      );
      assert.deepEqual(evilOnes, ["blocked", "refused"]);
      assert.equal(paged.questions.length, before, "the backend was not even asked");
      assert.equal(await w.server.metric("userline_origins_refused_total"), 2);

      // What the browser does not tell its page: both were 403.
      const origin = new URL(plain.url).origin;
      const statuses = [{}, { connection: "Upgrade", upgrade: "websocket", "sec-websocket-version": 13, "sec-websocket-key": "x3JJHMbDL1EzLkh9GBhXDw==" }].map(
        (more) =>
          new Promise((done, fail) => {
            const transport = more.upgrade ? "websocket" : "polling";
            const request = http.get(`${w.server.publicUrl}/socket.io/?EIO=4&transport=${transport}`, { headers: { origin, ...more } });
            request.on("response", (response) => done(response.resume().statusCode)).on("error", fail);
          }),
      );
      assert.deepEqual(await Promise.all(statuses), [403, 403]);
    },
    { timeout: 90_000 },
  );

  scenario(
    "with tokens and a hook, whoever has a token needs no backend",
    { ...asks(either), auth: { mode: "jwt_or_hook" }, "auth.jwt": {} },
    async (w) => {
      const cookie = withCookie(w, await either.signIn("42"));
      await until("the one with the cookie", () => cookie.connected);
      either.instead = (_, response) => response.sendStatus(500);
      const waiting = await Promise.all(Array.from({ length: 8 }, async (_, n) => withCookie(w, await either.signIn(`w${n}`))));
      await until("the circuit to open", async () => (await w.server.metric("userline_auth_hook_open")) === 1, 60_000);
      const token = await w.connect("ann", { transports: ["websocket"] });
      assert.ok(token.connected, "handshakes are not refused");
      either.instead = undefined;
      for (const socket of waiting) await until("all to come in", () => socket.connected, 60_000);
      assert.ok(waiting.every((it) => it.refusals.length === 0), "nobody was refused a handshake");
    },
    { timeout: 150_000 },
  );

  const secret = `whsec_${Buffer.alloc(32, 7).toString("base64")}`;
  const backend = program(python, ["auth-hook.py", "0"], { AUTH_HOOK_SECRET: secret });
  const port = backend.says(/listening on (\d+)/);
  scenario(
    "a Python backend does the same (examples/auth-hook.py)",
    () => port.then(() => asking(`http://127.0.0.1:${backend.text.match(/listening on (\d+)/)[1]}/realtime/auth`, secret)),
    async (w) => {
      w.after(() => backend.stop());
      const ann = withCookie(w, "session=s-ann");
      await until("ann to connect", () => ann.connected);
      assert.deepEqual((await w.server.user("ann")).sockets[0].rooms, ["org:7", "user:ann"]);
      const [error] = await once(withCookie(w, "session=nobody"), "connect_error");
      assert.deepEqual(error.data, { code: "signed_out", message: "Sign in first." });
    },
  );
});

const dead = await Shop.start();
describe("a dead backend", () => {
  scenario(
    "200 clients: calls within the bound, attempts grow apart, all are back when it heals",
    asks(dead, { concurrency: 8, timeout: "1s" }),
    async (w) => {
      w.after(async () => {
        for (const shop of [...shops, dead]) await shop.close();
      });
      const cookies = await Promise.all(Array.from({ length: 200 }, (_, n) => dead.signIn(`u${n}`)));
      dead.mostUnderWay = 0;
      dead.instead = () => {}; // never answers
      const attempts = Array.from({ length: 200 }, () => []);
      const sockets = cookies.map((cookie, n) => {
        const socket = withCookie(w, cookie);
        const note = () => attempts[n].push(performance.now());
        note();
        socket.io.on("reconnect_attempt", note);
        return socket;
      });
      await sleep(20_000);
      assert.ok(dead.mostUnderWay <= 8, `${dead.mostUnderWay} calls at once`);
      assert.ok(dead.questions.length <= 60, `${dead.questions.length} calls in 20 s`);
      assert.equal(sockets.filter((it) => it.connected).length, 0);
      assert.ok(sockets.every((it) => it.active), "nobody was refused for good");
      const total = attempts.reduce((sum, it) => sum + it.length, 0);
      assert.ok(total <= 200 * 10, `${total} attempts: a loop of first attempts would make 4000`);
      // A stock client waits 0.5 to 1.5 s before a first attempt, and 2.5 to 5 s before later ones.
      const lastWaits = attempts.map((it) => it.at(-1) - it.at(-2)).sort((a, b) => a - b);
      assert.ok(lastWaits[100] > 2000, `half of them waited only ${lastWaits[100]} ms before their last attempt`);

      dead.instead = undefined;
      await until("all to be back", () => sockets.every((it) => it.connected), 60_000);
      assert.ok(dead.mostUnderWay <= 8, `${dead.mostUnderWay} calls at once`);
      assert.deepEqual(dead.faults, []);
    },
    { timeout: 150_000 },
  );
});
