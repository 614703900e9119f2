// From one node to several: what a node had that was alone is moved into Redis, and nobody is told anything twice or never.
import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { cpSync } from "node:fs";
import path from "node:path";
import { describe } from "node:test";
import { Redis } from "./lib/redis.mjs";
import { scenario } from "./lib/scenario.mjs";
import { binary } from "./lib/server.mjs";
import { steadily, until } from "./lib/wait.mjs";

/** Runs a command with the configuration of the server; gives its exit code and what it wrote. */
function run(server, args, set = {}) {
  const flags = Object.entries(set).flatMap(([key, value]) => ["--set", `${key}=${value}`]);
  const command = [...args, "--config", path.join(server.dir, "userline.toml"), ...flags];
  const { status, stdout, stderr } = spawnSync(binary, command, { encoding: "utf8", timeout: 60_000 });
  return { status, text: stdout + stderr };
}

describe("userline cluster import", { concurrency: 1 }, () => {
  const config = { presence: { grace: "1m", startup_grace: "1m" } };
  scenario("who was online, blocks, memberships and hooks that wait go from one node into a cluster", config, async (w) => {
    const { server, hooks } = w;
    const redis = await Redis.start();
    w.after(() => redis.stop());
    const ann = await w.connect("ann", { transports: ["websocket"] });
    const bob = await w.connect("bob", { transports: ["websocket"] });
    const online = await hooks.wait("bob", "user.online");
    await hooks.wait("ann", "user.online");
    assert.equal((await server.api("PUT", "/v1/users/carol/block", { reason: "spam", for: "1h" })).status, 200);
    assert.equal((await server.api("PUT", "/v1/users/dave/rooms/org:7")).status, 200);
    const kept = (event, more) => server.emit({ to: { users: ["frank"] }, event, data: event, store: "always", ...more });
    for (const event of ["one", "two", "three"]) await kept(event);
    await kept("old", { collapse_key: "k" });
    await kept("new", { collapse_key: "k", id: "named" });
    await server.api("POST", "/v1/users/frank/inbox/read", { upto: 1 });
    await server.api("DELETE", "/v1/users/frank/inbox/2");
    const inbox = async () => (await server.api("GET", "/v1/users/frank/inbox")).body;
    const before = await inbox();
    assert.deepEqual(before.items.map((it) => [it.seq, it.event]), [[5, "new"], [3, "three"], [1, "one"]]);
    hooks.mode = 500;
    const eve = await w.connect("eve", { transports: ["websocket"] });
    await until("the hook to be tried", () => hooks.attempts.some((it) => it.user === "eve"));
    await server.kill9();
    const waiting = hooks.attempts.find((it) => it.user === "eve").id;
    bob.disconnect();

    const set = { "cluster.redis": redis.url, "cluster.node_grace": "40s", "cluster.hold": "1s", "cluster.lease": "5s", "cluster.heartbeat": "1s" };
    const started = run(server, ["serve"], set);
    assert.equal(started.status, 70);
    assert.match(started.text, /3 users were online there.*userline cluster import/);
    // From a copy first: as if it had been ended before it could note that all is done.
    const copy = path.join(server.dir, "copy");
    cpSync(path.join(server.dir, "data"), copy, { recursive: true });
    const moved = /^moved: 3 users who were online, 1 blocked or with revoked tokens, 1 memberships, 1 hooks that wait, 3 stored events$/m;
    const first = run(server, ["cluster", "import"], { ...set, "store.data_dir": copy });
    assert.equal(first.status, 0, first.text);
    assert.match(first.text, moved);
    const second = run(server, ["cluster", "import"], set);
    assert.match(second.text, moved);
    const third = run(server, ["cluster", "import"], set);
    assert.match(third.text, /^moved: 0 users who were online, 0 blocked.*, 0 memberships, 0 hooks that wait, 0 stored events$/m);

    hooks.mode = "ok";
    server.config.cluster = Object.fromEntries(Object.entries(set).map(([key, value]) => [key.replace("cluster.", ""), value]));
    await server.up();
    await until("ann and eve to be back", () => ann.connected && eve.connected, 30_000);
    const told = await hooks.wait("eve", "user.online");
    assert.equal(told.id, waiting, "the same hook as before");
    const offline = await hooks.wait("bob", "user.offline", 1, 90_000);
    assert.equal(offline.data.session, online.data.session);
    assert.equal(offline.data.reason, "server_restart");
    assert.ok(offline.data.seq > online.data.seq);
    await steadily("nothing else", () => hooks.events.length === 4, 1000);
    assert.deepEqual([hooks.types("ann"), hooks.types("eve")], [["user.online"], ["user.online"]]);
    const { body: counts } = await server.api("GET", "/v1/stats");
    assert.deepEqual([counts.users, counts.lingering], [2, 0], "who was moved counts as whoever came");
    assert.deepEqual((await inbox()).items, before.items, "with the numbers that they had");
    assert.equal((await inbox()).unread, before.unread);
    await kept("new", { collapse_key: "k", id: "named" });
    assert.equal((await inbox()).items.length, 3, "a name that is known is not stored again");
    await kept("next", { collapse_key: "k" });
    const after = (await inbox()).items;
    assert.deepEqual(after.map((it) => it.event), ["next", "three", "one"]);
    assert.ok(after[0].seq > 5);
    const { body: blocks } = await server.api("GET", "/v1/blocks");
    assert.match(JSON.stringify(blocks), /"user":"carol".*"reason":"spam"/);
    const dave = await w.connect("dave", { transports: ["websocket"] });
    assert.equal((await server.emit({ to: { rooms: ["org:7"] }, event: "hello" })).sent, 1);
    await until("dave to hear it", () => dave.heard.length === 1);

    const late = run(server, ["cluster", "import"], { ...set, "store.data_dir": copy });
    assert.equal(late.status, 1);
    assert.match(late.text, /1 nodes of the cluster run/);
  }, { timeout: 180_000 });
});
