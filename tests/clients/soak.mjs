// node tests/clients/soak.mjs [--minutes 30] [--clients 200] [--seed N]: stock clients that stay, are cut off, kicked, and come
// and go, in two namespaces and by both transports, on a server of its own (`target/release/userline`, or USERLINE_BIN). Ends with
// 0 if nothing was lost, repeated, reordered, thought away or left, and memory stayed flat; else it says what, with its seed.
import assert from "node:assert/strict";
import { parseArgs } from "node:util";
import { HookReceiver } from "./lib/hooks.mjs";
import { soak, soakConfig } from "./lib/soak.mjs";
import { Server } from "./lib/server.mjs";

const GRACE_MS = 8000;
const { values } = parseArgs({
  options: { minutes: { type: "string", default: "30" }, clients: { type: "string", default: "200" }, seed: { type: "string" } },
});
const hooks = await HookReceiver.start();
const server = await Server.start(soakConfig(GRACE_MS), { hooks });
const sockets = [];
const cleanups = [];
const say = (text) => console.log(`${new Date().toISOString().slice(11, 19)} ${text}`);
try {
  await soak(
    { server, hooks, remember: (it) => (sockets.push(it), it), after: (it) => cleanups.push(it) },
    { graceMs: GRACE_MS, ms: Number(values.minutes) * 60_000, clients: Number(values.clients), seed: values.seed && Number(values.seed), say },
  );
  assert.deepEqual(hooks.faults, [], "malformed hook requests");
  say("nothing was lost, repeated, reordered or left");
} catch (error) {
  console.error(error.stack);
  console.error(server.log.slice(-6000));
  process.exitCode = 1;
} finally {
  for (const it of sockets) it.disconnect();
  for (const cleanup of cleanups) await cleanup();
  await server.finish();
  await hooks.close();
}
