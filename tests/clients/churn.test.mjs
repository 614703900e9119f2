// Connections that hardly begin: whatever the moment at which a client leaves, nothing of it stays behind.
import assert from "node:assert/strict";
import { WebSocket } from "ws";
import { wsUrl } from "./lib/raw.mjs";
import { scenario } from "./lib/scenario.mjs";
import { once, until } from "./lib/wait.mjs";

const CYCLES = 8000;
const AT_ONCE = 40;
const USERS = 200;

/** The ways to leave, each at another moment of the handshake. */
const leaves = {
  /** Right after the upgrade, before anything is said. */
  async "close at open"(ws) {
    await opened(ws);
    ws.terminate();
  },
  /** The CONNECT is on its way, the answer is not awaited. */
  async "connect, then close"(ws, auth) {
    await opened(ws);
    ws.send(`40${auth}`);
    ws.terminate();
  },
  /** CONNECT and DISCONNECT in one breath, then a close. */
  async "connect, leave, close"(ws, auth) {
    await opened(ws);
    ws.send(`40${auth}`);
    ws.send("41");
    ws.close();
    await once(ws, "close");
  },
  /** CONNECT, then an orderly close without an answer awaited. */
  async "connect, orderly close"(ws, auth) {
    await opened(ws);
    ws.send(`40${auth}`);
    ws.close();
    await once(ws, "close");
  },
  /** The answer arrives, then the connection breaks. */
  async "connected, then close"(ws, auth) {
    const packets = [];
    ws.on("message", (data) => packets.push(data.toString()));
    await opened(ws);
    ws.send(`40${auth}`);
    await until("the CONNECT reply", () => packets.some((it) => it.startsWith("40")), 20_000, 1);
    ws.terminate();
  },
};

async function opened(ws) {
  ws.on("error", () => {}); // terminate() before the close handshake is the point
  await once(ws, "open", 20_000);
}

scenario(`${CYCLES} hasty connections leave nothing behind`, { presence: { grace: "500ms" } }, async (w) => {
  const kinds = Object.values(leaves);
  let next = 0;
  const worker = async () => {
    while (next < CYCLES) {
      const n = next++;
      const auth = JSON.stringify({ token: w.server.token(`user-${n % USERS}`, { rooms: [`room-${n % 7}`] }) });
      await kinds[n % kinds.length](new WebSocket(wsUrl(w.server), { perMessageDeflate: false }), auth);
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, worker));

  const get = async (route) => (await w.server.api("GET", route)).body;
  await until("no user to be there", async () => (await get("/v1/users")).users.length === 0, 20_000);
  await until("no room to be there", async () => (await get("/v1/rooms")).rooms.length === 0, 5000);
  await until(
    "every count to be zero",
    async () => {
      const counts = await get("/v1/stats");
      assert.ok(["users", "lingering", "sockets", "rooms", "connections"].every((name) => name in counts), JSON.stringify(counts));
      if (Object.values(counts).some((count) => count !== 0)) throw new Error(JSON.stringify(counts));
      return true;
    },
    10_000,
  );

  // What the backend heard agrees: per user online and offline by turns, the last one offline.
  const names = new Set(w.hooks.events.map((it) => it.user));
  assert.ok(names.size > 0);
  await until("the last offline hooks", () => [...names].every((it) => w.hooks.types(it).at(-1) === "user.offline"), 20_000);
  for (const name of names) {
    const types = w.hooks.types(name);
    types.forEach((type, n) => assert.equal(type, n % 2 === 0 ? "user.online" : "user.offline", `${name}: ${types}`));
    const seqs = w.hooks.of(name).map((it) => it.data.seq);
    assert.ok(seqs.every((seq, n) => n === 0 || seq > seqs[n - 1]), `${name}: ${seqs}`);
  }
}, { timeout: 180_000 });
