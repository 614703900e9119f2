// The attacks, each in a process of its own so that what it costs is no wait of the bystander's: started by run.mjs with its name
// and a server. An attack goes on until `seconds` are over, begins again where it is cut off, and ends what it opened.
import { randomBytes } from "node:crypto";
import http from "node:http";
import net from "node:net";
import { setTimeout as pause } from "node:timers/promises";

const SEPARATOR = "\u001e";
const MEGABYTE = 1_000_000;
const HANDSHAKE = "/socket.io/?EIO=4&transport=polling";

/** What every attack is told: where the server is, a token of its own, the key of a backend, and when to end. */
const told = JSON.parse(process.argv[2]);
const { publicUrl, adminUrl, key, tokens } = told;
const { hostname, port } = new URL(publicUrl);
const end = performance.now() + told.seconds * 1000;
const goesOn = () => performance.now() < end;
const opened = new Set();
let done = 0;

/** A TCP connection on which nothing that breaks is an error of ours. */
function open() {
  const socket = net.connect({ host: hostname, port });
  opened.add(socket);
  socket.on("error", () => {});
  socket.on("close", () => opened.delete(socket));
  return socket;
}

const gone = (socket) => socket.destroyed || socket.readableEnded;

const head = (method, path, headers = "") => `${method} ${path} HTTP/1.1\r\nHost: ${hostname}:${port}\r\n${headers}`;
const post = (sid, body) => `${head("POST", `${HANDSHAKE}&sid=${sid}`)}Content-Length: ${Buffer.byteLength(body)}\r\n\r\n${body}`;

/** The status and body of the answer to `request`, on a connection that is kept alive; `undefined` if it ends. */
async function ask(socket, request) {
  socket.write(request);
  let read = "";
  for (;;) {
    const at = read.indexOf("\r\n\r\n");
    const length = Number(read.match(/content-length: (\d+)/i)?.[1] ?? 0);
    if (at !== -1 && at + 4 + length <= read.length) return { status: Number(read.slice(9, 12)), body: read.slice(at + 4) };
    if (gone(socket)) return undefined;
    read += await new Promise((give) => {
      const take = (text) => {
        socket.off("data", take).off("close", take).off("end", take);
        give(typeof text === "boolean" || text === undefined ? "" : text.toString("latin1"));
      };
      socket.on("data", take).on("close", take).on("end", take);
    });
  }
}

/** Opens a polling session; its id. */
async function session(socket, headers = "") {
  const answer = await ask(socket, `${head("GET", HANDSHAKE, headers)}\r\n`);
  return answer?.status === 200 ? JSON.parse(answer.body.split(SEPARATOR)[0].slice(1)).sid : undefined;
}

const connect = (token) => `40${JSON.stringify({ token })}`;

/** Writes, and waits a moment for room. */
async function write(socket, bytes) {
  if (socket.write(bytes)) return await pause(0);
  await new Promise((give) => {
    const on = () => {
      socket.off("drain", on);
      clearTimeout(late);
      give();
    };
    const late = setTimeout(on, 200);
    socket.on("drain", on);
  });
}

/** Calls the admin API. */
async function api(path, body, agent) {
  const headers = { authorization: `Bearer ${key}`, "content-type": "application/json" };
  return await new Promise((give) => {
    const request = http.request(adminUrl + path, { method: "POST", headers, agent }, (answer) => {
      answer.resume();
      answer.on("close", () => give(answer.statusCode));
    });
    request.on("error", () => give(0));
    request.end(JSON.stringify(body));
  });
}

/** Runs `work` on so many connections at once, again and again until the end. */
async function each(count, work) {
  const loop = async (_, index) => {
    while (goesOn()) {
      const socket = open();
      await work(socket, index).catch(() => {});
      socket.destroy();
      await pause(1);
    }
  };
  await Promise.all(Array.from({ length: count }, loop));
}

/** A frame of a WebSocket, masked with zeros, or the beginning of one that says it is `length` bytes long. */
function frame(text, length = Buffer.byteLength(text)) {
  const long = Buffer.alloc(14);
  long[0] = 0x81;
  long[1] = 0x80 | 127;
  long.writeBigUInt64BE(BigInt(length), 2);
  return Buffer.concat([long, Buffer.from(text)]);
}

/** Opens a WebSocket. */
async function webSocket(socket) {
  const upgrade = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n";
  const path = HANDSHAKE.replace("polling", "websocket");
  return (await ask(socket, `${head("GET", path, `${upgrade}Sec-WebSocket-Key: ${randomBytes(16).toString("base64")}\r\n`)}\r\n`))?.status === 101;
}

/** Waits until the end, or until the server has closed. */
async function stay(socket) {
  while (goesOn() && !gone(socket)) await pause(50);
}

const ATTACKS = {
  /** Sessions with 15 KB of `Authorization` that close at once. */
  "closed-sessions": () =>
    each(2, async (socket) => {
      const large = `Authorization: Bearer ${"x".repeat(15_000)}\r\n`;
      for (; goesOn(); done += 1) {
        const sid = await session(socket, large);
        if (!sid || !(await ask(socket, post(sid, "1")))) return;
      }
    }),

  /** A user who is kicked, does not poll, and joins and leaves without end. */
  "kicked-polling": () =>
    each(1, async (socket) => {
      const sid = await session(socket);
      await ask(socket, post(sid, connect(tokens[0])));
      await api("/v1/users/attacker-0/disconnect", { reason: "banned" });
      const turns = Array.from({ length: 50 }, () => ["41", connect(tokens[0])]).flat().join(SEPARATOR);
      while (goesOn() && (await ask(socket, post(sid, turns)))?.status === 200) done += 50;
    }),

  /** The same by WebSockets that read nothing. */
  "kicked-websocket": () =>
    each(4, async (socket, index) => {
      if (!(await webSocket(socket))) return;
      socket.pause();
      socket.write(frame(connect(tokens[index])));
      await api(`/v1/users/attacker-${index}/disconnect`, { reason: "banned" });
      const turns = Buffer.concat(Array.from({ length: 50 }, () => [frame("41"), frame(connect(tokens[index]))]).flat());
      while (goesOn() && !gone(socket)) {
        await write(socket, turns);
        if (MEGABYTE < socket.writableLength) return;
        done += 50;
      }
    }),

  /** Handshakes of sessions that are never polled, all on one connection. */
  handshakes: () =>
    each(1, async (socket) => {
      const many = `${head("GET", HANDSHAKE)}\r\n`.repeat(200);
      socket.on("data", (bytes) => (done += bytes.toString("latin1").split("HTTP/1.1 200").length - 1));
      while (goesOn() && !gone(socket)) {
        await write(socket, many);
      }
    }),

  /** Acks of a megabyte, in answer to batches that ask four tabs 128 times. */
  acks: async () => {
    const tabs = each(4, async (socket) => {
      if (!(await webSocket(socket))) return;
      socket.write(frame(connect(tokens[0])));
      const large = "x".repeat(MEGABYTE - 100);
      socket.on("data", (bytes) => {
        for (const [, id] of bytes.toString("latin1").matchAll(/42(\d+)\["ask"/g)) {
          if (socket.writableLength < 4 * MEGABYTE) socket.write(frame(`43${id}["${large}"]`));
          done += 1;
        }
      });
      await stay(socket);
    });
    const agent = new http.Agent({ keepAlive: true });
    const emit = { to: { users: ["attacker-0"] }, event: "ask", ack: { timeout: "2s" } };
    while (goesOn()) {
      await api("/v1/emit/batch", { emits: Array.from({ length: 128 }, () => emit) }, agent);
      await pause(10);
    }
    agent.destroy();
    await tabs;
  },

  /** Bodies of a megabyte but for their last byte, 300 for one session. */
  bodies: async () => {
    const socket = open();
    const sid = await session(socket);
    await ask(socket, post(sid, connect(tokens[0])));
    const body = post(sid, `42["x","${"x".repeat(MEGABYTE - 100)}"]`).slice(0, -1);
    const polls = each(1, async (poll) => {
      while (await ask(poll, `${head("GET", `${HANDSHAKE}&sid=${sid}`)}\r\n`)) await pause(1);
    });
    await Promise.all([polls, each(300, async (socket) => {
      socket.write(body);
      socket.resume();
      done += 1;
      await stay(socket);
      await pause(100);
    })]);
  },

  /** Messages of a megabyte but for their last byte, before anybody has joined. */
  messages: () =>
    each(300, async (socket) => {
      if (!(await webSocket(socket))) return;
      socket.write(frame(`431["${"x".repeat(MEGABYTE - 100)}`, MEGABYTE));
      socket.resume();
      done += 1;
      await stay(socket);
      await pause(100);
    }),

  /** Emits for a thousand users each, in a namespace that keeps what was missed. */
  recovery: async () => {
    const agent = new http.Agent({ keepAlive: true });
    const users = Array.from({ length: 1000 }, (_, n) => `somebody-with-a-long-name-${n}`);
    for (; goesOn() && done < 10_000; done += 1) await api("/v1/emit", { to: { users }, event: "x", data: 1 }, agent);
    agent.destroy();
  },

  /** Clients that post pongs and never poll for what waits; every other one has left its namespace. */
  "unread-polling": async () => {
    const agent = new http.Agent({ keepAlive: true });
    const sessions = each(200, async (socket, index) => {
      const sid = await session(socket);
      await ask(socket, post(sid, connect(tokens[0])));
      if (index % 2 === 1) await ask(socket, post(sid, "41"));
      for (done += 1; goesOn() && (await ask(socket, post(sid, "3")))?.status === 200; ) await pause(500);
    });
    const data = "x".repeat(10_000);
    while (goesOn()) {
      await api("/v1/emit", { to: { users: ["attacker-0"] }, event: "x", data }, agent);
      await pause(100);
    }
    agent.destroy();
    await sessions;
  },
};

if (!(told.attack in ATTACKS)) throw new Error(`no such attack: ${told.attack}`);
const over = () => {
  for (const socket of opened) socket.destroy();
  console.log(JSON.stringify({ done }));
  process.exit(0);
};
// Whatever still waits for an answer then.
setTimeout(over, told.seconds * 1000 + 1000);
ATTACKS[told.attack]().then(over);
