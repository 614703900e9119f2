// A hook receiver that trusts nothing: it verifies every signature and keeps what came, with its time of arrival.
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";
import { once as onceEvent } from "node:events";
import http from "node:http";
import { reset } from "./reset.mjs";
import { PATIENCE_MS, until } from "./wait.mjs";

/** Throws unless a request is signed with `secret`; `shifts`: how far, in milliseconds, the server's clock may be off. */
export function verify(secret, req, raw, shifts = [0]) {
  if (req.method !== "POST") throw new Error(`method ${req.method}`);
  if (!/^application\/json/.test(req.headers["content-type"])) throw new Error("content-type");
  const stamp = req.headers["webhook-timestamp"];
  const isNow = (shift) => Math.abs(Date.now() + shift - 1000 * Number(stamp)) < 300_000;
  if (!shifts.some(isNow)) throw new Error(`timestamp ${stamp}`);
  const key = Buffer.from(secret.slice("whsec_".length), "base64");
  const signed = Buffer.concat([Buffer.from(`${req.headers["webhook-id"]}.${stamp}.`), raw]);
  const want = createHmac("sha256", key).update(signed).digest();
  const good = String(req.headers["webhook-signature"])
    .split(" ")
    .filter((part) => part.startsWith("v1,"))
    .map((part) => Buffer.from(part.slice(3), "base64"))
    .some((got) => got.length === want.length && timingSafeEqual(got, want));
  if (!good) throw new Error("signature");
}

export class HookReceiver {
  /** Every accepted event, in the order of arrival: `{id, at, type, user, data, body}`. */
  events = [];
  /** Every attempt, accepted or not: `{id, at, status, type, user}`. */
  attempts = [];
  /** What went wrong with a request itself; must stay empty. */
  faults = [];
  /** "ok" (204), a status to answer, "hang" or "reset". */
  mode = "ok";
  /** How far, in milliseconds, the server's clock may be off: one of these. */
  shifts = [0];
  secret = `whsec_${randomBytes(32).toString("base64")}`;
  #held = new Set();

  static async start() {
    const hooks = new HookReceiver();
    hooks.server = http.createServer((req, res) => hooks.#receive(req, res));
    hooks.server.listen(0, "127.0.0.1");
    await onceEvent(hooks.server, "listening");
    hooks.url = `http://127.0.0.1:${hooks.server.address().port}/hook`;
    return hooks;
  }

  async #receive(req, res) {
    const at = performance.now();
    const chunks = [];
    try {
      for await (const chunk of req) chunks.push(chunk);
    } catch {
      return; // the sender gave up: it will try again
    }
    const raw = Buffer.concat(chunks);
    const id = req.headers["webhook-id"];
    let body;
    try {
      verify(this.secret, req, raw, this.shifts);
      body = JSON.parse(raw);
    } catch (error) {
      this.faults.push(error.message);
      res.writeHead(400).end();
      return;
    }
    const attempt = { id, at, type: body.type, user: body.data.user, status: null };
    this.attempts.push(attempt);
    if (this.mode === "hang") {
      this.#held.add(res);
      return;
    }
    if (this.mode === "reset") {
      reset(req.socket);
      return;
    }
    attempt.status = this.mode === "ok" ? 204 : this.mode;
    if (attempt.status < 300) {
      this.events.push({ id, at, type: body.type, user: body.data.user, data: body.data, body });
    }
    res.writeHead(attempt.status).end();
  }

  /** Accepted events of one user (all users without one), oldest first. */
  of(user, type) {
    return this.events.filter(
      (it) => (user === undefined || it.user === user) && (type === undefined || it.type === type),
    );
  }

  /** The types of one user's events, such as `["user.online", "user.offline"]`. */
  types(user) {
    return this.of(user).map((it) => it.type);
  }

  /** Waits until `user` has `count` accepted events of `type`; gives the last of them. */
  async wait(user, type, count = 1, deadlineMs = PATIENCE_MS) {
    await until(`${count} ${type} of ${user}`, () => this.of(user, type).length >= count, deadlineMs);
    return this.of(user, type)[count - 1];
  }

  /** Answers what hangs with 500, so that it is tried again. */
  release() {
    for (const res of this.#held) res.writeHead(500).end();
    this.#held.clear();
  }

  async close() {
    this.server.close();
    this.server.closeAllConnections();
  }
}
