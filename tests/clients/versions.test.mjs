// The oldest stock clients that are promised to work, beside the newest.
import assert from "node:assert/strict";
import { describe } from "node:test";
import client3 from "socket.io-client-3";
import { io as io40 } from "socket.io-client-4-0";
import { ways } from "./lib/client.mjs";
import { scenario } from "./lib/scenario.mjs";
import { once, until } from "./lib/wait.mjs";

const makers = { "3.0.0": client3.io, "4.0.0": io40 };

describe("older clients", { concurrency: 3 }, () => {
  for (const [version, make] of Object.entries(makers)) {
    for (const [way, transports] of Object.entries(ways)) {
      scenario(`socket.io-client ${version} connects, hears, asks and leaves (${way})`, { presence: { grace: "1s" } }, async (w) => {
        const tab = await w.connect("ann", { make, transports 
  for (const [way, transports] of Object.entries(ways)) {
    scenario(`buffers in base64, which forceBase64 asks for (${way})`, {}, async (w) => {
      const tab = await w.connect("ann", { transports, forceBase64: true });
      for (let n = 0; n < 20; n++) {
        const sent = Buffer.alloc(100 * n, n);
        assert.deepEqual(Buffer.from(await tab.timeout(5000).emitWithAck("userline:ping", sent)), sent);
      }
      assert.ok(tab.connected && tab.ends.length === 0, `${tab.ends}`);
    });
  }
});
        await w.server.emit({ to: { users: ["ann"] }, event: "hello", args: [1, { two: 2 }] 
  for (const [way, transports] of Object.entries(ways)) {
    scenario(`buffers in base64, which forceBase64 asks for (${way})`, {}, async (w) => {
      const tab = await w.connect("ann", { transports, forceBase64: true });
      for (let n = 0; n < 20; n++) {
        const sent = Buffer.alloc(100 * n, n);
        assert.deepEqual(Buffer.from(await tab.timeout(5000).emitWithAck("userline:ping", sent)), sent);
      }
      assert.ok(tab.connected && tab.ends.length === 0, `${tab.ends}`);
    });
  }
});
        await until("the event", () => tab.heard.length > 0);
        assert.deepEqual(tab.heard, [["hello", 1, { two: 2 }]]);
        const answer = await new Promise((done) => tab.emit("userline:ping", "a", done));
        assert.equal(answer, "a");
        const buffers = await new Promise((done) => tab.emit("userline:ping", { deep: [Buffer.from([1, 2, 3])] }, Buffer.from("x"), (...args) => done(args)));
        assert.deepEqual(buffers, [{ deep: [Buffer.from([1, 2, 3])] }, Buffer.from("x")]);
        tab.disconnect();
        await w.hooks.wait("ann", "user.offline");

        const stranger = w.client("ann", { make, transports, auth: { token: "no token" } 
  for (const [way, transports] of Object.entries(ways)) {
    scenario(`buffers in base64, which forceBase64 asks for (${way})`, {}, async (w) => {
      const tab = await w.connect("ann", { transports, forceBase64: true });
      for (let n = 0; n < 20; n++) {
        const sent = Buffer.alloc(100 * n, n);
        assert.deepEqual(Buffer.from(await tab.timeout(5000).emitWithAck("userline:ping", sent)), sent);
      }
      assert.ok(tab.connected && tab.ends.length === 0, `${tab.ends}`);
    });
  }
});
        const [error] = await once(stranger, "connect_error");
        assert.equal(error.data?.code, "token_invalid", `${error.message} ${JSON.stringify(error.data)}`);
      
  for (const [way, transports] of Object.entries(ways)) {
    scenario(`buffers in base64, which forceBase64 asks for (${way})`, {}, async (w) => {
      const tab = await w.connect("ann", { transports, forceBase64: true });
      for (let n = 0; n < 20; n++) {
        const sent = Buffer.alloc(100 * n, n);
        assert.deepEqual(Buffer.from(await tab.timeout(5000).emitWithAck("userline:ping", sent)), sent);
      }
      assert.ok(tab.connected && tab.ends.length === 0, `${tab.ends}`);
    });
  }
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
  }
});
