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

  for (const [way, transports] of Object.entries(ways)) {
    scenario(`a token is verified once, for all namespaces and all their joins over one connection (${way})`, { socketio: { namespaces: ["/", "/chat"] } }, async (w) => {
      const verified = async (outcome) => {
        const text = await (await fetch(`${w.server.adminUrl}/metrics`)).text();
        return Number(text.match(new RegExp(`^userline_tokens_verified_total\\{outcome="${outcome}"\\} (\\d+)$`, "m"))?.[1] ?? 0);
      };
      const token = w.server.token("ann");
      const [root, chat] = two(w, transports, token);
      await until("both to join", () => root.connected && chat.connected);
      for (let n = 0; n < 3; n++) {
        chat.disconnect().connect();
        await until("it to join again", () => chat.connected);
      }
      assert.deepEqual([await verified("good"), await verified("refused"), root.ends], [1, 0, []]);
      assert.equal(await w.server.metric("userline_loans"), 0);
      assert.equal(await w.server.metric("userline_loans_waiting"), 0);

      // Another connection is another client.
      const [again] = two(w, transports, token);
      await until("it to join", () => again.connected);
      await until("the second", async () => (await verified("good")) === 2);
    });
  }
});

/** Two namespaces over one connection, kept for the end. */
function two(w, transports, token) {
  const manager = new Manager(w.server.publicUrl, { transports, reconnectionDelay: 50 });
  const auth = (give) => give({ token: token ?? w.server.token("ann") });
  return ["/", "/chat"].map((namespace) => w.remember(listening(manager.socket(namespace, { auth }))));
}
