// Events of clients that the backend answers: who sent them is verified, and the answer is the ack.
import assert from "node:assert/strict";
import { describe } from "node:test";
import { up, ways } from "./lib/client.mjs";
import { Backend, envelope } from "./lib/backend.mjs";
import { reset } from "./lib/reset.mjs";
import { scenario } from "./lib/scenario.mjs";
import { once, sleep, steadily, until } from "./lib/wait.mjs";

/** A scenario with a backend; `config` is the section `events` beside what every test has. */
function forwarding(name, { events, ...config }, body) {
  const shared = {};
  scenario(
    name,
    async () => {
      shared.backend = await Backend.start();
      return { ...config, events: shared.backend.config(events) };
    },
    async (w) => {
      const { backend } = shared;
      w.after(() => backend.close());
      await body(w, backend);
      assert.deepEqual(backend.faults, []);
    },
  );
}

const code = (reply) => reply.error?.code;

describe("events of clients", { concurrency: 4 }, () => {
  for (const [way, transports] of Object.entries(ways)) {
    forwarding(`${way}: the backend hears who it is, and its answer is the ack`, { socketio: { namespaces: ["/", "/chat"] } }, async (w, backend) => {
      backend.answer = ({ args }) => ({ body: { ok: true, n: args[0].n } });
      const claims = { rooms: ["org:7"] };
      const socket = await w.connect("1", { transports, namespace: "/chat", claims, auth: (give) => give({ token: w.server.token("1", claims), device: "tab" }) });

      const reply = await socket.emitWithAck("chat:send", { n: 7, user: "2", userId: 2 }, "ß");
      assert.deepEqual(reply, { ok: true, n: 7 });

      const [call] = backend.calls;
      assert.equal(call.body.type, "client.event");
      assert.equal(call.id, call.body.data.id);
      assert.match(call.id, /^evt_/);
      assert.deepEqual([call.event, call.args, call.namespace, call.ack], ["chat:send", [{ n: 7, user: "2", userId: 2 }, "ß"], "/chat", true]);
      const [, session] = socket.own.find(([event]) => event === "userline:session");
      assert.deepEqual(call.from, { user: "1", socket: session.socket, device: "tab", rooms: ["org:7", "user:1"], data: null });
    });

    forwarding(`${way}: buffers travel both ways`, { events: { may_emit: ["file:*"] } }, async (w, backend) => {
      backend.answer = ({ event, args }) =>
        event === "plain" ? { body: args[0] } : envelope({ ack: [args[0], "and"], binary: true, emit: [{ to: { users: ["1"] }, event: "file:new", data: args[0], binary: true }] });
      const socket = await w.connect("1", { transports });
      const bytes = Buffer.from([0, 1, 254, 255]);

      assert.deepEqual(await socket.emitWithAck("upload", { bytes }), [{ bytes }, "and"]);
      await until("the emit", () => socket.heard.length === 1);
      assert.deepEqual(socket.heard, [["file:new", { bytes }]]);
      assert.deepEqual(backend.calls[0].args, [{ bytes: { $binary: bytes.toString("base64") } }]);
      assert.deepEqual(await socket.emitWithAck("plain", bytes), { $binary: bytes.toString("base64") }, "an echo is JSON");
    });
  }

  forwarding("an ack may be empty, and be asked for or not", {}, async (w, backend) => {
    const socket = await w.connect("1");
    assert.deepEqual(await new Promise((done) => socket.emit("a", 1, (...args) => done(args))), []);
    socket.emit("b");
    await until("the event without an ack", () => backend.calls.length === 2);
    assert.deepEqual(backend.calls[1].args, []);
    assert.equal(backend.calls[1].ack, false);
    backend.answer = () => envelope({ args: [null, { id: 7 }] });
    assert.deepEqual(await new Promise((done) => socket.emit("c", (...args) => done(args))), [null, { id: 7 }], "error first, as Node's servers ack");
  });

  forwarding("only what is allowed is forwarded, in each namespace", { events: { allow: ["chat:*", "ping"], namespaces: [{ name: "/admin", allow: ["report"] }] }, socketio: { namespaces: ["/", "/admin"] } }, async (w, backend) => {
    const socket = await w.connect("1");
    const admin = await w.connect("1", { namespace: "/admin" });
    for (const [at, event] of [[socket, "chat"], [socket, "order:paid"], [socket, "userline:session"], [admin, "chat:x"]]) {
      assert.equal(code(await at.emitWithAck(event, 1)), "unknown_event", event);
    }
    await socket.emitWithAck("chat:x");
    await socket.emitWithAck("ping");
    await admin.emitWithAck("report");
    assert.deepEqual(backend.names(), ["chat:x", "ping", "report"]);
    await socket.emitWithAck("order:paid", 2);
    const told = w.server.log.split("\n").filter((line) => line.includes("a client sent `order:paid`"));
    assert.equal(told.length, 1, "in the log once");
    const metrics = await (await fetch(`${w.server.adminUrl}/metrics`)).text();
    assert.match(metrics, /^userline_client_events_refused_total\{code="unknown_event"\} 5$/m);
    assert.match(metrics, /^userline_client_events_forwarded_total\{outcome="answered"\} 3$/m);
  });

  forwarding("an echo of what a client wrote emits nothing; the header does, and only what it may", { events: { may_emit: ["chat:*"] } }, async (w, backend) => {
    const [one, two] = [await w.connect("1"), await w.connect("2")];
    const emit = (event) => ({ ack: "ok", emit: [{ to: { all: true }, event, data: 1 }] });

    backend.answer = ({ args }) => ({ body: args[0] });
    assert.deepEqual(await one.emitWithAck("echo", emit("chat:new")), emit("chat:new"));
    backend.answer = ({ args }) => envelope(args[0]);
    assert.equal(code(await one.emitWithAck("echo", emit("order:paid"))), "backend_answer_invalid");
    assert.equal(code(await one.emitWithAck("echo", emit("userline:kicked"))), "backend_answer_invalid");
    assert.deepEqual([one.heard, two.heard], [[], []]);
    assert.equal(await one.emitWithAck("echo", emit("chat:new")), "ok");
    assert.deepEqual(one.heard, [["chat:new", 1]], "before the ack");
    await until("the other", () => two.heard.length === 1);
  });

  forwarding("every way to fail has a code", { events: { timeout: "500ms" }, limits: { payload: "10KB", buffer_bytes: "10KB" } }, async (w, backend) => {
    const socket = await w.connect("1");
    const gets = async (answer) => {
      backend.answer = answer;
      const { error } = await socket.emitWithAck("x");
      // Between two failures, so that no circuit opens.
      backend.answer = () => undefined;
      await socket.emitWithAck("well");
      return error.code;
    };
    assert.equal(await gets(() => ({ status: 403, text: "<html>secret</html>" })), "event_refused");
    assert.equal(await gets(() => ({ status: 302, headers: { location: "/login" } })), "backend_unavailable");
    assert.equal(await gets(() => ({ status: 500 })), "backend_unavailable");
    assert.equal(await gets(() => ({ text: "no JSON" })), "backend_answer_invalid");
    assert.equal(await gets(() => ({ body: "x".repeat(10_001) })), "backend_answer_invalid");
    assert.equal(await gets(() => envelope({ acks: 1 })), "backend_answer_invalid");
    assert.equal(await gets(() => sleep(1000)), "backend_timeout");
    assert.equal(await gets(({ res }) => reset(res.socket)), "backend_unavailable");
    assert.equal(await gets(() => envelope({ error: { code: "room_full", message: "no", data: { max: 7 } } }, 409)), "room_full");
    backend.answer = () => envelope({ error: { code: "room_full", message: "no", data: { max: 7.10 } } });
    assert.deepEqual(await socket.emitWithAck("x"), { error: { code: "room_full", message: "no", data: { max: 7.1 } } });
    assert.ok(!w.server.log.includes("secret"));
  });

  forwarding("events of one user are answered in order, others beside them", { events: { ordered: ["say:*"] } }, async (w, backend) => {
    const [one, two] = [await w.connect("1"), await w.connect("1", { transports: ["polling"] })];
    const begun = [];
    const held = [];
    backend.answer = ({ event, args }) => {
      begun.push(`${event} ${args[0]}`);
      return new Promise((done) => held.push(() => done({ body: begun.length })));
    };
    const first = one.emitWithAck("say:a", 1);
    await until("the first", () => held.length === 1);
    const second = one.emitWithAck("say:b", 2);
    const free = one.emitWithAck("free", 3);
    await until("the free one", () => held.length === 2);
    const third = two.emitWithAck("say:c", 4);
    await steadily("the second waits", () => begun.length === 2, 200);
    assert.deepEqual(begun, ["say:a 1", "free 3"]);
    held[0]();
    await first;
    await until("the second", () => held.length === 3);
    assert.equal(begun[2], "say:b 2");
    held[2]();
    await second;
    await until("the third, of another socket", () => held.length === 4);
    held[1]();
    held[3]();
    await Promise.all([free, third]);
  });

  forwarding("what is safe to repeat is repeated under the same id; nothing else is", { events: { retry_safe: ["safe"] } }, async (w, backend) => {
    const socket = await w.connect("1");
    const tries = { safe: 0, other: 0 };
    backend.answer = ({ event }) => {
      tries[event] += 1;
      return tries[event] < 3 ? { status: 503 } : { body: tries[event] };
    };
    assert.equal(await socket.emitWithAck("safe"), 3);
    assert.equal(new Set(backend.calls.map(({ id }) => id)).size, 1);
    assert.equal(code(await socket.emitWithAck("other")), "backend_unavailable");
    assert.equal(tries.other, 1);
  });

  forwarding("one who floods is held back, not refused, and others go on", { events: { ordered: [], concurrency: 4, concurrency_per_user: 2, queue_per_user: 5 } }, async (w, backend) => {
    const [flood, other] = [await w.connect("1", { transports: ["websocket"] }), await w.connect("2")];
    backend.answer = async ({ from }) => void (from.user === "1" && (await sleep(5)));
    const count = 300;
    const replies = Promise.all(Array.from({ length: count }, (_, n) => flood.emitWithAck("x", n, "y".repeat(1000))));
    await until("the flood to begin", () => backend.calls.length > 5);
    for (let n = 0; n < 5; n += 1) await other.timeout(5000).emitWithAck("z");
    assert.ok((await w.server.metric("userline_client_events_waiting")) <= 10);
    assert.ok(backend.calls.length < count, "the other did not wait for all of it");
    assert.deepEqual((await replies).filter(Boolean), [], "none was refused");
    const sent = backend.calls.filter(({ from }) => from.user === "1").map(({ args }) => args[0]);
    assert.deepEqual([...sent].sort((a, b) => a - b), Array.from({ length: count }, (_, n) => n));
    assert.ok(backend.most <= 4, `${backend.most} at once`);
  });

  forwarding("what waits too long is refused", { events: { wait: "500ms", timeout: "20s", concurrency: 1 } }, async (w, backend) => {
    const socket = await w.connect("1");
    let go;
    backend.answer = () => new Promise((done) => (go = () => done({ body: "late" })));
    const first = socket.emitWithAck("a");
    await until("the call", () => go);
    assert.equal(code(await socket.emitWithAck("b")), "overloaded");
    backend.answer = () => ({ body: "next" });
    go();
    assert.equal(await first, "late");
    assert.equal(await socket.emitWithAck("c"), "next");
    assert.deepEqual(backend.names(), ["a", "c"]);
  });

  forwarding("while the backend is down events are refused at once, and go on when it is back", { events: { ordered: [], concurrency_per_user: 10 } }, async (w, backend) => {
    const socket = await w.connect("1");
    backend.answer = ({ res }) => reset(res.socket);
    for (let n = 0; n < 5; n += 1) assert.equal(code(await socket.emitWithAck("x")), "backend_unavailable");
    const { length } = backend.calls;
    for (let n = 0; n < 50; n += 1) assert.equal(code(await socket.emitWithAck("x")), "backend_unavailable");
    assert.equal(backend.calls.length, length, "it is left alone");
    assert.match(w.server.log, /events\.url is failing/);
    backend.answer = () => ({ body: "back" });
    await until("the backend to be asked again", async () => (await socket.emitWithAck("x")) === "back");
    await until("the log", () => /events\.url answers again/.test(w.server.log));
  });

  forwarding("what was sent before a disconnect arrives", {}, async (w, backend) => {
    const socket = await w.connect("1", { transports: ["websocket"] });
    backend.answer = () => sleep(50);
    for (let n = 0; n < 5; n += 1) socket.emit("last", n);
    socket.disconnect();
    await until("all of it", () => backend.calls.length === 5);
    assert.deepEqual(backend.calls.map(({ args }) => args[0]), [0, 1, 2, 3, 4]);
  });
});
