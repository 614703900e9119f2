// Names of events that JSON writes with an escape: the engine cannot read them, the client must not suffer from it.
import assert from "node:assert/strict";
import { describe } from "node:test";
import { ways } from "./lib/client.mjs";
import { rawClient } from "./lib/raw.mjs";
import { scenario } from "./lib/scenario.mjs";
import { until } from "./lib/wait.mjs";

const NAMES = ['say "hi"', "a\\b", "tab\there", "two\nlines", "größe", "=", "=x", '"', "\\", "x".repeat(3000), "", "userline:pong"];

describe("event names", { concurrency: 2 }, () => {
  for (const [way, transports] of Object.entries(ways)) {
    scenario(`an event of any name is answered, and the client stays (${way})`, {}, async (w) => {
      const socket = await w.connect("ann", { transports });
      for (const name of NAMES) {
        const answer = await socket.timeout(5000).emitWithAck(name, 1, 'a "quoted" argument');
        assert.deepEqual(answer, { error: { code: "unknown_event", message: `nobody listens to \`${name}\` here` } });
        const binary = await socket.timeout(5000).emitWithAck(name, Buffer.from([1, 2, 3]));
        assert.equal(binary.error.code, "unknown_event", name);
        socket.emit(name, "without an ack");
      }
      assert.equal(await socket.timeout(5000).emitWithAck("userline:ping", "still here"), "still here");
      assert.deepEqual(socket.ends, []);
    });
  }

  scenario("an escape that need not be there changes no name", {}, async (w) => {
    const raw = await rawClient(w.server, { token: w.server.token("ann") });
    w.after(() => raw.close());
    // As python-socketio writes what is beyond ASCII.
    raw.send('421["gr\\u00f6\\u00dfe",{"a":"\\u00f6"}]');
    raw.send('422["userline:\\u0070ing","\\u00f6",12345678901234567890]');
    await until("both answers", () => raw.packets.filter((it) => it.startsWith("43")).length === 2);
    const acks = raw.packets.filter((it) => it.startsWith("43")).sort();
    assert.match(acks[0], /^431.*unknown_event.*`größe`/);
    assert.equal(acks[1], '432["\\u00f6",12345678901234567890]');
  });
});
