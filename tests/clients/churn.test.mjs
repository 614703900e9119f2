// Connections that hardly begin: whatever the moment and the way in which a client leaves, nothing of it stays behind.
import assert from "node:assert/strict";
import http from "node:http";
import { WebSocket } from "ws";
import { wsUrl } from "./lib/raw.mjs";
import { scenario } from "./lib/scenario.mjs";
import { once, until } from "./lib/wait.mjs";

const CYCLES = 8000;
/** One in so many polls: that costs several requests. */
const POLLING = 8;
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

/** The same for clients that poll: connections end with a POST, with a poll that is given up, or by silence. */
const pollingLeaves = {
  /** Opens, says CONNECT, and is never heard again: only the ping timeout can tell. */
  async "connect, then silence"(poll, auth) {
    await poll.open();
    await poll.post(`40${auth}`);
  },
  /** CONNECT and Engine.IO's close in one body. */
  async "connect and close in one body"(poll, auth) {
    await poll.open();
    await poll.post(`40${auth}\x1e1`);
  },
  /** The answer arrives, then DISCONNECT, then close. */
  async "connected, leave, close"(poll, auth) {
    await poll.open();
    await poll.post(`40${auth}`);
    for (let seen = ""; !/40\{/.test(seen); ) seen = await poll.get();
    await poll.post("41");
    await poll.post("1");
  },
  /** The poll hangs up while it waits, in the middle of everything. */
  async "connected, then a poll that is given up"(poll, auth) {
    await poll.open();
    await poll.post(`40${auth}`);
    for (let seen = ""; !/userline:session/.test(seen); ) seen = await poll.get();
    await poll.giveUp();
  },
};

/** Long-polling by hand. */
class Poll {
  #agent = new http.Agent({ keepAlive: true, maxSockets: 2 });

  constructor(server) {
    this.url = `${server.publicUrl}/socket.io/?EIO=4&transport=polling`;
  }

  async open() {
    const [open] = (await this.get()).split("\x1e"); // a ping may follow on a busy machine
    this.url += `&sid=${JSON.parse(open.slice(1)).sid}`;
  }

  get() {
    return this.#ask("GET");
  }

  post(body) {
    return this.#ask("POST", body);
  }

  /** Begins a poll and hangs up once it is on its way. */
  giveUp() {
    return new Promise((done) => {
      const request = http.get(this.url, { agent: this.#agent });
      request.on("error", () => {}); // hanging up is the point
      request.once("close", done);
      request.once("finish", () => request.destroy());
    });
  }

  #ask(method, body) {
    return new Promise((done, fail) => {
      const request = http.request(this.url, { method, agent: this.#agent, timeout: 20_000 }, (response) => {
        let text = "";
        response.setEncoding("utf8").on("data", (part) => (text += part));
        response.once("error", fail);
        response.once("end", () => (response.statusCode === 200 ? done(text) : fail(new Error(`${method}: ${response.statusCode} ${text}`))));
      });
      request.once("error", fail);
      request.once("timeout", () => request.destroy(new Error(`${method}: no answer`)));
      request.end(body);
    });
  }

  close() {
    this.#agent.destroy();
  }
}

async function opened(ws) {
  ws.on("error", () => {}); // terminate() before the close handshake is the point
  await once(ws, "open", 20_000);
}

// A silent polling client is given up after a ping timeout and kept for `stall`, to be told when it polls.
const config = {
  presence: { grace: "500ms" },
  socketio: { ping_interval: "5s", ping_timeout: "5s" },
  limits: { stall: "5s" },
};
scenario(`${CYCLES} hasty connections leave nothing behind`, config, async (w) => {
  const kinds = Object.values(leaves);
  const pollingKinds = Object.values(pollingLeaves);
  let next = 0;
  const worker = async () => {
    while (next < CYCLES) {
      const n = next++;
      const auth = JSON.stringify({ token: w.server.token(`user-${n % USERS}`, { rooms: [`room-${n % 7}`] }) });
      if (n % POLLING === 0) {
        const poll = new Poll(w.server);
        await pollingKinds[(n / POLLING) % pollingKinds.length](poll, auth);
        poll.close();
      } else {
        await kinds[n % kinds.length](new WebSocket(wsUrl(w.server), { perMessageDeflate: false }), auth);
      }
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
      assert.ok(["users", "lingering", "sockets", "rooms", "connections", "polling", "websocket"].every((name) => name in counts), JSON.stringify(counts));
      if (Object.values(counts).some((count) => count !== 0)) throw new Error(JSON.stringify(counts));
      return true;
    },
    30_000,
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
