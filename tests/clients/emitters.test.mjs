// What backends publish on Redis today, with the packages that they use: the real emitter of Node's, the real manager of Python's.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { existsSync } from "node:fs";
import net from "node:net";
import path from "node:path";
import { promisify } from "node:util";
import { Emitter } from "@socket.io/redis-emitter";
import { createClient } from "redis";
import { Redis } from "./lib/redis.mjs";
import { scenario } from "./lib/scenario.mjs";
import { root } from "./lib/server.mjs";
import { until } from "./lib/wait.mjs";

const python = path.join(root, "tests/clients/.venv/bin/python");
const redis = await Redis.start();

const config = (more = {}) => ({
  socketio: { namespaces: ["/", "/chat"] },
  ingest: { redis_emitter: [{ name: "node", url: redis.url, user_rooms: ["user_*"], python_channel: "socketio", allow_control: true, ...more }] },
});

/** What a test needs: the emitter, and how the source is doing. */
async function open(w) {
  const publisher = await createClient({ url: redis.url }).on("error", () => {}).connect();
  w.after(() => publisher.destroy());
  const source = async () => (await w.server.api("GET", "/v1/ingest")).body.sources[0];
  await until("the source to be active", async () => (await source()).state === "active");
  return { publisher, emitter: new Emitter(publisher), source };
}

const heard = (socket) => {
  const all = [];
  socket.onAny((event, ...args) => event.startsWith("userline:") || all.push([event, ...args]));
  return all;
};

scenario("emits of the real emitter arrive: namespaces, rooms, except, flags, buffers", config, async (w) => {
  const { emitter, source } = await open(w);
  const ann = await w.connect("ann", { claims: { rooms: ["org:7"] } });
  const bob = await w.connect("bob", { claims: { rooms: ["org:7", "quiet"] } });
  const chat = await w.connect("ann", { namespace: "/chat" });
  const [byAnn, byBob, byChat] = [ann, bob, chat].map(heard);

  emitter.emit("all", 1, { two: [2.5, null, "3"] });
  emitter.to("user_ann").emit("one", "rule");
  emitter.to("user:ann").emit("one", "name");
  emitter.to(ann.id).emit("one", "socket");
  emitter.to(["org:7", "user_ann"]).except("quiet").volatile.emit("room");
  emitter.of("/chat").to("user_ann").emit("there");
  emitter.to("user_bob").emit("buffer", Buffer.from([1, 2]), new Date(0), undefined);
  emitter.emit("end");

  await until("the end", () => [byAnn, byBob].every((it) => it.at(-1)?.[0] === "end"));
  await until("the other namespace", () => byChat.length > 0);
  assert.deepEqual(byAnn, [["all", 1, { two: [2.5, null, "3"] }], ["one", "rule"], ["one", "name"], ["one", "socket"], ["room"], ["end"]]);
  assert.deepEqual(byBob, [["all", 1, { two: [2.5, null, "3"] }], ["buffer", Buffer.from([1, 2]), "1970-01-01T00:00:00.000Z", null], ["end"]]);
  assert.deepEqual(byChat, [["there"]]);
  const { messages } = (await w.server.api("GET", "/v1/messages")).body;
  assert.ok(messages.every((it) => it.source === "node"), JSON.stringify(messages));
  assert.equal((await source()).counts.emitted, 8);
});

scenario("10,000 emits of the real emitter: none is lost, none comes twice, all in order", config, async (w) => {
  const { emitter, source } = await open(w);
  const ann = await w.connect("ann");
  const numbers = [];
  ann.on("n", (number) => numbers.push(number));

  for (let n = 0; n < 10_000; n += 1) {
    emitter.to("user_ann").emit("n", n);
    if (n % 500 === 499) await until("these to arrive", () => numbers.length > n);
  }

  await until("all", () => numbers.length >= 10_000);
  assert.deepEqual(numbers, Array.from({ length: 10_000 }, (_, n) => n));
  assert.equal((await source()).counts.emitted, 10_000);
});

scenario("what cannot be emitted is counted and said, and harms nothing after it", () => config({ allow_events: ["ok"], allow_control: false }), async (w) => {
  const { publisher, emitter, source } = await open(w);
  const ann = await w.connect("ann");
  const byAnn = heard(ann);

  emitter.of("/nowhere").emit("ok");
  emitter.emit("other");
  emitter.to("user_ann").socketsJoin("user_bob");
  emitter.serverSideEmit("hello");
  await publisher.publish("socket.io#/#", "not MessagePack");
  await publisher.publish("socketio", Buffer.from([0x80, 4, 0x95]));
  // As servers of Node's ask each other: not for this one.
  await publisher.publish("socket.io-request#/#", JSON.stringify({ uid: "abc", requestId: "def", type: 5 }));
  emitter.to("user_nobody").emit("ok");
  emitter.emit("ok");

  await until("the last", () => byAnn.length > 0);
  assert.deepEqual(byAnn, [["ok"]]);
  await until("all to be counted", async () => (await source()).counts.emitted === 1);
  const { counts, refused } = await source();
  assert.deepEqual([counts.refused, counts.unmatched], [6, 1]);
  assert.equal(refused.code, "pickled");
  assert.match(refused.message, /python-socketio before 5\.14/);
  assert.match(w.server.log, /cannot take what comes on `socket\.io-request#\/#`: `serverSideEmit` is not done/);
  assert.match(w.server.log, /cannot take what comes on `socket\.io-request#\/#`: having sockets join, leave or disconnected needs `allow_control/);
  assert.match(w.server.log, /cannot take what comes on `socketio`: it is pickled: python-socketio before 5\.14/);
});

scenario("sockets join and leave rooms, and are disconnected, in the order in which it was asked", config, async (w) => {
  const { emitter, source } = await open(w);
  const ann = await w.connect("ann");
  const bob = await w.connect("bob");
  const [byAnn, byBob] = [ann, bob].map(heard);

  emitter.in(["user_ann", bob.id]).socketsJoin(["project:7", "news"]);
  emitter.to("project:7").emit("both");
  emitter.in("project:7").except("user_ann").socketsLeave("project:7");
  emitter.to("project:7").emit("ann");
  emitter.in("nobody").socketsLeave("project:7");
  emitter.in("user_bob").disconnectSockets(true);
  emitter.to("news").emit("end");

  await until("the end", () => byAnn.at(-1)?.[0] === "end");
  await until("bob to be gone", () => !bob.connected);
  assert.deepEqual([byAnn, byBob], [[["both"], ["ann"], ["end"]], [["both"]]]);
  const { counts } = await source();
  assert.deepEqual([counts.changed, counts.emitted, counts.unmatched, counts.refused], [3, 3, 1, 0]);
});

scenario("python-socketio's write-only manager: rooms, skip_sid, buffers, enter and leave", config, async (w) => {
  await open(w);
  assert.ok(existsSync(python), `${python} is missing: ./test makes it`);
  const ann = await w.connect("ann");
  const bob = await w.connect("bob");
  const [byAnn, byBob] = [ann, bob].map(heard);
  const program = `
import socketio, sys
manager = socketio.RedisManager(sys.argv[1], write_only=True)
manager.emit("all", {"a": 1.5}, skip_sid=sys.argv[2])
manager.emit("two", ("x", None), room="user_ann")
manager.emit("buffer", {"b": b"\\x01\\x02"}, room=["user_ann", "user_bob"])
manager.enter_room(sys.argv[2], "/", "team")
manager.emit("team", 1, room="team")
manager.leave_room(sys.argv[2], "/", "team")
manager.enter_room(sys.argv[3], "/", "team")
manager.emit("team", 2, room="team")
manager.close_room("team")
manager.emit("team", 3, room="team")
manager.emit("end", None)
# What \`disconnect\` publishes; it fails on a write-only manager itself, up to 5.18.
manager._publish({"method": "disconnect", "sid": sys.argv[2], "namespace": "/", "host_id": "x"})
`;
  await promisify(execFile)(python, ["-c", program, redis.url, bob.id, ann.id]);

  await until("the end", () => [byAnn, byBob].every((it) => it.at(-1)?.[0] === "end"));
  assert.deepEqual(byAnn, [["all", { a: 1.5 }], ["two", "x", null], ["buffer", { b: Buffer.from([1, 2]) }], ["team", 2], ["end"]]);
  assert.deepEqual(byBob, [["buffer", { b: Buffer.from([1, 2]) }], ["team", 1], ["end"]]);
  await until("bob to be gone", () => !bob.connected);
  assert.ok(ann.connected);
});

const other = await Redis.start();

scenario("a Redis that goes and comes back: said with a code, and from when to when something may be missed", () => config({ url: other.url }), async (w) => {
  const source = async () => (await w.server.api("GET", "/v1/ingest")).body.sources[0];
  await until("the source to be active", async () => (await source()).state === "active");
  assert.equal((await source()).missed, undefined);

  await other.stop();
  await until("it to fail", async () => (await source()).trouble?.code === "unreachable");
  await other.up();

  await until("it to be back", async () => (await source()).state === "active", 60_000);
  const { missed } = await source();
  assert.ok(Date.parse(missed.from) < Date.parse(missed.to), JSON.stringify(missed));
  assert.match(w.server.log, /may have been missed/);
});

/** Waits until the source fails, and answers why. */
const trouble = (w, code) =>
  until(`the source to fail with ${code}`, async () => {
    const [source] = (await w.server.api("GET", "/v1/ingest")).body.sources;
    return source.state === "failing" && source.trouble.code === code && source.trouble.message;
  });

const locked = await Redis.start("--requirepass", "right");

scenario("a wrong password is said, and not repeated", () => config({ url: locked.url.replace("//", "//:wrong-one@") }), async (w) => {
  w.server.expectedErrors.push("cannot take messages");
  await trouble(w, "credentials");
  assert.doesNotMatch(w.server.log, /wrong-one/);
});

const old = net.createServer((socket) => {
  socket.on("error", () => {});
  // As versions before 6 answer to HELLO, whatever comes with it.
  socket.on("data", (data) => socket.write("-ERR unknown command `HELLO`\r\n".repeat(String(data).split("*").length - 1)));
});
old.listen(0, "127.0.0.1").unref();
await until("a port", () => old.listening);

scenario("a Redis that is too old is refused with a sentence", () => config({ url: `redis://127.0.0.1:${old.address().port}` }), async (w) => {
  w.server.expectedErrors.push("cannot take messages");
  assert.match(await trouble(w, "too_old"), /Redis 6 or newer is needed/);
});

const keys = path.join(root, "tests/it/keys");
const tls = await Redis.start("--tls-cert-file", `${keys}/tls.cert.pem`, "--tls-key-file", `${keys}/tls.pem`, "--tls-auth-clients", "no", "--tls-port", "{port}");

scenario("TLS: with the authority of the configuration", () => config({ url: tls.url, ca_file: `${keys}/ca.cert.pem` }), async (w) => {
  await until("it to be active", async () => (await w.server.api("GET", "/v1/ingest")).body.sources[0].state === "active");
});

scenario("TLS: with an authority that nobody knows", () => config({ url: tls.url }), async (w) => {
  w.server.expectedErrors.push("cannot take messages");
  await trouble(w, "tls");
});

scenario("a server with the sharded adapter is seen, and it is said that it cannot be heard", config, async (w) => {
  const sharded = await createClient({ url: redis.url }).on("error", () => {}).connect();
  w.after(() => sharded.destroy());
  await sharded.sSubscribe("socket.io#/#", () => {});
  // It is looked for when a subscription is opened.
  await w.server.term();
  await w.server.up();
  await until("it to be said", () => /the sharded adapter \(`createShardedAdapter`\) listens on `socket\.io#\/#`/.test(w.server.log));
});
