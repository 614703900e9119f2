// The protocol by hand: a WebSocket that speaks Engine.IO and Socket.IO without the stock client's manners.
import { WebSocket } from "ws";
import { until } from "./wait.mjs";

/** The WebSocket address of a server, with further query parameters. */
export function wsUrl(server, query = "EIO=4&transport=websocket") {
  return `${server.publicUrl.replace("http", "ws")}/socket.io/?${query}`;
}

/** A raw client in namespace `/`, answered or `closed`; `packets` keeps every text frame; pings are answered. */
export async function rawClient(server, auth) {
  const raw = new RawClient(wsUrl(server));
  await until("the Engine.IO handshake", () => raw.packets.some((it) => it.startsWith("0")));
  raw.send(`40${JSON.stringify(auth)}`);
  await until("the CONNECT reply", () => raw.closed !== undefined || raw.packets.some((it) => it.startsWith("40")));
  return raw;
}

class RawClient {
  packets = [];

  constructor(url) {
    this.ws = new WebSocket(url);
    this.ws.on("message", (data) => {
      const text = data.toString();
      this.packets.push(text);
      if (text === "2") this.ws.send("3");
    });
    this.ws.on("error", (error) => (this.error = error));
    this.ws.on("close", (code) => (this.closed = code));
  }

  send(text) {
    this.ws.send(text);
  }

  close() {
    this.ws.terminate();
  }
}
