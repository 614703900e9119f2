// What the documentation shows is what there is: links, commands, the configuration, the nginx snippet.
import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, test } from "node:test";
import { binary, root } from "./lib/server.mjs";
import { scenario } from "./lib/scenario.mjs";
import { until } from "./lib/wait.mjs";

const readme = readFileSync(path.join(root, "README.md"), "utf8");

/** The first fenced block of a language in the README that contains `text`. */
function block(language, text) {
  const found = [...readme.matchAll(new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, "g"))].map((it) => it[1]);
  const one = found.find((it) => it.includes(text));
  assert.ok(one, `README has no ${language} block with ${text}`);
  return one;
}

const run = (...args) => execFileSync(binary, args, { encoding: "utf8", stdio: ["ignore", "pipe", "pipe"] });

async function freePort() {
  const server = net.createServer().listen(0, "127.0.0.1");
  await until("a port", () => server.listening);
  const { port } = server.address();
  await new Promise((done) => server.close(done));
  return port;
}

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

  scenario("behind nginx, set up as the README says, clients upgrade and keep their address", {
    listen: { trusted_proxies: ["127.0.0.1/32"], origins: ["https://app.example.com"] },
  }, async (w) => {
    const dir = mkdtempSync(path.join(tmpdir(), "userline-nginx-"));
    mkdirSync(path.join(dir, "temp"));
    const port = await freePort();
    const [map, location] = block("nginx", "proxy_pass").split(/\n\n/);
    const temp = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((it) => `${it}_temp_path ${dir}/temp/${it};`).join("\n");
    writeFileSync(
      path.join(dir, "nginx.conf"),
      `daemon off; pid ${dir}/pid; error_log stderr; events {}\nhttp {\naccess_log off;\n${temp}\n${map}\n` +
        `server { listen 127.0.0.1:${port};\n${location.replace("http://127.0.0.1:4000", w.server.publicUrl)}\n}\n}\n`,
    );
    const nginx = spawn("nginx", ["-p", dir, "-c", path.join(dir, "nginx.conf"), "-e", "stderr"], { stdio: "inherit" });
    const ended = new Promise((done) => nginx.once("close", done));
    w.after(async () => {
      nginx.kill("SIGTERM");
      await ended;
      rmSync(dir, { recursive: true });
    });
    const url = `http://127.0.0.1:${port}`;
    await until("nginx", async () => (await fetch(`${url}/socket.io/?EIO=4&transport=polling`)).ok);

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
  });
});
