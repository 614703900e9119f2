// Every block of README and docs, in order: commands run as pasted and their answers are compared, programs run, and what cannot
// run is read by whoever it is for (the configuration by `config check`, nginx by nginx, SQL by SQLite). A block of a kind that
// nobody checks is a failure.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHmac, randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, test } from "node:test";
import express from "express";
import { io } from "socket.io-client";
import { assertShown, blocksOf, elided, fresh, pages, Shell, steps } from "./lib/blocks.mjs";
import { sign } from "./lib/jwt.mjs";
import { scenario } from "./lib/scenario.mjs";
import { binary, root } from "./lib/server.mjs";
import { until } from "./lib/wait.mjs";

const python = path.join(root, "tests/clients/.venv/bin/python");

/** Lines that this test does in another way: what stands there, what is run instead, and why. */
const INSTEAD = [
  [/^\.\/demo\b.*$/gm, ":", "the server is there; `./test demo` runs it"],
  [/^\.\/test\b.*$/gm, ":", "this is part of it"],
  [/^(cargo build|docker) .*$/gm, ":", "./test builds, and lints the Dockerfile"],
  [/^(psql|userline ingest (postgres|redis) check)\b.*$/gm, ":", "tests/it/ingest does that, with a database"],
  [/^userline serve (.*?)( *#.*)?$/gm, "serve_and_stop $1", "it would go on"],
  [/^\(cd tests\/clients && npm ci && node soak\.mjs .*$/gm, ":", "half an hour; soak.test does the same for seconds"],
  [/^CARGO_PROFILE_RELEASE_LTO=off [^]*?cargo build .*$/gm, ":", "a build of its own takes minutes"],
  [/^(valgrind|callgrind_annotate) .*$/gm, ":", "for whoever has valgrind, and minutes"],
  [/^userline bench target .*$/gm, ":", "a minute against `userline dev`; benches/compare/run does the same"],
  [/^(systemctl|redis-cli|cp -a \/var\/lib\/userline) .*$/gm, ":", "there is no such service, nor its Redis"],
  [/^userline cluster (acl|import)\b.*$/gm, ":", "tests/it/cluster/acl and import.test do that, with a Redis"],
  [/^cargo bench .*$/gm, ":", "a build of its own, and minutes"],
  [/^node benches\/cluster\/.*$/gm, ":", "minutes of load on nodes and their Redis"],
];

/** What the commands find: `serve` on free ports that is well and ends in order. */
const PRELUDE = `
serve_and_stop() {
  USERLINE__LISTEN__PUBLIC=127.0.0.1:0 USERLINE__LISTEN__ADMIN=127.0.0.1:0 userline serve "$@" >serve.out 2>serve.err &
  local pid=$! at
  until at=$(sed -n 's/^admin  *//p' serve.out) && [ -n "$at" ] && userline health --url "$at"; do
    kill -0 "$pid" 2>/dev/null || { cat serve.out serve.err; return 1; }
    sleep 0.1
  done
  kill "$pid"
  wait "$pid"
}
`;

/** JSON blocks that show what somebody gets: the page, what the block holds, and the real thing. The others are only read. */
const SHOWN = [
  ["README.md", '"user.offline"', async (w) => w.gone()],
  ["docs/messages.md", '"acks": [{', (w) => JSON.parse(w.printed)],
  ["docs/messages.md", '"state": "ended"', async (w) => (await w.server.api("GET", `/v1/messages/${w.both}`)).body],
  ["docs/messages.md", '"messages": [{', (w) => w.lost()],
  ["docs/messages.md", "message.undelivered", async (w) => (await w.hooks.wait("7", "message.undelivered")).body],
];

/** What is said of a user who has a name of their own only in this test. */
const as42 = (value, user) => JSON.parse(JSON.stringify(value).replaceAll(`"${user}"`, '"42"'));

const shownIn = (block) => ([page, holds]) => page === block.page && block.text.includes(holds);

/** The clients that the documentation speaks of, and what it takes for granted. */
async function people(w) {
  await w.connect("ann");
  await w.connect("ann");
  const acking = await w.connect("42");
  w.phone = await w.connect("42");
  w.seven = await w.connect("7");
  acking.on("call:incoming", (_, ack) => ack({ ringing: true }));
  w.seven.on("call:incoming", (_, ack) => ack({ ringing: true }));
  w.socket = acking;

  w.gone = async () => {
    const socket = await w.connect("gone", { reconnection: false });
    socket.io.engine.close();
    return as42((await w.hooks.wait("gone", "user.offline")).body, "gone");
  };
  w.lost = async () => {
    await w.server.emit({ to: { users: ["away"] }, event: "order:paid", data: 1 });
    const { messages } = (await w.server.api("GET", "/v1/messages?user=away")).body;
    return as42({ messages }, "away");
  };
}

/** State that the text tells of before a block: the page, what the block holds, and what makes it so. */
const BEFORE = [
  ["docs/capacity.md", "bench idle", (w) => w.shell.run(`export USERLINE_JWT_SECRET='${w.server.secret}'`)],
  ["docs/control.md", "/v1/sockets/$SOCKET/data", (w) => w.shell.run(`export SOCKET=${w.seven.id}`)],
  ["docs/inbox.md", '"id": "order-7-paid", "ttl"', async (w) => {
    // What is stored next is the seventh item.
    for (let n = 1; n < 7; n += 1) await w.server.emit({ to: { users: ["42"] }, event: "order:new", data: n, store: "always" });
  }],
  ["docs/messages.md", '"state": "ended"', async (w) => {
    for (const socket of [w.socket, w.seven]) socket.on("order:paid", (_, ack) => ack?.("seen"));
    const ack = { timeout: "5s", need: "one_per_user" };
    const order = { event: "order:paid", data: 1, store: "always", id: "order-7-paid" };
    w.both = (await w.server.emit({ to: { users: ["42", "7"] }, ...order, ack })).id;
    await w.server.api("POST", "/v1/users/42/inbox/read", { upto: 1 });
  }],
  ["docs/messages.md", '"undelivered": "hook"', async (w) => {
    w.seven.disconnect();
    await until("7 to be away", async () => (await w.server.user("7")).sockets.length === 0);
  }],
  ["docs/hooks.md", "replay 1042", async (w) => {
    w.hooks.mode = 422;
    await w.connect("poison");
    const letters = async () => (await w.server.api("GET", "/v1/hooks/deliveries?state=dead")).body.deliveries;
    const dead = await until("a dead letter", async () => (await letters())[0]);
    w.hooks.mode = "ok";
    w.instead = [["1042", String(dead.id)]];
  }],
  ["docs/operations.md", "restored/userline.sqlite", (w) => w.shell.run("userline config init")],
];

/** Where this test has things: what the text names, and what it becomes. */
const places = (w) => [
  ["http://127.0.0.1:4001", w.server.adminUrl],
  ["localhost:4001", new URL(w.server.adminUrl).host],
  ["http://127.0.0.1:4000", w.server.publicUrl],
  ["https://rt.example.com", w.server.publicUrl],
  ["/var/lib/userline", path.join(w.server.dir, "data")],
  ["/etc/userline", w.etc],
  ["/run/secrets", w.etc],
  ...(w.instead ?? []),
];

const placed = (w, text) => places(w).reduce((it, [from, to]) => it.replaceAll(from, to), text);

/** Commands: run in one shell per page. */
async function commands(w, block) {
  for (const { commands, promised } of steps(block.text)) {
    const text = INSTEAD.reduce((it, [line, other]) => it.replaceAll(line, other), placed(w, commands));
    w.printed = await w.shell.run(text).catch((error) => assert.fail(`${block.where}: ${text}${error.message}`));
    if (promised) assertShown(elided(promised), JSON.parse(w.printed), block.where);
    // curl is content with every answer.
    else assert.doesNotMatch(w.printed, /^\{"error":/m, `${block.where}: ${text}`);
  }
}

const AsyncFunction = (async () => {}).constructor;

/** JavaScript: run with the names that its page takes for granted. One that is missing here is an error. */
async function javascript(w, block) {
  const made = [];
  const SECRET = w.server.secret;
  const scope = {
    io: (url, options) => {
      made.push(w.remember(io(url, { forceNew: true, ...options })));
      return made.at(-1);
    },
    url: w.server.publicUrl,
    socket: w.socket,
    getToken: async () => w.server.token("42"),
    last: 0,
    badge: (count) => assert.equal(typeof count, "number"),
    show: () => {},
    fetchAfter: () => {},
    fetch: async (to) => assert.ok(to.startsWith("/api/"), to),
    app: express(),
    express,
    user: { id: 42, name: "Ann" },
    localStorage: { getItem: () => null, setItem: (key, value) => assert.equal(typeof value, "string", key), removeItem: () => {} },
    SECRET,
    jwt: {
      sign: (claims, secret, { expiresIn }) => {
        assert.equal(expiresIn, "10m");
        return sign(claims, secret);
      },
    },
  };
  // An expression alone is what a line of the app would be: its value is looked at.
  const code = placed(w, block.text);
  const isExpression = /^(\/\/.*\n)*jwt\.sign/.test(code);
  const body = isExpression ? code.replace(/^((?:\/\/.*\n)*)/, "$1return ") : code;
  const value = await new AsyncFunction("scope", `with (scope) {\n${body}\n}`)(scope).catch((error) =>
    assert.fail(`${block.where}: ${error.stack}\n(a name that the page takes for granted? Give it in \`scope\`)`),
  );
  if (isExpression) made.push(w.remember(io(w.server.publicUrl, { forceNew: true, auth: { token: value } })));
  for (const socket of made) {
    await until(`the client of ${block.where}`, () => socket.connected);
    const { id } = socket;
    socket.disconnect();
    await until("it to be gone", async () => (await w.server.api("GET", `/v1/sockets/${id}`)).status === 404);
  }
}

/** Sections that a part of a configuration leaves to the rest of the file. */
const REST = {
  listen: 'public = "127.0.0.1:0"',
  admin: 'keys = [{ name = "backend", key = "0123456789abcdef", scopes = ["read"] }]',
  "auth.jwt": 'secret = "a secret of at least thirty-two bytes"',
  hooks: `url = "https://backend.example.com/hooks"\nsecret = "whsec_${Buffer.alloc(32, 8).toString("base64")}"`,
};

/** A configuration: `config check` takes it, with the sections that it leaves out. */
async function configuration(w, block) {
  const text = placed(w, block.text);
  const has = (section) => new RegExp(`^\\[${section.replace(".", "\\.")}\\]|^\\[\\[${section.replace(".", "\\.")}\\.`, "m").test(text);
  const rest = Object.entries(REST).filter(([section]) => !has(section)).map(([section, lines]) => `[${section}]\n${lines}\n`);
  const file = path.join(w.etc, "userline.toml");
  writeFileSync(file, [...rest, text].join("\n"));
  try {
    execFileSync(binary, ["config", "check", "--config", file], { encoding: "utf8", stdio: "pipe" });
  } catch (error) {
    assert.fail(`${block.where}: ${error.stderr}`);
  }
}

/** JSON, with `…` where something is left out; compared with the real thing if `SHOWN` knows it. */
async function json(w, block) {
  const shown = elided(block.text);
  const [, , real] = SHOWN.find(shownIn(block)) ?? [];
  if (real) assertShown(shown, await real(w), block.where);
}

/** A request: its head, an empty line, a JSON body. A signature fits the secret that the page shows. */
async function http(_, block) {
  const [head, body] = block.text.split(/\n\n/);
  const lines = head.split("\n");
  if (/^[A-Z]+ \S+ HTTP\/1\.1$/.test(lines[0])) lines.shift();
  for (const line of lines) assert.match(line, /^[A-Za-z-]+: \S/, block.where);
  elided(body);
  const header = (name) => head.match(new RegExp(`^${name}: (.*)$`, "m"))?.[1];
  if (!header("webhook-signature") || body.includes("…")) return;
  const [, secret] = readFileSync(path.join(root, block.page), "utf8").match(/USERLINE_HOOK_SECRET=whsec_(\S+)/);
  const signed = `${header("webhook-id")}.${header("webhook-timestamp")}.${body.trim()}`;
  const signature = createHmac("sha256", Buffer.from(secret, "base64")).update(signed).digest("base64");
  assert.equal(header("webhook-signature"), `v1,${signature}`, block.where);
}

/** nginx's own check, at the level of its configuration where the block belongs. */
async function nginx(w, block) {
  const text = block.text;
  const isServer = /^server\b/m.test(text);
  const locations = text.slice(text.search(isServer ? /^(location|upstream)\b/m : /^location\b/m));
  const before = text.slice(0, text.length - locations.length);
  const main = before.split("\n").filter((line) => /^(worker_rlimit_nofile|events)\b/.test(line)).join("\n");
  const rest = before.split("\n").filter((line) => !/^(worker_rlimit_nofile|events)\b/.test(line)).join("\n");
  const file = path.join(w.etc, "nginx.conf");
  const dir = mkdtempSync(path.join(tmpdir(), "userline-nginx-"));
  const server = isServer ? locations : `server { listen 127.0.0.1:1;\n${locations}\n}`;
  const whole = /\bevents\b/.test(main) ? main : `${main}\nevents {}`;
  writeFileSync(file, `pid ${dir}/pid;\n${whole}\nhttp {\naccess_log off;\n${rest}\n${server}\n}\n`);
  try {
    execFileSync("nginx", ["-t", "-q", "-p", dir, "-e", path.join(dir, "error.log"), "-c", file], { encoding: "utf8", stdio: "pipe" });
  } catch (error) {
    assert.fail(`${block.where}: ${error.stderr}`);
  } finally {
    rmSync(dir, { recursive: true });
  }
}

/** SQL: SQLite understands every statement, over the tables that the block makes and that of Rule R. */
async function sql(_, block) {
  const code =
    "import sqlite3, sys\n" +
    'db = sqlite3.connect(":memory:")\n' +
    'db.execute("CREATE TABLE presence (user_id TEXT PRIMARY KEY, seq INTEGER, state TEXT, session INTEGER)")\n' +
    "class Ones(dict): __missing__ = lambda self, key: 1\n" +
    'for statement in filter(None, map(str.strip, sys.stdin.read().split(";"))):\n' +
    '    db.execute(statement if statement.startswith("CREATE") else "EXPLAIN " + statement, Ones())\n';
  execFileSync(python, ["-c", code], { input: block.text, encoding: "utf8" });
}

/** Prose in a frame: nothing that somebody would paste. */
async function text(_, block) {
  assert.doesNotMatch(block.text, /^(\$ |curl|userline|cargo|docker|\.\/|export )/m, `${block.where} holds commands`);
}

/** SQL that only PostgreSQL understands: tests/it/ingest runs every such block against one. */
async function pgsql(_, block) {
  assert.match(readFileSync(path.join(root, "tests/it/ingest/documentation.rs"), "utf8"), new RegExp(`"${block.page}"`), block.where);
}

/** Commands for Redis: the same. */
const redis = pgsql;

/** Compiled by types.test.mjs, which insists that there is one. */
const compiled = () => {};

const CHECKS = { ts: compiled, pgsql, redis, sh: commands, bash: commands, js: javascript, toml: configuration, json, http, nginx, sql, text };

/** Files that configurations name, by what is in their names. */
function secrets(etc) {
  const key = () => `whsec_${randomBytes(32).toString("base64")}`;
  const named = ({ text }) => [...text.matchAll(/\/(?:run\/secrets|etc\/userline)\/([\w.-]+)/g)].map((it) => it[1]);
  for (const name of new Set(pages.flatMap(blocksOf).flatMap(named))) {
    if (!/\.(pem|toml)$/.test(name)) writeFileSync(path.join(etc, name), key());
  }
}

describe("every block of the documentation", { concurrency: 2 }, () => {
  test("is of a kind that is checked", () => {
    const all = pages.flatMap(blocksOf);
    assert.ok(all.length > 25, `${all.length}`);
    const unknown = all.filter(({ language }) => !(language in CHECKS)).map((it) => `${it.where} (${it.language || "no language"})`);
    assert.deepEqual(unknown, [], "name the language at the fence, or teach CHECKS how it is checked");
    for (const entry of [...SHOWN, ...BEFORE]) {
      assert.ok(all.some((block) => shownIn(block)(entry)), `${entry[0]} does not show ${entry[1]} any more`);
    }
  });

  for (const page of pages.filter((it) => blocksOf(it).length > 0)) {
    const config = {
      presence: { grace: "1s" },
      hooks: { events: ["user.online", "user.offline", "message.undelivered"], reject_after: 1 },
      // For those blocks that come without credentials.
      auth: { anonymous: true },
      sessions: { resume_ttl: "10m" },
    };
    scenario(`runs as pasted, in order: ${page}`, config, async (w) => {
      const dir = mkdtempSync(path.join(tmpdir(), "userline-blocks-"));
      w.after(() => rmSync(dir, { recursive: true }));
      w.etc = path.join(dir, "etc");
      mkdirSync(w.etc);
      secrets(w.etc);
      await people(w);

      const clone = path.join(dir, "clone");
      mkdirSync(path.join(clone, "target/release"), { recursive: true });
      fresh(clone);
      symlinkSync(binary, path.join(clone, "target/release/userline"));
      w.shell = new Shell(clone, {
        KEY: w.server.key,
        USERLINE_KEY: w.server.key,
        USERLINE_URL: w.server.adminUrl,
        // README's own line puts it there.
        PATH: page === "README.md" ? process.env.PATH : `${clone}/target/release:${process.env.PATH}`,
      });
      w.after(() => w.shell.end());
      await w.shell.run(PRELUDE);
      for (const block of blocksOf(page)) {
        for (const [, , prepare] of BEFORE.filter(shownIn(block))) await prepare(w);
        await CHECKS[block.language](w, block);
      }
    }, { timeout: 180_000 });
  }
});
