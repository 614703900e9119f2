// The oldest stock clients that are promised to work, beside the newest.
import assert from "node:assert/strict";
import { describe } from "node:test";
import client2 from "socket.io-client-2";
import client3 from "socket.io-client-3";
import { io as io40 } from "socket.io-client-4-0";
import { ways } from "./lib/client.mjs";
import { scenario } from "./lib/scenario.mjs";
import { once, steadily, until } from "./lib/wait.mjs";

const makers = { "3.0.0": client3.io, "4.0.0": io40 };

describe("older clients", { concurrency: 3 }, () => {
  for (const [version, make] of Object.entries(makers)) {
    for (const [way, transports] of Object.entries(ways)) {
      scenario(`socket.io-client ${version} connects, hears, asks and leaves (${way})`, { presence: { grace: "1s" } }, async (w) => {
        const tab = await w.connect("ann", { make, transports });
        await w.server.emit({ to: { users: ["ann"] }, event: "hello", args: [1, { two: 2 }] });
        await until("the event", () => tab.heard.length > 0);
        assert.deepEqual(tab.heard, [["hello", 1, { two: 2 }]]);
        const answer = await new Promise((done) => tab.emit("userline:ping", "a", done));
        assert.equal(answer, "a");
        const buffers = await new Promise((done) => tab.emit("userline:ping", { deep: [Buffer.from([1, 2, 3])] }, Buffer.from("x"), (...args) => done(args)));
        assert.deepEqual(buffers, [{ deep: [Buffer.from([1, 2, 3])] }, Buffer.from("x")]);
        tab.disconnect();
        await w.hooks.wait("ann", "user.offline");

        const stranger = w.client("ann", { make, transports, auth: { token: "no token" } });
        const [error] = await once(stranger, "connect_error");
        assert.equal(error.data?.code, "token_invalid", `${error.message} ${JSON.stringify(error.data)}`);
      });
    }
  }

  for (const [way, transports] of Object.entries(ways)) {
    scenario(`buffers in base64, which forceBase64 asks for (${way})`, {}, async (w) => {
      const tab = await w.connect("ann", { transports, forceBase64: true });
      for (let n = 0; n < 20; n++) {
        const sent = Buffer.alloc(100 * n, n);
        assert.deepEqual(Buffer.from(await tab.timeout(5000).emitWithAck("userline:ping", sent)), sent);
      }
      assert.ok(tab.connected && tab.ends.length === 0, `${tab.ends}`);
    });

    scenario(`socket.io-client 2 is told to use a newer one, and stays away (${way})`, {}, async (w) => {
      const old = client2(w.server.publicUrl, { transports, forceNew: true, reconnectionDelay: 50 });
      const [errors, ends] = [[], []];
      for (const event of ["error", "connect_error"]) old.on(event, (error) => errors.push(error));
      old.on("disconnect", (reason) => ends.push(reason));
      try {
        await until("the refusal", () => ends.length > 0);
        await steadily("it stays away", () => !old.connected && ends.length === 1, 1500);
        assert.deepEqual([errors, ends], [["use socket.io-client 3 or 4"], ["io server disconnect"]]);
        assert.equal(await w.server.metric("userline_old_clients_total"), 1);
        await until("its connection to end", async () => (await w.server.api("GET", "/v1/stats")).body.connections === 0);
      } finally {
        old.close();
      }
    });
  }
});
