// What the documentation shows is what there is: links, commands, the configuration, the nginx snippet.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, test } from "node:test";
import { io } from "socket.io-client";
import { nginx } from "./lib/nginx.mjs";
import { block, readme } from "./lib/readme.mjs";
import { binary, root, Server } from "./lib/server.mjs";
import { scenario } from "./lib/scenario.mjs";
import { until } from "./lib/wait.mjs";

const run = (...args) => execFileSync(binary, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });

describe("documentation", () => {
  test("every link to a file of the repository leads somewhere", () => {
    const pages = ["README.md", "CHANGELOG.md", ...readdirSync(path.join(root, "docs")).map((it) => `docs/${it}`)];
    let seen = 0;
    for (const page of pages.filter((it) => it.endsWith(".md"))) {
      const text = readFileSync(path.join(root, page), "utf8");
      const anchors = [...text.matchAll(/^#+ (.*)$/gm)].map(([, title]) =>
        title.toLowerCase().replaceAll(/[^\p{L}\p{N} _-]/gu, "").replaceAll(" ", "-"),
      );
      for (const [, link] of text.matchAll(/\]\(([^)\s]+)\)/g)) {
        if (/^https?:/.test(link)) continue;
        seen += 1;
        if (link.startsWith("#")) assert.ok(anchors.includes(link.slice(1)), `${page}: ${link}`);
        else assert.ok(existsSync(path.join(root, path.dirname(page), link.split("#")[0])), `${page}: ${link}`);
      }
    }
    assert.ok(seen > 10, `${seen} links`);
  });

  test("the commands that the README names exist", () => {
    const named = new Set([...readme.matchAll(/\buserline ((?:config |hooks )?[a-z]+)\b(?= |`)/g)].map((it) => it[1]));
    for (const words of ["is", "a"]) named.delete(words);
    assert.ok(named.size >= 8, [...named].join());
    for (const command of named) run(...command.split(" "), "--help");
  });

  test("the configuration that the README shows is accepted", () => {
    const dir = mkdtempSync(path.join(tmpdir(), "userline-docs-"));
    const secrets = {
      "userline-key": "a-key-of-the-backend",
      "jwt-secret": "a secret of at least thirty-two bytes",
      "hook-secret": `whsec_${Buffer.alloc(32, 7).toString("base64")}`,
    };
    let text = block("toml", "[listen]").replaceAll("/var/lib/userline", dir);
    for (const [name, secret] of Object.entries(secrets)) {
      writeFileSync(path.join(dir, name), secret);
      assert.ok(text.includes(`/run/secrets/${name}`), name);
      text = text.replaceAll(`/run/secrets/${name}`, path.join(dir, name));
    }
    const file = path.join(dir, "userline.toml");
    writeFileSync(file, text);
    run("config", "check", "--config", file);
    rmSync(dir, { recursive: true });
  });

  test("the commands of \"Run it for real\" run as pasted, in order, from an empty folder", { timeout: 60_000 }, async () => {
    const dir = mkdtempSync(path.join(tmpdir(), "userline-docs-"));
    const lines = block("sh", "userline config init").trim().split("\n").map((line) => line.replace(/\s+#.*/, ""));
    assert.deepEqual(lines.map((line) => line.split(" ").slice(0, 3).join(" ")), [
      "cargo build --release",
      'export PATH="$PWD/target/release:$PATH"',
      "userline config init",
      "userline config check",
      "userline serve --config",
    ]);
    // The build is this binary; `release` of ./test made it.
    mkdirSync(path.join(dir, "target/release"), { recursive: true });
    symlinkSync(binary, path.join(dir, "target/release/userline"));
    const server = new Server();
    server.dir = dir;
    server.env = { USERLINE__LISTEN__PUBLIC: "127.0.0.1:0", USERLINE__LISTEN__ADMIN: "127.0.0.1:0" };
    execFileSync("bash", ["-euc", lines.slice(1, -1).join("\n")], { cwd: dir, encoding: "utf8", stdio: "pipe" });
    await server.spawn(lines.at(-1).split(" ").slice(1));
    assert.match(server.log, /listening/);
    await server.finish();
  });

  scenario("the client that README shows goes on after a rejected getToken()", {}, async (w) => {
    let asked = 0;
    const getToken = () => ((asked += 1) === 1 ? Promise.reject(new Error("offline")) : Promise.resolve(w.server.token("ann")));
    const code = block("js", "getToken()").replace("https://rt.example.com", w.server.publicUrl);
    const socket = new Function("io", "getToken", `${code}; return socket;`)(io, getToken);
    w.after(() => socket.disconnect());
    const refused = await new Promise((done) => socket.once("connect_error", done));
    assert.equal(refused.data.code, "token_missing");
    await until("the client to be in", () => socket.connected);
    assert.equal(asked, 2);
  });

  scenario("behind nginx, set up as the README says, clients upgrade and keep their address", {
    listen: { trusted_proxies: ["127.0.0.1/32"], origins: ["https://app.example.com"] },
  }, async (w) => {
    const url = await nginx(w);
    const extraHeaders = { "x-forwarded-for": "203.0.113.7", origin: "https://app.example.com" };
    const upgraded = await w.connect("ann", { url, transports: ["polling", "websocket"], extraHeaders });
    const direct = await w.connect("ann", { url, transports: ["websocket"], extraHeaders });
    const polling = await w.connect("ann", { url, transports: ["polling"], extraHeaders });
    const answer = await w.server.emit({ to: { users: ["ann"] }, event: "hello", data: 1 });
    assert.equal(answer.sent, 3);
    for (const socket of [upgraded, direct, polling]) await until("the event", () => socket.heard.length === 1);
    const { sockets } = await w.server.user("ann");
    assert.deepEqual(sockets.map((it) => it.transport).sort(), ["polling", "websocket", "websocket"]);
    // nginx adds its own view of the peer: the nearest address that no trusted proxy has is the client's.
    for (const socket of sockets) assert.match(socket.address, /^203\.0\.113\.7/, JSON.stringify(socket));

    // A page that this nginx serves may connect without being listed, one from another port of the host may not.
    const handshake = async (origin) => (await fetch(`${url}/socket.io/?EIO=4&transport=polling`, { headers: { origin } })).status;
    assert.equal(await handshake(url), 200);
    assert.equal(await handshake("http://127.0.0.1:1"), 403);
    assert.equal(await handshake("http://127.0.0.1"), 403);
  });
});
