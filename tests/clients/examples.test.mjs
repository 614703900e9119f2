// Every example is started and does what its head says.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHmac } from "node:crypto";
import { once as onceEvent } from "node:events";
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import http from "node:http";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, test } from "node:test";
import { browser, complaints } from "./lib/chromium.mjs";
import { clientDir, program, withDev } from "./lib/dev.mjs";
import { block } from "./lib/readme.mjs";
import { binary, root } from "./lib/server.mjs";
import { scenario } from "./lib/scenario.mjs";
import { until } from "./lib/wait.mjs";

const examples = path.join(root, "examples");
const python = path.join(root, "tests/clients/.venv/bin/python");

describe("examples", { concurrency: 2 }, () => {
  test("client.mjs signs in, measures, hears, comes back, and leaves when kicked", { timeout: 60_000 }, async () => {
    await withDev([], async (server, after) => {
      const it = program(process.execPath, ["client.mjs", server.publicUrl, "ann"]);
      after(() => it.stop());
      await it.says(/session user=ann socket=\S{20}/);
      await it.says(/ping \{"n":1\} [\d.]+ ms/);
      await server.emit({ to: { users: ["ann"] }, event: "hello", args: [{ n: 1 }, 2] });
      await it.says(/event hello \[\{"n":1\},2\]/);
      await server.api("POST", "/v1/users/ann/disconnect", { reason: "enough" });
      await it.says(/kicked enough/);
      await it.says(/staying away/);
      assert.deepEqual(await it.exit, { code: 1, signal: null });
    });
  });

  scenario("client.mjs uses a fresh token at every reconnect, and says when it is refused", { presence: { grace: "10s" } }, async (w) => {
    const serve = http.createServer((_, res) => res.end(w.server.token("ann"))).listen(0, "127.0.0.1");
    w.after(() => serve.close());
    await onceEvent(serve, "listening");
    const tokens = `http://127.0.0.1:${serve.address().port}/`;
    const it = program(process.execPath, ["client.mjs", w.server.publicUrl], { TOKEN_COMMAND: `curl -s ${tokens}` });
    w.after(() => it.stop());
    await it.says(/session user=ann/);
    await until("the upgrade", async () => (await w.server.user("ann")).sockets[0].transport === "websocket");
    await w.server.term();
    await it.says(/disconnected transport close coming back/);
    await w.server.up();
    await it.says(/reconnecting attempt[\s\S]*session user=ann/);
    assert.deepEqual(await it.stop("SIGINT"), { code: 0, signal: null });

    const refused = program(process.execPath, ["client.mjs", w.server.publicUrl], { TOKEN_COMMAND: "echo nonsense" });
    w.after(() => refused.stop());
    await refused.says(/refused token_invalid/);
    assert.equal((await refused.exit).code, 1);
  });

  test("typing.mjs says who types and who is there, by configuration alone", { timeout: 60_000 }, async () => {
    const head = readFileSync(path.join(examples, "typing.mjs"), "utf8").split("import")[0];
    const set = [...head.matchAll(/--set '?([^' \\\n]+)/g)].flatMap(([, it]) => ["--set", it]);
    assert.equal(set.length, 8, "what the head of the example says");
    await withDev([...set, "--set", "presence.grace=300ms"], async (server, after) => {
      const start = (...args) => {
        const it = program(process.execPath, ["typing.mjs", server.publicUrl, ...args], {}, "pipe");
        after(() => it.stop());
        return it;
      };
      const ann = start("ann", "chat:7", "bob", "eve");
      await ann.says(/here: nobody/);
      const eve = start("eve", "chat:8", "ann");
      await eve.says(/here: nobody/);
      const bob = start("bob", "chat:7", "ann");
      await bob.says(/here: ann/);
      await ann.says(/bob has come/);
      ann.child.stdin.write("h\n");
      await bob.says(/ann is typing…[\s\S]*ann has stopped/);
      await bob.stop();
      await ann.says(/bob is gone/);
      assert.ok(!/typing|ann/.test(eve.text) && !/eve|typing/.test(ann.text), `${eve.text}${ann.text}`);
    });
  });

  test("client.py does the same in Python", { timeout: 60_000 }, async () => {
    assert.ok(existsSync(python), `${python} is missing: ./test makes it`);
    await withDev([], async (server, after) => {
      const it = program(python, ["client.py", server.publicUrl, "ann"]);
      after(() => it.stop("SIGKILL"));
      await it.says(/session user=ann socket=\S{20}/);
      await it.says(/ping \{'n': 1\} [\d.]+ ms/);
      await server.emit({ to: { users: ["ann"] }, event: "hello", args: [{ n: 1 }, 2] });
      await it.says(/event hello \{'n': 1\} 2/);
      assert.equal((await it.stop("SIGINT")).code, 0);
    });
  });

  test("emit.sh sends an event and prints the answer; a wrong key fails loudly", { timeout: 60_000 }, async () => {
    await withDev([], async (server, after) => {
      const listener = program(process.execPath, ["client.mjs", server.publicUrl, "ann"]);
      after(() => listener.stop());
      await listener.says(/session user=ann/);
      const env = { USERLINE_URL: server.adminUrl, USERLINE_KEY: server.key };
      const it = program("sh", ["emit.sh", "ann", "order:paid", '{"id":7}'], env);
      assert.equal((await it.exit).code, 0, it.text);
      assert.deepEqual(JSON.parse(it.text).users, { ann: { state: "online", matched: 1, sent: 1 } });
      await listener.says(/event order:paid \[\{"id":7\}\]/);

      for (const [user, event] of [['ann"],"all":true,"rooms":["x', "x"], ["ann", 'x","volatile":true,"y":"'], ["ann\\", "x"]]) {
        const refused = program("sh", ["emit.sh", user, event], env);
        assert.equal((await refused.exit).code, 2, refused.text);
      }

      const wrong = program("sh", ["emit.sh", "ann", "x"], { ...env, USERLINE_KEY: "wrong" });
      assert.notEqual((await wrong.exit).code, 0);
      assert.match(wrong.text, /"code"/);
    });
  });

  scenario("webhook-receiver.mjs keeps presence from signed hooks", { presence: { grace: "1s" } }, async (w) => {
    // Started first to know its port; then a server that sends to it.
    const it = program(process.execPath, ["webhook-receiver.mjs"], { HOOK_SECRET: w.hooks.secret, PORT: "0" });
    w.after(() => it.stop());
    const [, url] = await it.says(/listening (\S+)/);
    await w.server.term();
    w.server.config.hooks.url = url;
    await w.server.up();
    const tab = await w.connect("ann");
    await it.says(/online user=ann seq=\d+/);
    tab.disconnect();
    const [, seq] = await it.says(/offline user=ann seq=(\d+) reason=client_disconnect/);

    // What is old or forged changes nothing.
    const post = async (body, secret = w.hooks.secret, age = 0) => {
      const id = "pr_test_1";
      const stamp = Math.floor(Date.now() / 1000) - age;
      const key = Buffer.from(secret.slice("whsec_".length), "base64");
      const signature = createHmac("sha256", key).update(`${id}.${stamp}.${body}`).digest("base64");
      const headers = { "webhook-id": id, "webhook-timestamp": `${stamp}`, "webhook-signature": `v1,bm8= v1,${signature}` };
      return (await fetch(url, { method: "POST", body, headers })).status;
    };
    const stale = JSON.stringify({ type: "user.online", data: { user: "ann", seq: Number(seq) - 1, session: 1 } });
    assert.equal(await post(stale), 204);
    await it.says(/dropped user\.online user=ann/);
    for (const unknown of ['{"type":"user.renamed","data":{"user":"ann","seq":9e15}}', '{"type":"message.undelivered"}']) {
      assert.equal(await post(unknown), 204);
    }
    await it.says(/ignored user\.renamed[\s\S]*ignored message\.undelivered/);
    assert.equal(await post(stale, `whsec_${Buffer.alloc(32).toString("base64")}`), 401);
    assert.equal(await post(stale, w.hooks.secret, 3600), 401);
    assert.equal((await fetch(url, { method: "POST", body: stale })).status, 401);
    assert.equal(it.text.match(/online user=ann/g).length, 2, it.text);
  });

  test("two-tabs/index.html hears what the user is sent, in both tabs", { timeout: 60_000 }, async () => {
    await withDev(["--client-dir", clientDir], async (server, after) => {
      const html = readFileSync(path.join(examples, "two-tabs/index.html"));
      const site = http.createServer((_, res) => res.setHeader("content-type", "text/html").end(html)).listen(0, "127.0.0.1");
      after(() => site.close());
      await onceEvent(site, "listening");
      const context = await browser();
      after(() => context.close());
      const pages = [await context.newPage(), await context.newPage()];
      for (const page of pages) {
        page.list = complaints(page);
        const server64 = encodeURIComponent(server.publicUrl);
        await page.goto(`http://127.0.0.1:${site.address().port}/?user=ann&server=${server64}`);
        await page.locator("#state[data-state=connected]").waitFor();
      }
      const answer = await server.emit({ to: { users: ["ann"] }, event: "order:paid", data: { id: 7 } });
      assert.equal(answer.sent, 2);
      for (const page of pages) {
        await page.locator("#events li", { hasText: 'order:paid [{"id":7}]' }).waitFor();
        await page.locator("#ping").click();
        await until("the round trip", async () => / ms$/.test(await page.locator("#answer").textContent()));
      }
      await server.api("POST", "/v1/users/ann/disconnect", { reason: "enough" });
      for (const page of pages) await page.getByText("signed out: enough").waitFor();
      assert.deepEqual(pages.flatMap((page) => page.list).filter((it) => !it.includes("favicon")), []);
    });
  });

  test("acme-alerts.mjs sends alerts to employees by role, who scroll through them later", { timeout: 60_000 }, async () => {
    await withDev([], async (server, after) => {
      const env = { USERLINE_URL: server.adminUrl, USERLINE_KEY: server.key };
      const it = program(process.execPath, ["acme-alerts.mjs", server.publicUrl], env);
      after(() => it.stop());
      assert.deepEqual(await it.exit, { code: 0, signal: null }, it.text);
      for (const line of [
        "everybody: 1 heard it, 3 of 3 have it",
        "buyers: 1 heard it, 2 of 2 have it",
        "ann hears: the office is closed on Friday",
        "ann hears: prices have changed",
        "eve scrolls: prices have changed | the office is closed on Friday",
        "bob scrolls: the office is closed on Friday",
      ]) assert.ok(it.text.split("\n").includes(line), `${line}\n${it.text}`);
      assert.ok(!it.text.includes("bob scrolls: prices"), it.text);
    });
  });

  test("compose.yaml configures a server that starts, and an nginx before it", () => {
    const read = "import json, sys, yaml; print(json.dumps(yaml.safe_load(sys.stdin)))";
    const yaml = readFileSync(path.join(examples, "compose.yaml"));
    const { services, volumes, configs } = JSON.parse(execFileSync(python, ["-c", read], { input: yaml }));
    const { command, environment, volumes: mounts, build } = services.userline;
    assert.ok(existsSync(path.join(examples, build, "Dockerfile")));
    assert.deepEqual([command, mounts, Object.keys(volumes)], [["serve"], [`data:${environment.USERLINE__STORE__DATA_DIR}`], ["data"]]);
    execFileSync(binary, ["config", "check"], { env: { PATH: process.env.PATH, ...environment }, stdio: "pipe" });

    const dir = mkdtempSync(path.join(tmpdir(), "userline-compose-"));
    const text = configs.nginx.content.replaceAll("$$", "$").replace("http://userline:4000", "http://127.0.0.1:4000");
    assert.ok(text.includes("127.0.0.1:4000") && services.nginx.configs[0].source === "nginx");
    // What README says of nginx stands here, line by line.
    for (const [line] of block("nginx", "proxy_pass").matchAll(/^ +proxy_[^;]+;/gm)) assert.ok(text.includes(line.trim()) || line.includes("proxy_pass"), line);
    writeFileSync(path.join(dir, "nginx.conf"), `pid ${dir}/pid;\n${text}`);
    execFileSync("nginx", ["-t", "-q", "-p", dir, "-e", path.join(dir, "error.log"), "-c", path.join(dir, "nginx.conf")], { stdio: "pipe" });
    rmSync(dir, { recursive: true });
  });

  test("every example is short, and every one is started by a test", () => {
    const here = new URL(".", import.meta.url);
    const tests = readdirSync(here).filter((it) => it.endsWith(".test.mjs"));
    const all = tests.map((it) => readFileSync(new URL(it, here), "utf8")).join("\n");
    const files = readdirSync(examples, { recursive: true })
      .filter((it) => !/node_modules|__pycache__|^package/.test(it))
      .filter((it) => statSync(path.join(examples, it)).isFile());
    assert.ok(files.length >= 5, `${files}`);
    for (const file of files) {
      const lines = readFileSync(path.join(examples, file), "utf8").split("\n").length;
      assert.ok(lines <= 85, `${file} has ${lines} lines`);
      assert.ok(all.includes(`"${file} `) || all.includes(`${file}"`), `${file} is started by no test`);
    }
  });
});
