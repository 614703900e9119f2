// Story S5: credentials end. What the client hears before, what it may do, and what happens if it does nothing.
import assert from "node:assert/strict";
import { describe } from "node:test";
import { up, ways } from "./lib/client.mjs";
import { scenario } from "./lib/scenario.mjs";
import { once, steadily, until } from "./lib/wait.mjs";

const seconds = () => Math.floor(Date.now() / 1000);
const strict = { "auth.jwt": { leeway: "0s" }, socketio: { namespaces: ["/", "/chat"] } };
/** A token that is good for `s` seconds and a part of one. */
const short = (w, user, s = 5, claims = {}) => w.server.token(user, { exp: seconds() + s + 1, ...claims });
const told = (socket, event) => socket.own.filter(([name]) => name === event);

describe("S5: token expiry", { concurrency: 4 }, () => {
  for (const [way, transports] of Object.entries(ways)) {
    scenario(`who brings a new token in place stays, with what that grants (${way})`, strict, async (w) => {
      const socket = await w.connect("ann", {
        transports,
        auth: (give) => give({ token: short(w, "ann", 5, { rooms: ["org:1", "old"], data: { n: 0 } }) }),
      });
      await w.hooks.wait("ann", "user.online");
      const ends = [];
      let asked = 0;
      socket.on("userline:expiring", async ({ expires_at: at }) => {
        ends.push([at, Date.now()]);
        asked += 1;
        const token = short(w, "ann", 5, { rooms: ["org:1", "new"], data: { n: asked } });
        const { expires_at: next, error } = await socket.timeout(3000).emitWithAck("userline:refresh", { token });
        assert.equal(error, undefined);
        assert.ok(at < next);
      });

      await until("three refreshes", () => asked === 3, 30_000);
      for (const [at, heard] of ends) assert.ok(heard < at, `told ${at - heard} ms before the end`);
      assert.deepEqual(socket.ends, []);
      const [shown] = (await w.server.user("ann")).sockets;
      assert.equal(shown.id, socket.id);
      await until("the last one", async () => (await w.server.user("ann")).sockets[0].data.n === 3);
      assert.deepEqual(shown.rooms, ["new", "org:1", "user:ann"]);
      for (const room of ["old", "new", "org:1"]) {
        const answer = await w.server.api("POST", "/v1/emit", { to: { rooms: [room] }, event: room, data: 1 });
        assert.equal(answer.body.matched, room === "old" ? 0 : 1, room);
      }
      await until("both events", () => socket.heard.length === 2);
      assert.equal(await w.server.metric("userline_refreshes_total"), 3);
      assert.deepEqual(w.hooks.types("ann"), ["user.online"]);
    });

    scenario(`who does nothing is back by itself with a fresh token, and nobody hears of it (${way})`, strict, async (w) => {
      const tokens = [];
      const socket = await w.connect("ann", {
        transports,
        auth: (give) => give({ token: (tokens.push(seconds()), short(w, "ann", tokens.length === 1 ? 4 : 60)) }),
      });
      const [[, { expires_at: end }]] = told(socket, "userline:session");
      await until("the end", () => socket.ends.length > 0, 10_000);
      assert.ok(Date.now() < end + 1000 && end - 1500 < Date.now(), `${Date.now() - end} ms after the end`);
      // A polling client sees the answer to its poll, not the end of a stream.
      assert.ok(["transport close", "transport error"].includes(socket.ends[0]), socket.ends[0]);
      assert.equal(told(socket, "userline:expiring").length, 1);
      assert.equal(socket.active, true);
      await up(socket, 8000);
      assert.equal(tokens.length, 2);
      const { history } = { history: (await w.server.api("GET", "/v1/users/ann/history")).body };
      assert.ok(JSON.stringify(history).includes('"reason":"expired"'), JSON.stringify(history));
      await steadily("no hook", () => w.hooks.types("ann").length <= 1, 500);
      assert.deepEqual(w.hooks.types("ann"), ["user.online"]);
    });

    scenario(`a token of somebody else is refused, and ends the connection (${way})`, strict, async (w) => {
      let user = "ann";
      const socket = await w.connect("ann", { transports, auth: (give) => give({ token: short(w, user, 60) }) });
      const bad = await socket.timeout(3000).emitWithAck("userline:refresh", { token: "a.b.c" });
      assert.equal(bad.error.code, "token_invalid");
      const late = w.server.token("ann", { exp: seconds() - 5 });
      assert.equal((await socket.timeout(3000).emitWithAck("userline:refresh", { token: late })).error.code, "token_expired");
      assert.deepEqual(socket.ends, [], "such an error changes nothing");

      user = "bob";
      const reply = await socket.timeout(3000).emitWithAck("userline:refresh", { token: short(w, "bob", 60) });
      assert.equal(reply.error.code, "user_mismatch");
      await until("the end", () => socket.ends.length > 0);
      await up(socket);
      await until("its new session", () => told(socket, "userline:session").at(-1)[1].user === "bob");
      assert.deepEqual((await w.server.user("ann")).sockets, []);
    });
  }

  scenario("a stale token is refused with a code, and a fresh one mends it", strict, async (w) => {
    const socket = w.client("ann", { auth: { token: w.server.token("ann", { exp: seconds() + 2 }) } });
    await up(socket);
    const [error] = await once(socket, "connect_error", 15_000);
    assert.equal(error.data.code, "token_expired");
    assert.equal(socket.active, false);
    socket.auth.token = w.server.token("ann");
    socket.connect();
    await up(socket);
  });

  scenario("the end of one namespace's token is no DISCONNECT for the other, and both are back", strict, async (w) => {
    let life = 3;
    const options = { transports: ["websocket"], forceNew: false };
    const root = await w.connect("ann", { ...options, auth: (give) => give({ token: short(w, "ann", life) }) });
    const chat = root.io.socket("/chat", { auth: (give) => give({ token: short(w, "ann", 600) }) });
    const ends = [];
    chat.on("disconnect", (reason) => ends.push(reason));
    chat.connect();
    await until("the other namespace", () => chat.connected);
    life = 600;
    await until("the end of both", () => root.ends.length > 0 && ends.length > 0, 10_000);
    assert.deepEqual([root.ends, ends], [["transport close"], ["transport close"]]);
    await until("both are back", () => root.connected && chat.connected);
    chat.disconnect();
  });

  scenario("a token that only the leeway lets in is good for a while, and is not cut off at once", {}, async (w) => {
    const stale = w.server.token("ann", { exp: seconds() - 3 });
    const socket = await w.connect("ann", { transports: ["websocket"], auth: { token: stale } });
    await steadily("it stays", () => socket.ends.length === 0, 2500);
    await until("the end", () => socket.ends.length > 0, 10_000);
  });

  scenario("a blocked user cannot refresh, and a revoked token does not count", strict, async (w) => {
    const socket = await w.connect("ann", { transports: ["websocket"], claims: { iat: seconds() } });
    await w.server.api("PUT", "/v1/users/ann/not_before", { at: new Date((seconds() - 100) * 1000).toISOString() });
    const old = w.server.token("ann", { iat: seconds() - 200 });
    assert.equal((await socket.timeout(3000).emitWithAck("userline:refresh", { token: old })).error.code, "token_revoked");
    assert.deepEqual(socket.ends, []);
  });
});
