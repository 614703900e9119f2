// Namespaces that are left and joined again in one breath, over one connection: each CONNECT is answered.
import assert from "node:assert/strict";
import { describe } from "node:test";
import { Manager } from "socket.io-client";
import { listening, ways } from "./lib/client.mjs";
import { scenario } from "./lib/scenario.mjs";
import { sleep, until } from "./lib/wait.mjs";

const CYCLES = 300;

describe("namespaces joined again", { concurrency: 3 }, () => {
  for (const [way, transports] of Object.entries(ways)) {
    scenario(`a client that leaves and joins in the instant of its connect is answered every time (${way})`, { socketio: { namespaces: ["/", "/chat"] } }, async (w) => {
      const [root, chat] = two(w, transports);
      let connects = 0;
      chat.on("connect", () => {
        connects += 1;
        if (connects < CYCLES) chat.disconnect().connect();
      });
      await until("all its connects", () => connects === CYCLES);
      assert.deepEqual([root.ends, chat.connected], [[], true], "over one connection");
      const answer = await w.server.emit({ to: { users: ["ann"] }, event: "hi", namespace: "/chat" });
      assert.equal(answer.matched, 1);
      await until("the event", () => chat.heard.length === 1);
    });

    scenario(`a namespace that is closed before its answer and opened again connects (${way})`, { socketio: { namespaces: ["/", "/chat"] } }, async (w) => {
      const [root, chat] = two(w, transports);
      await until("the first", () => root.connected);
      for (let n = 0; n < 5; n++) {
        chat.disconnect();
        chat.connect();
        chat.disconnect();
        await sleep(n * 20);
        chat.connect();
        await until("it connects", () => chat.connected && root.connected);
      }
    });
  }
});

/** Two namespaces over one connection, kept for the end. */
function two(w, transports) {
  const manager = new Manager(w.server.publicUrl, { transports, reconnectionDelay: 50 });
  const auth = (give) => give({ token: w.server.token("ann") });
  return ["/", "/chat"].map((namespace) => w.remember(listening(manager.socket(namespace, { auth }))));
}
