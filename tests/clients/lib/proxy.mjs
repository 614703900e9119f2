// A TCP proxy that can be cruel: cut, stall and half-open connections at the level of bytes.
import { once } from "node:events";
import net from "node:net";
import { reset } from "./reset.mjs";

export class Proxy {
  #pairs = new Set();
  #stalled = false;
  #dark = false;
  /** Whether new connections are refused. */
  refusing = false;
  connections = 0;

  /** Starts a proxy on a free port before `target`, a port of 127.0.0.1. */
  static async start(target) {
    const proxy = new Proxy();
    proxy.target = target;
    proxy.server = net.createServer({ allowHalfOpen: true }, (front) => proxy.#join(front));
    proxy.server.listen(0, "127.0.0.1");
    await once(proxy.server, "listening");
    proxy.port = proxy.server.address().port;
    proxy.url = `http://127.0.0.1:${proxy.port}`;
    return proxy;
  }

  #join(front) {
    if (this.refusing) return reset(front);
    this.connections += 1;
    const back = net.connect({ port: this.target, host: "127.0.0.1", allowHalfOpen: true });
    const pair = { front, back, lost: false };
    this.#pairs.add(pair);
    const pass = (from, to) => {
      from.on("data", (bytes) => {
        if (pair.lost || this.#dark) return;
        if (!to.write(bytes)) {
          from.pause();
          to.once("drain", () => this.#stalled || from.resume());
        }
      });
      from.on("end", () => pair.lost || this.#dark || to.end());
      from.on("error", () => {}); // followed by "close"
      from.on("close", () => {
        if (pair.lost || this.#dark) return;
        to.destroy();
        this.#pairs.delete(pair);
      });
      if (this.#stalled) from.pause();
    };
    pass(front, back);
    pass(back, front);
  }

  /** Cuts every connection on both sides with RST. */
  cut() {
    for (const { front, back } of this.#pairs) {
      reset(front);
      reset(back);
    }
    this.#pairs.clear();
  }

  /** The network of the client changes: its side dies, the server's side stays open and hears nothing more. */
  halfOpen() {
    for (const pair of this.#pairs) {
      pair.lost = true;
      reset(pair.front);
    }
  }

  /** Stops moving bytes (nothing is lost, TCP pushes back) until `resume`. */
  stall() {
    this.#stalled = true;
    for (const { front, back } of this.#pairs) {
      front.pause();
      back.pause();
    }
  }

  resume() {
    this.#stalled = false;
    this.#dark = false;
    for (const { front, back } of this.#pairs) {
      front.resume();
      back.resume();
    }
  }

  /** Throws every byte away in both directions, as a dead radio link does. */
  blackhole() {
    this.#dark = true;
  }

  async close() {
    for (const { front, back } of this.#pairs) {
      front.destroy();
      back.destroy();
    }
    this.#pairs.clear();
    this.server.close();
  }
}
