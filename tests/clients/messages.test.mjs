// Did it arrive? Acks, buffers, order, and requests that come twice.
import assert from "node:assert/strict";
import { describe } from "node:test";
import { upgraded, ways } from "./lib/client.mjs";
import { Proxy } from "./lib/proxy.mjs";
import { scenario } from "./lib/scenario.mjs";
import { until } from "./lib/wait.mjs";

const to = { users: ["ann"] };
const recovering = { recovery: { window: "2m" } };
const bytes = (...values) => Buffer.from(values);
const marked = (buffer) => ({ $binary: buffer.toString("base64") });

describe("messages", { concurrency: 2 }, () => {
  for (const [way, transports] of Object.entries(ways)) {
    scenario(`each device's ack is told, and who is missing (${way})`, {}, async (w) => {
      const phone = await w.connect("ann", { transports });
      const laptop = await w.connect("ann");
      const deaf = await w.connect("bob", { transports });
      phone.on("ask", (data, ack) => ack({ got: data }, [1, "é"]));
      laptop.on("ask", (data, ack) => setTimeout(ack, 50));
      const answer = await w.server.emit({
        to: { users: ["ann", "bob", "cy"] }, event: "ask", data: { n: 1 }, ack: { timeout: "3s" },
      });
      assert.equal(answer.matched, 3, JSON.stringify(answer));
      assert.equal(answer.acked, 2, JSON.stringify(answer));
      assert.equal(answer.met, false);
      const of = (socket) => answer.acks.find((it) => it.socket === socket.id);
      assert.deepEqual(of(phone).args, [{ got: { n: 1 } }, [1, "é"]]);
      assert.deepEqual(of(laptop).args, []);
      assert.ok(of(laptop).ms >= 45 && of(laptop).ms < 3000, JSON.stringify(of(laptop)));
      assert.deepEqual(answer.missing, [{ user: "bob", socket: deaf.id, why: "timeout" }, { user: "cy", why: "offline" }]);
      assert.deepEqual(answer.users.cy, { state: "offline", matched: 0, sent: 0 });
      for (const socket of [phone, laptop, deaf]) assert.deepEqual(socket.ends, []);
    });

    for (const [recovery, config] of Object.entries({ "with recovery": recovering, "without recovery": {} })) {
      scenario(`buffers arrive where they were put, and come back in acks (${way}, ${recovery})`, config, async (w) => {
        const socket = await w.connect("ann", { transports });
        socket.on("ask", (...args) => args.at(-1)({ deep: [args[0].list[1]] }, bytes(255, 0)));
        const data = { a: 1, list: [marked(bytes(1, 2, 3)), marked(bytes())], "é": { deep: { b: marked(bytes(0, 128, 255)) } } };
        await w.server.emit({ to, event: "buffers", data, binary: true });
        await w.server.emit({ to, event: "plain", data });
        await until("both", () => socket.heard.length === 2);
        const [[, arrived], [, plain]] = socket.heard;
        assert.deepEqual(arrived, { a: 1, list: [bytes(1, 2, 3), bytes()], "é": { deep: { b: bytes(0, 128, 255) } } });
        assert.deepEqual(plain, data, "without `binary` it is JSON");

        const big = Buffer.alloc(200_000, 7);
        const request = { to, event: "ask", data: { list: [0, marked(big)] }, binary: true, ack: { timeout: "5s" } };
        const { acks } = await w.server.emit(request);
        assert.deepEqual(acks[0].args, [{ deep: [marked(big)] }, marked(bytes(255, 0))]);
      });
    }

    scenario(`events with and without ack arrive in the order of their answers (${way})`, {}, async (w) => {
      const socket = await w.connect("ann", { transports });
      socket.on("n", (n, ack) => typeof ack === "function" && ack(n));
      for (let n = 0; n < 200; n += 1) {
        const ack = n % 3 === 0 ? { timeout: "5s", need: "any" } : undefined;
        const binary = n % 5 === 0;
        const answer = await w.server.emit({ to, event: "n", args: binary ? [n, marked(bytes(n))] : [n], binary, ack: binary ? undefined : ack });
        assert.equal(answer.sent, 1);
        if (answer.acks) assert.deepEqual(answer.acks[0].args, [n]);
      }
      const emits = Array.from({ length: 300 }, (_, n) => ({ to, event: "n", data: 200 + n }));
      const batch = await w.server.api("POST", "/v1/emit/batch", { emits });
      assert.ok(batch.body.results.every((it) => it.status === 200 && it.sent === 1), JSON.stringify(batch.body).slice(0, 300));
      await until("all", () => socket.heard.length >= 500);
      assert.deepEqual(socket.heard.map(([, n]) => n), Array.from({ length: 500 }, (_, n) => n));
    });

    scenario(`10,000 messages to a client that is cut off again and again arrive once each, in order (${way})`, recovering, async (w) => {
      const proxy = await Proxy.start(new URL(w.server.publicUrl).port);
      w.after(() => proxy.close());
      const socket = await w.connect("ann", { transports, url: proxy.url, reconnectionDelay: 20, reconnectionDelayMax: 40 });
      const recovered = [];
      socket.on("connect", () => recovered.push(socket.recovered));
      const count = 10_000;
      const chunk = 100;
      for (let first = 0; first < count; first += chunk) {
        const emits = Array.from({ length: chunk }, (_, n) => ({ to, event: "n", data: first + n }));
        const sending = w.server.api("POST", "/v1/emit/batch", { emits });
        const before = socket.ends.length;
        const cutting = first % 1000 === 500 && until("the cut", () => socket.ends.length > before || proxy.cut(), 5000, 5);
        const { status, body } = await sending;
        await cutting;
        assert.equal(status, 200, JSON.stringify(body).slice(0, 300));
        // Each cut is over before the next: what is missed stays within what is kept.
        if (first % 1000 === 900) await until("the client to be back", () => socket.connected && upgraded(socket) && socket.heard.length >= first);
      }
      await until("all of them", () => socket.heard.length >= count, 30_000);
      assert.equal(socket.heard.findIndex(([, value], n) => value !== n), -1, "in order, once each, none missing");
      assert.equal(socket.heard.length, count);
      assert.ok(recovered.length >= 5 && recovered.every(Boolean), `recovered: ${recovered}`);
    }, { timeout: 120_000 });
  }

  const wanted = { hooks: { events: ["user.online", "user.offline", "message.undelivered"] } };
  scenario("the backend is told of users who are not there or do not ack, over a crash too", {}, async (w) => {
    const refused = await w.server.api("POST", "/v1/emit", { to, event: "call", undelivered: "hook" });
    assert.deepEqual([refused.status, refused.body.error.field], [400, "undelivered"], JSON.stringify(refused.body));

    await w.server.term();
    w.server.config.hooks = { ...w.server.config.hooks, ...wanted.hooks };
    await w.server.up();
    const phone = await w.connect("ann");
    const deaf = await w.connect("bob");
    phone.on("call", (data, ack) => ack());
    const users = { users: ["ann", "bob", "cy"] };
    const call = { to: users, event: "call", data: { n: 1 }, ack: { timeout: "400ms" }, undelivered: "hook" };
    const { id } = await w.server.emit(call);
    const told = (user) => w.hooks.of(user).filter(({ type }) => type === "message.undelivered");
    await until("both hooks", () => told("bob").length === 1 && told("cy").length === 1);
    const data = { id, event: "call", namespace: "/", args: [{ n: 1 }] };
    assert.deepEqual(told("bob")[0].data, { user: "bob", why: "no_ack", matched: 1, ...data });
    assert.deepEqual(told("cy")[0].data, { user: "cy", why: "offline", matched: 0, ...data });
    assert.deepEqual(told("ann"), []);
    assert.deepEqual(deaf.ends, []);

    // Told before the answer: a crash right after it loses nothing.
    await w.server.emit({ to: { users: ["dan"] }, event: "call", undelivered: "hook" });
    await w.server.kill9();
    await w.server.up();
    await until("the hook of before the crash", () => told("dan").length >= 1);

    // An orderly stop ends the wait for acks, and who did not ack is told.
    const before = told("bob").length;
    await until("bob to be back", () => deaf.connected);
    const waiting = w.server.emit({ ...call, to: { users: ["bob"] }, ack: { timeout: "60s" } });
    const answered = waiting.then(({ missing }) => missing[0].why, (error) => error.message);
    await until("bob to be asked", () => deaf.heard.filter(([event]) => event === "call").length >= 2);
    await w.server.term();
    await w.server.up();
    await until("the hook of the stop", () => told("bob").length > before);
    assert.equal(told("bob").at(-1).data.why, "no_ack");
    assert.equal(await answered, "disconnected");
  });

  scenario("a stored emit with an Idempotency-Key is done once also over a crash", {}, async (w) => {
    const key = { "idempotency-key": "order 7" };
    const emit = { to: { users: ["ann", "bob"] }, event: "paid", store: "always" };
    const first = (await w.server.api("POST", "/v1/emit", emit, key)).body;
    await w.server.kill9();
    await w.server.up();
    const socket = await w.connect("ann");
    const again = (await w.server.api("POST", "/v1/emit", emit, key)).body;
    for (const user of ["ann", "bob"]) {
      assert.deepEqual(again.users[user].inbox, { ...first.users[user].inbox, duplicate: true });
    }
    const page = await socket.emitWithAck("userline:inbox", {});
    assert.equal(page.items.length, 1);
    assert.deepEqual(socket.heard, [], "it was not sent again");
  });

  scenario("what became of a message can be asked afterwards, of a stored one also after a restart", {}, async (w) => {
    const socket = await w.connect("ann");
    socket.on("ask", (data, ack) => ack(data + 1));
    const fate = async (id) => (await w.server.api("GET", `/v1/messages/${id}`)).body;
    const acked = await w.server.emit({ to, event: "ask", data: 1, ack: { timeout: "5s" } });
    const { ack, inbox } = await fate(acked.id);
    assert.deepEqual([ack.state, ack.met, ack.acks, inbox], ["ended", true, acked.acks, {}]);

    const users = { users: ["ann", "bob"] };
    const stored = await w.server.emit({ to: users, event: "news", store: "always", id: "news-1" });
    const { body: list } = await w.server.api("GET", "/v1/messages?user=bob");
    assert.deepEqual(list.messages.map(({ id, event, sent }) => [id, event, sent]), [[stored.id, "news", 1]]);
    const { body: history } = await w.server.api("GET", "/v1/users/ann/history");
    assert.deepEqual(history.messages.map(({ event, acked }) => [event, acked]), [["news", undefined], ["ask", 1]]);
    await until("the event", () => socket.heard.some(([event]) => event === "news"));
    await socket.emitWithAck("userline:read", { ids: ["news-1"] });
    for (const id of [stored.id, "news-1"]) {
      const { ann, bob } = (await fate(id)).inbox;
      assert.deepEqual([ann.state, bob.state, bob.message], ["read", "unread", stored.id], id);
    }
    await w.server.kill9();
    await w.server.up();
    const { ann, bob } = (await fate("news-1")).inbox;
    assert.deepEqual([ann.state, bob.state], ["read", "unread"]);
    assert.equal((await w.server.api("GET", `/v1/messages/${acked.id}`)).status, 404, "acks are in memory");
  });

  scenario("a client that is cut off does not ack, and the answer says so at once", {}, async (w) => {
    const proxy = await Proxy.start(new URL(w.server.publicUrl).port);
    w.after(() => proxy.close());
    const socket = await w.connect("ann", { url: proxy.url, transports: ["websocket"] });
    const id = socket.id;
    socket.on("ask", () => proxy.cut());
    const began = performance.now();
    const answer = await w.server.emit({ to, event: "ask", ack: { timeout: "1m" } });
    assert.deepEqual(answer.missing, [{ user: "ann", socket: id, why: "disconnected" }]);
    assert.ok(performance.now() - began < 30_000);
  });

  scenario("a client that disconnects from its namespace does not ack", {}, async (w) => {
    const socket = await w.connect("ann");
    socket.on("ask", () => socket.disconnect());
    const answer = await w.server.emit({ to, event: "ask", ack: { timeout: "30s" } });
    assert.equal(answer.missing[0].why, "disconnected");
  });

  scenario("the first device is enough when any is needed", {}, async (w) => {
    const fast = await w.connect("ann");
    await w.connect("ann");
    fast.on("ask", (ack) => ack("me"));
    const answer = await w.server.emit({ to, event: "ask", ack: { timeout: 30_000, need: "any" } });
    assert.equal(answer.met, true);
    assert.deepEqual(answer.acks.map((it) => [it.socket, it.args]), [[fast.id, ["me"]]]);
    assert.deepEqual(answer.missing.map((it) => it.why), ["cancelled"]);
  });

  scenario("acks in another namespace, and from a hundred devices", { socketio: { namespaces: ["/", "/chat"] } }, async (w) => {
    const sockets = await Promise.all(Array.from({ length: 100 }, () => w.connect("ann", { namespace: "/chat", transports: ["websocket"] })));
    for (const socket of sockets) socket.on("ask", (data, ack) => ack(socket.id));
    const answer = await w.server.emit({ to, namespace: "/chat", event: "ask", data: 1, ack: { timeout: "10s" } });
    assert.equal(answer.acked, 100, JSON.stringify(answer.missing));
    for (const { socket, args } of answer.acks) assert.deepEqual(args, [socket]);
  });

  scenario("a request that is sent twenty times with one Idempotency-Key is done once", {}, async (w) => {
    const socket = await w.connect("ann");
    socket.on("ask", (ack) => setTimeout(() => ack("once"), 200));
    const send = () => w.server.api("POST", "/v1/emit", { to, event: "ask", ack: { timeout: "5s" } }, { "idempotency-key": "order-7" });
    const answers = await Promise.all(Array.from({ length: 20 }, send));
    for (const answer of answers) assert.deepEqual(answer.body, answers[0].body);
    assert.deepEqual(answers[0].body.acks[0].args, ["once"]);
    assert.equal(answers.filter((it) => it.headers.get("idempotent-replayed") === "true").length, 19);
    const other = await w.server.api("POST", "/v1/emit", { to, event: "other" }, { "idempotency-key": "order-7" });
    assert.equal(other.status, 409);
    assert.equal(other.body.error.code, "idempotency_mismatch");
    await w.server.emit({ to, event: "end" });
    await until("the end", () => socket.heard.some(([event]) => event === "end"));
    assert.deepEqual(socket.heard.map(([event]) => event), ["ask", "end"]);
  });
});
