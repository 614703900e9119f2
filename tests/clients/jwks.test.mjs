// Tokens of an issuer that publishes its keys: rotation under load, unknown keys, an issuer that is down.
import assert from "node:assert/strict";
import { describe } from "node:test";
import { io } from "socket.io-client";
import { Issuer } from "./lib/issuer.mjs";
import { scenario } from "./lib/scenario.mjs";
import { once, until } from "./lib/wait.mjs";

/** The configuration of a server that believes `issuer`. */
const believing = (issuer, how) => ({
  "auth.jwt": {
    secret: undefined,
    ...how,
    issuer: issuer.url,
    algorithms: ["ES256"],
    refresh: "10s",
    allow_private: true,
  },
});

/** A stock client whose `auth` function is asked at each connect, and what it was refused with. */
function watched(w, issuer, user) {
  const socket = w.client(user, { transports: ["websocket"], auth: (give) => give({ token: issuer.token(user) }) });
  socket.refusals = [];
  socket.on("connect_error", (error) => socket.refusals.push(error.data?.code ?? error.message));
  return socket;
}

const rotating = await Issuer.start();
const discovered = await Issuer.start();
const failing = await Issuer.start();

describe("published keys", { concurrency: 3 }, () => {
  scenario("keys rotate under load, and no client is refused", believing(rotating, { jwks_url: `${rotating.url}/keys` }), async (w) => {
    w.after(() => rotating.close());
    const refusals = [];
    let connects = 0;
    let isOver = false;
    // Clients come and go all the time, each with a token of the newest key.
    const load = Array.from({ length: 8 }, async (_, n) => {
      while (!isOver) {
        const socket = io(w.server.publicUrl, {
          transports: ["websocket"],
          forceNew: true,
          reconnection: false,
          auth: { token: rotating.token(`u${n}`) },
        });
        const [error] = await Promise.race([once(socket, "connect"), once(socket, "connect_error")]);
        if (error) refusals.push(error.data?.code ?? error.message);
        connects += 1;
        socket.disconnect();
      }
    });
    for (let n = 0; n < 5; n += 1) {
      const before = connects;
      rotating.rotate();
      await until("clients with the new key", () => connects >= before + 16);
    }
    isOver = true;
    await Promise.all(load);
    assert.deepEqual(refusals, []);

    const before = rotating.asked;
    const flood = await Promise.all(
      Array.from({ length: 50 }, async (_, n) => {
        const socket = w.client("eve", { transports: ["websocket"], auth: { token: rotating.token("eve", {}, { kid: `x${n}` }) } });
        const [error] = await once(socket, "connect_error");
        return error.data?.code;
      }),
    );
    assert.deepEqual([...new Set(flood)], ["token_invalid"]);
    assert.ok(rotating.asked - before <= 4, `asked ${rotating.asked - before} times`);
  });

  scenario("the keys are where the OpenID configuration says", believing(discovered, { discovery: true }), async (w) => {
    w.after(() => discovered.close());
    const socket = watched(w, discovered, "ann");
    await until("the client to connect", () => socket.connected);
    const wrong = w.client("ann", { auth: { token: discovered.token("ann", { iss: "https://other.example" }) } });
    const [error] = await once(wrong, "connect_error");
    assert.equal(error.data.code, "token_invalid");
  });

  scenario("while the issuer is down nobody is refused for good", believing(failing, { jwks_url: `${failing.url}/keys` }), async (w) => {
    w.after(() => failing.close());
    const ann = watched(w, failing, "ann");
    await until("ann to connect", () => ann.connected);

    failing.isDown = true;
    const bob = watched(w, failing, "bob");
    await until("bob to connect with a key that is known", () => bob.connected);
    failing.rotate();
    const cat = watched(w, failing, "cat");
    const [reason] = await once(cat.io, "close");
    assert.match(reason, /transport/, "it was asked to come again");
    assert.equal(cat.active, true);
    await until("the trouble to be told", async () => (await w.server.metric("userline_keys_stale")) === 1);
    assert.match(w.server.log, /cannot fetch the keys of the issuer of tokens: goes on with those it has/);

    failing.isDown = false;
    await until("cat to come back by itself", () => cat.connected);
    assert.deepEqual([ann, bob, cat].flatMap((it) => it.refusals), []);
    assert.equal(await w.server.metric("userline_keys_stale"), 0);

    // A start without keys: the process lives, is not ready, and takes clients as soon as the keys are there.
    failing.isDown = true;
    await w.server.kill9();
    const starting = w.server.up();
    await until("the reason to be told", async () => {
      const answer = await fetch(`${w.server.adminUrl}/readyz`);
      return answer.status === 503 && (await answer.text()).includes("keys of the issuer");
    });
    assert.equal((await fetch(`${w.server.adminUrl}/healthz`)).status, 200);
    failing.isDown = false;
    await starting;
    for (const socket of [ann, bob, cat]) await until("each to come back", () => socket.connected);
    assert.deepEqual([ann, bob, cat].flatMap((it) => it.refusals.filter((code) => code.startsWith("token"))), []);
  });
});
