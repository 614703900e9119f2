// A user is forgotten: on disk, in memory, and by whoever asks.
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe } from "node:test";
import { scenario } from "./lib/scenario.mjs";
import { until } from "./lib/wait.mjs";

/** A name that is in nothing else. */
const ANN = "ann-5d1c0a";

/** Everything that the admin API says of somebody, as text. */
async function said(server, user) {
  const routes = ["/v1/users", "/v1/messages", "/v1/events", "/v1/hooks/deliveries?state=delivered", "/v1/rooms"];
  const own = ["", "/history", "/inbox"].map((it) => `/v1/users/${user}${it}`);
  const answers = await Promise.all([...routes, ...own].map((it) => server.api("GET", it)));
  return answers.map((it) => JSON.stringify(it.body));
}

const onDisk = (server) => {
  const dir = path.join(server.dir, "data");
  return readdirSync(dir).map((file) => readFileSync(path.join(dir, file)));
};

describe("erase", { concurrency: 3 }, () => {
  scenario("nothing is left of a user, and the numbers of the inbox go on", { recovery: { window: "1m" } }, async (w) => {
    const [device] = [await w.connect(ANN), await w.connect(ANN), await w.connect("bob")];
    device.on("ask", (give) => give("yes"));
    await w.hooks.wait(ANN, "user.online");
    await w.server.emit({ to: { users: [ANN] }, event: "ask", ack: { timeout: "5s", need: "any" } });
    const key = { "idempotency-key": "one" };
    const kept = { to: { users: [ANN, "bob"] }, event: "x", store: "always" };
    const first = await w.server.api("POST", "/v1/emit", kept, key);
    assert.equal(first.body.users[ANN].inbox.seq, 1);

    const answer = await w.server.api("DELETE", `/v1/users/${ANN}`);

    assert.equal(answer.status, 200, JSON.stringify(answer.body));
    assert.deepEqual(answer.body, { user: ANN, disconnected: 2, hooks_dropped: 0 });
    assert.deepEqual(w.hooks.types(ANN), ["user.online", "user.offline"], "the backend was told before");
    await until("the disconnect", () => device.ends.length > 0);
    assert.deepEqual(device.ends, ["io server disconnect"]);
    const [users, messages, events, deliveries, rooms, own, history, inbox] = await said(w.server, ANN);
    for (const text of [users, messages, events, deliveries, rooms]) assert.ok(!text.includes(ANN), text);
    assert.equal(own, JSON.stringify({ user: ANN, state: "offline", sockets_total: 0, sockets: [] }));
    assert.deepEqual(JSON.parse(history), { user: ANN, sockets: [], messages: JSON.parse(messages).messages.filter((it) => it.to.all) });
    assert.deepEqual(JSON.parse(inbox).items, []);
    assert.ok(messages.includes("bob"));
    const again = await w.server.api("POST", "/v1/emit", kept, key);
    assert.equal(again.headers.get("idempotent-replayed"), null, "the answer named the user");
    assert.equal(again.body.users[ANN].inbox.seq, 2, "a number is never given twice");

    await w.server.api("DELETE", `/v1/users/${ANN}`);
    await w.server.term();
    for (const bytes of onDisk(w.server)) assert.ok(!bytes.includes(ANN));
    await w.server.up();
  });

  scenario("what the backend was not told yet is told first, or dropped", {}, async (w) => {
    await w.connect("ann");
    await w.hooks.wait("ann", "user.online");
    w.hooks.mode = 503;

    const dropped = await w.server.api("DELETE", "/v1/users/ann?undelivered=drop");

    assert.deepEqual(dropped.body, { user: "ann", disconnected: 1, hooks_dropped: 1 });
    assert.equal((await w.server.api("GET", "/v1/hooks/endpoints")).body.endpoints[0].backlog, 0);
  });
});
