// Eight seconds without a network, as in a lift: five messages meanwhile, two of them stored. Afterwards nothing is missing
// and nothing is there twice, whatever made the hole.
import assert from "node:assert/strict";
import { describe } from "node:test";
import { up, ways } from "./lib/client.mjs";
import { Proxy } from "./lib/proxy.mjs";
import { scenario } from "./lib/scenario.mjs";
import { sleep, steadily, until } from "./lib/wait.mjs";

const HOLE_MS = 8000;
const to = { users: ["ann"] };
const MESSAGES = [["a"], ["b", "always"], ["c"], ["d", "always"], ["e"]];
const config = { presence: { grace: "30s", startup_grace: "30s" }, recovery: { window: "2m" } };

const names = (socket) => socket.heard.map(([event]) => event);
const items = (socket) => socket.own.filter(([event]) => event === "userline:inbox:item").map(([, item]) => item);

/** How the hole is made, and what happens to the server in it. */
const holes = {
  "the connection is cut": { lose: (proxy) => proxy.cut() },
  "the client's network changes, the old connection stays half-open": { lose: (proxy) => proxy.halfOpen() },
  "the server is restarted meanwhile": {
    lose: (proxy) => proxy.cut(),
    async inside(server) {
      await server.term();
      await server.up();
    },
  },
};

/** Lets ann connect through a proxy, hear one event, be away for eight seconds with five messages, and come back. */
async function away(w, transports, { lose, inside }) {
  const proxy = await Proxy.start(Number(new URL(w.server.publicUrl).port));
  w.after(() => proxy.close());
  // As docs/inbox.md says: the app tells how far it knows its inbox.
  let last = 0;
  const socket = w.client("ann", {
    url: proxy.url,
    transports,
    auth: (give) => give({ token: w.server.token("ann"), inbox_after: last }),
  });
  socket.on("userline:inbox:item", (item) => (last = Math.max(last, item.seq)));
  await up(socket);
  await w.server.emit({ to, event: "zero", store: "always" });
  await until("the first event", () => socket.heard.length === 1);
  last = 1;

  const start = performance.now();
  proxy.refusing = true;
  // More than one try: a polling client may be between two requests.
  await until("the client to notice", () => socket.ends.length === 1 || lose(proxy), 5000, 50);
  const emit = async ([event, store]) => {
    const { users } = await w.server.emit({ to, event, data: "text", ...(store ? { store } : {}) });
    assert.equal(users.ann.state === "offline", false);
    assert.equal(Boolean(users.ann.inbox), store === "always");
  };
  for (const message of MESSAGES.slice(0, 3)) await emit(message);
  await inside?.(w.server);
  for (const message of MESSAGES.slice(3)) await emit(message);
  await sleep(Math.max(0, HOLE_MS - (performance.now() - start)));
  assert.equal(socket.connected, false);
  proxy.refusing = false;
  await until("the client to be back", () => socket.connected, 15_000);
  return socket;
}

describe("a hole of eight seconds", { concurrency: 6 }, () => {
  for (const [way, transports] of Object.entries(ways)) {
    for (const [hole, it] of Object.entries(holes)) {
      scenario(`${hole}: all five messages arrive once, in order (${way})`, config, async (w) => {
        const socket = await away(w, transports, it);
        assert.equal(socket.recovered, true);
        const all = ["zero", "a", "b", "c", "d", "e"];
        await until("all five", () => socket.heard.length >= all.length);
        await w.server.emit({ to, event: "after" });
        await until("what comes after", () => names(socket).includes("after"));
        await steadily("nothing twice", () => names(socket).join() === [...all, "after"].join(), 500);
        await until("one socket", async () => (await w.server.user("ann")).sockets.length === 1, 2000);
        assert.deepEqual(w.hooks.types("ann"), ["user.online"]);
        const { body: inbox } = await w.server.api("GET", "/v1/users/ann/inbox");
        assert.deepEqual(inbox.items.map(({ event }) => event), ["d", "b", "zero"]);
      });
    }

    scenario(`the server crashes: what was stored comes from the inbox (${way})`, config, async (w) => {
      const socket = await away(w, transports, {
        lose: (proxy) => proxy.cut(),
        async inside(server) {
          await server.kill9();
          await server.up();
        },
      });
      assert.equal(socket.recovered, false);
      await until("both items", () => items(socket).length >= 2);
      await w.server.emit({ to, event: "after" });
      await until("what comes after", () => names(socket).includes("after"));
      assert.deepEqual(items(socket).map(({ event, seq }) => [event, seq]), [["b", 2], ["d", 3]]);
      assert.deepEqual(names(socket), ["zero", "after"]);
      await until("one socket", async () => (await w.server.user("ann")).sockets.length === 1, 2000);
      assert.deepEqual(w.hooks.types("ann"), ["user.online"]);
    });
  }
});
