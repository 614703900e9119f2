// The real binary in a folder of its own on free ports: started, killed, restarted, stopped and looked at.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { fileURLToPath } from "node:url";
import { sign } from "./jwt.mjs";
import { PATIENCE_MS, until } from "./wait.mjs";

export const root = path.resolve(path.dirname(fileURLToPath(import.meta.url)), "../../..");
export const binary = process.env.USERLINE_BIN ? path.resolve(process.env.USERLINE_BIN) : path.join(root, "target/release/userline");
if (!existsSync(binary)) {
  throw new Error(`${binary} is missing: build it first (./test does), or name one in USERLINE_BIN`);
}

// Many tests run many servers in one process, each with a listener of its own.
process.setMaxListeners(100);

const toml = (value) =>
  Array.isArray(value)
    ? `[${value.map(toml).join(", ")}]`
    : value !== null && typeof value === "object"
      ? `{ ${Object.entries(value).map(([key, it]) => `${key} = ${toml(it)}`).join(", ")} }`
      : JSON.stringify(value);

export class Server {
  /** Everything the process wrote to standard error, over all its lives. */
  log = "";
  /** Texts that may stand in ERROR lines of the log in this test. */
  expectedErrors = [];
  secret = randomBytes(32).toString("hex");
  key = `test-${randomBytes(16).toString("hex")}`;
  /** Environment variables of the process, besides those of this one. */
  env = {};
  /** Milliseconds (performance.now) at which the last start was ready. */
  readyAt = 0;

  /**
   * Starts `userline serve`. `overrides` are merged into the configuration section by section:
   * `{presence: {grace: "1s"}}`; `hooks` is a HookReceiver to send to; `env` goes over the environment of this process.
   */
  static async start(overrides = {}, { hooks, env = {} } = {}) {
    const server = new Server();
    server.env = env;
    server.dir = mkdtempSync(path.join(tmpdir(), "userline-test-"));
    const base = {
      listen: { public: "127.0.0.1:0", admin: "127.0.0.1:0", origins: ["*"], drain: "1s" },
      admin: { keys: [{ name: "test", key: server.key, scopes: ["emit", "read", "control"] }] },
      auth: { mode: "jwt" },
      "auth.jwt": { secret: server.secret, algorithms: ["HS256"] },
      presence: { grace: "2s", startup_grace: "10s" },
      store: { data_dir: path.join(server.dir, "data") },
      log: { level: "info" },
    };
    if (hooks) base.hooks = { url: hooks.url, secret: hooks.secret, allow_private: true };
    for (const [section, values] of Object.entries(overrides)) {
      base[section] = { ...base[section], ...values };
    }
    server.config = base;
    await server.up();
    return server;
  }

  /** Starts the process; after the first time on the ports of the first time. */
  async up() {
    const text = Object.entries(this.config)
      .map(([section, values]) =>
        [`[${section}]`, ...Object.entries(values).filter(([, it]) => it !== undefined).map(([key, it]) => `${key} = ${toml(it)}`)].join("\n"),
      )
      .join("\n\n");
    const file = path.join(this.dir, "userline.toml");
    writeFileSync(file, text);
    await this.spawn(["serve", "--config", file]);
    this.config.listen.public = new URL(this.publicUrl).host;
    this.config.listen.admin = new URL(this.adminUrl).host;
  }

  /** Starts the binary with these arguments and waits until it has said where it listens and is ready. */
  async spawn(args) {
    this.dir ??= mkdtempSync(path.join(tmpdir(), "userline-test-"));
    let out = "";
    const child = spawn(binary, args, {
      cwd: this.dir,
      env: { ...process.env, ...this.env },
      stdio: ["ignore", "pipe", "pipe"],
    });
    this.child = child;
    // Whatever becomes of the test: no server outlives it.
    const kill = () => child.kill("SIGKILL");
    process.once("exit", kill);
    child.once("close", () => process.off("exit", kill));
    this.exit = new Promise((done) => child.once("close", (code, signal) => done({ code, signal })));
    child.stdout.setEncoding("utf8").on("data", (text) => (out += text));
    child.stderr.setEncoding("utf8").on("data", (text) => (this.log += text));
    const said = (word) => out.match(new RegExp(`^${word}\\s+(\\S+)$`, "m"))?.[1];
    await until(
      "the server to listen",
      () => {
        if (child.exitCode !== null) throw new Error(`exited ${child.exitCode}\n${out}\n${this.log}`);
        return said("public") && (said("admin") || (said("console") && said("key")));
      },
      30_000,
    );
    this.out = out;
    this.publicUrl = said("public").replace(/\/$/, "");
    this.adminUrl = (said("admin") ?? said("console")).replace(/\/$/, "");
    if (said("key")) this.key = said("key");
    await until("readiness", async () => (await fetch(`${this.adminUrl}/readyz`)).ok);
    this.readyAt = performance.now();
    return this;
  }

  /** A token for `user` with further claims. */
  token(user, claims = {}) {
    return sign({ sub: user, ...claims }, this.secret);
  }

  /** Calls the admin API; the result is `{status, body, headers}`, the body parsed if it is JSON. */
  async api(method, route, body, headers = {}) {
    const response = await fetch(this.adminUrl + route, {
      method,
      headers: { authorization: `Bearer ${this.key}`, "content-type": "application/json", ...headers },
      body: body === undefined ? undefined : typeof body === "string" ? body : JSON.stringify(body),
      signal: AbortSignal.timeout(10_000),
    });
    const text = await response.text();
    let parsed = text;
    try {
      parsed = JSON.parse(text);
    } catch {
      // not JSON: the text it is
    }
    return { status: response.status, body: parsed, headers: response.headers };
  }

  /** Emits and insists on 200; gives the answer. */
  async emit(request) {
    const { status, body } = await this.api("POST", "/v1/emit", request);
    assert.equal(status, 200, JSON.stringify(body));
    return body;
  }

  /** What `/metrics` says of a metric without labels. */
  async metric(name) {
    const text = await (await fetch(`${this.adminUrl}/metrics`)).text();
    const line = text.match(new RegExp(`^${name} (\\S+)$`, "m"));
    assert.ok(line, `${name} is not in /metrics`);
    return Number(line[1]);
  }

  /** What the server knows of a user. */
  async user(id) {
    return (await this.api("GET", `/v1/users/${encodeURIComponent(id)}`)).body;
  }

  /** Waits until the user is in `state`. */
  async state(id, state, deadlineMs = PATIENCE_MS) {
    return until(
      `${id} to be ${state}`,
      async () => {
        const user = await this.user(id);
        if (user.state !== state) throw new Error(JSON.stringify(user));
        return user;
      },
      deadlineMs,
    );
  }

  /** SIGKILL, as a crash. */
  async kill9() {
    this.child.kill("SIGKILL");
    assert.equal((await this.exit).signal, "SIGKILL");
  }

  /** SIGTERM; the exit code must be 0 within `deadlineMs`. */
  async term(deadlineMs = 10_000) {
    this.child.kill("SIGTERM");
    let timer;
    const late = new Promise((_, fail) => {
      timer = setTimeout(() => {
        this.child.kill("SIGKILL");
        fail(new Error(`not gone ${deadlineMs} ms after SIGTERM\n${this.log.slice(-4000)}`));
      }, deadlineMs);
    });
    const { code, signal } = await Promise.race([this.exit, late]);
    clearTimeout(timer);
    assert.deepEqual({ code, signal }, { code: 0, signal: null }, this.log.slice(-4000));
  }

  /** The ERROR lines of the log that no test asked for, and panics. */
  errors() {
    return this.log
      .replaceAll(/\x1b\[[0-9;]*m/g, "")
      .split("\n")
      .filter((line) => /\bERROR\b|"level":"ERROR"|panicked at/.test(line))
      .filter((line) => !this.expectedErrors.some((text) => line.includes(text)));
  }

  /** The end of every test: an orderly stop and a clean log. */
  async finish() {
    if (this.child.exitCode === null && this.child.signalCode === null) await this.term(30_000);
    rmSync(this.dir, { recursive: true, force: true });
    assert.deepEqual(this.errors(), [], "the log has ERROR lines");
  }
}
