// A backend that answers events of clients: it verifies every signature and keeps what came.
import { once } from "node:events";
import http from "node:http";
import { randomBytes } from "node:crypto";
import { verify } from "./hooks.mjs";

export class Backend {
  /** Every call with a good signature, in the order of arrival: `{id, headers, body, ...body.data}`. */
  calls = [];
  /** What went wrong with a request itself; must stay empty. */
  faults = [];
  /** Calls being answered now, and the most there were. */
  now = 0;
  most = 0;
  secret = `whsec_${randomBytes(32).toString("base64")}`;
  /** Answers a call: `{status?, headers?, body?}` (sent as JSON) or `{…, text}` (sent as it is), or nothing at all: 204. */
  answer = () => undefined;

  static async start(answer) {
    const backend = new Backend();
    if (answer) backend.answer = answer;
    backend.server = http.createServer((req, res) => backend.#receive(req, res));
    backend.server.listen(0, "127.0.0.1");
    await once(backend.server, "listening");
    backend.url = `http://127.0.0.1:${backend.server.address().port}/events`;
    return backend;
  }

  /** The section of the configuration that calls it. */
  config(more) {
    return { url: this.url, secret: this.secret, allow_private: true, allow: ["*"], ...more };
  }

  async #receive(req, res) {
    const chunks = [];
    try {
      for await (const chunk of req) chunks.push(chunk);
    } catch {
      return; // the caller gave up
    }
    const raw = Buffer.concat(chunks);
    let call;
    try {
      verify(this.secret, req, raw);
      const body = JSON.parse(raw);
      call = { id: req.headers["webhook-id"], headers: req.headers, body, ...body.data, res };
    } catch (error) {
      this.faults.push(error.message);
      res.writeHead(400).end();
      return;
    }
    this.calls.push(call);
    this.now += 1;
    this.most = Math.max(this.most, this.now);
    const { status, headers = {}, body, text = body === undefined ? body : JSON.stringify(body) } = (await this.answer(call)) ?? {};
    this.now -= 1;
    res.writeHead(status ?? (text === undefined ? 204 : 200), headers).end(text);
  }

  /** The names of the events that came. */
  names() {
    return this.calls.map(({ event }) => event);
  }

  async close() {
    this.server.close();
    this.server.closeAllConnections();
  }
}

/** An answer that is more than an ack. */
export const envelope = (body, status = 200) => ({ status, headers: { "userline-answer": "1" }, body });
