// A client with the msgpack parser, which this server does not speak: told so once, and it does not come again.
import assert from "node:assert/strict";
import { createRequire } from "node:module";
import { describe } from "node:test";
import { fileURLToPath } from "node:url";
import { WebSocket } from "ws";
import XMLHttpRequest from "xmlhttprequest-ssl";
import { ways } from "./lib/client.mjs";
import { scenario } from "./lib/scenario.mjs";
import { once, steadily, until } from "./lib/wait.mjs";

// The bundle is made for browsers.
globalThis.WebSocket = WebSocket;
globalThis.XMLHttpRequest = XMLHttpRequest.XMLHttpRequest ?? XMLHttpRequest;
globalThis.FileReader = class {
  async readAsDataURL(blob) {
    this.result = `data:;base64,${Buffer.from(await blob.arrayBuffer()).toString("base64")}`;
    this.onload();
  }
};
const bundle = fileURLToPath(new URL("node_modules/socket.io-client/dist/socket.io.msgpack.min.js", import.meta.url));
const { io } = createRequire(import.meta.url)(bundle);

describe("msgpack", { concurrency: 3 }, () => {
  for (const [way, transports] of Object.entries(ways)) {
    for (const namespace of ["/", "/chat"]) {
      scenario(`a msgpack client is told what is wrong, and does not try again (${way}, ${namespace})`, {}, async (w) => {
        const socket = w.client("ann", { make: io, transports, namespace });
        const [error] = await once(socket, "connect_error");
        assert.equal(error.data?.code, "parser_unsupported", error.message);
        assert.match(error.message, /load socket\.io\.js/);
        assert.equal(socket.active, false);
        const count = async () => (await w.server.metric("userline_foreign_parsers_total")) === 1;
        // The stock client waits half a second to one and a half before a second attempt.
        await steadily("that it does not come again", count, 2500);
        await until("its connection to be gone, also if it was about to upgrade", async () => (await w.server.api("GET", "/v1/stats")).body.connections === 0, 25_000);
        assert.equal(w.server.log.match(/another parser/g).length, 1);
      });
    }
  }
});
