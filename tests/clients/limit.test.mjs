// How many connections a user may have: exact, whoever knocks at once, and nobody is shut out by what it left behind.
import assert from "node:assert/strict";
import { describe } from "node:test";
import { client, up } from "./lib/client.mjs";
import { scenario } from "./lib/scenario.mjs";
import { steadily, until } from "./lib/wait.mjs";

const limited = (on_limit, more = {}) => ({ sessions: { max_sockets_per_user: 3, on_limit }, ...more });
const refusals = (socket) => {
  socket.refused = [];
  socket.on("connect_error", (error) => socket.refused.push(error.data?.code));
  return socket;
};

describe("limit", { concurrency: 4 }, () => {
  scenario("of thirty that knock at once three come in, and the others stay away", limited("refuse"), async (w) => {
    const all = Array.from({ length: 30 }, (_, n) =>
      refusals(w.client("ann", { transports: n % 2 ? ["websocket"] : ["polling"] })),
    );
    await until("all to be answered", () => all.every((it) => it.connected || it.refused.length > 0));
    const out = all.filter((it) => !it.connected);
    assert.equal(out.length, 27);
    for (const socket of out) assert.deepEqual([socket.refused, socket.active], [["user_limit"], false]);
    assert.equal((await w.server.user("ann")).sockets.length, 3);
    await w.connect("bob");

    all.find((it) => it.connected).disconnect();
    await until("a seat", async () => (await w.server.user("ann")).sockets.length === 2);
    out[0].connect();
    await up(out[0]);
  });

  scenario("two namespaces of one connection are one", limited("refuse", { socketio: { namespaces: ["/", "/chat"] } }), async (w) => {
    const first = await w.connect("ann");
    const manager = first.io;
    const chat = w.remember(manager.socket("/chat", { auth: (give) => give({ token: w.server.token("ann") }) }));
    await until("the second namespace", () => chat.connected);
    await w.connect("ann");
    await w.connect("ann");
    const fourth = refusals(w.client("ann"));
    await until("a refusal", () => fourth.refused.length > 0);
    assert.deepEqual(fourth.refused, ["user_limit"]);
  });

  scenario("the oldest is told, and stays away", limited("evict_oldest"), async (w) => {
    const all = [];
    for (let n = 0; n < 5; n += 1) all.push(await w.connect("ann"));
    for (const old of all.slice(0, 2)) {
      await until("the disconnect", () => old.ends.length > 0);
      assert.deepEqual(old.own.at(-1), ["userline:kicked", { reason: null, code: "user_limit" }]);
      assert.deepEqual(old.ends, ["io server disconnect"]);
    }
    await steadily("the others stay, and nobody comes back", () => all.map((it) => it.connected).join() === "false,false,true,true,true", 2000);
    assert.deepEqual(w.hooks.types("ann"), ["user.online"]);
    assert.equal(await w.server.metric("userline_evictions_total"), 2);
  });

  scenario("a device has its old place where all are taken", limited("refuse"), async (w) => {
    const auth = (device) => ({ auth: (give) => give({ token: w.server.token("ann"), device }) });
    const old = await w.connect("ann", auth("phone"));
    await w.connect("ann", auth("desk"));
    await w.connect("ann", auth("tv"));
    const fresh = await w.connect("ann", auth("phone"));
    await until("the old one to go", () => old.ends.length > 0);
    assert.deepEqual(old.own.at(-1)[1].code, "user_limit");
    assert.ok(fresh.connected);
    assert.equal((await w.server.user("ann")).sockets.length, 3);
  });

  const quick = { socketio: { ping_interval: "1s", ping_timeout: "4s" } };
  scenario("while somebody may be gone, a newcomer is asked to come again", limited("refuse", quick), async (w) => {
    const ghosts = [await w.connect("ann", { transports: ["websocket"] }), await w.connect("ann"), await w.connect("ann")];
    // Its client is frozen: it answers no ping, and does not come back.
    ghosts[0].io.reconnection(false);
    const engine = ghosts[0].io.engine;
    engine._sendPacket = () => {};
    let newcomer;
    await until("a newcomer that is held", async () => {
      newcomer?.disconnect();
      newcomer = refusals(w.client("ann", { transports: ["websocket"] }));
      await until("an answer or none", () => newcomer.refused.length > 0 || performance.now() > (newcomer.since ??= performance.now()) + 300);
      return newcomer.refused.length === 0;
    });
    await up(newcomer);
    assert.equal((await w.server.user("ann")).sockets.length, 3);
  });
});
