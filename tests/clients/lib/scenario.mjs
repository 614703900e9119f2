// One test = one server of its own, one hook receiver, some stock clients; afterwards the server stopped in order,
// its log has no ERROR line, and no hook request was malformed.
import assert from "node:assert/strict";
import { test } from "node:test";
import { client, up } from "./client.mjs";
import { HookReceiver } from "./hooks.mjs";
import { Server } from "./server.mjs";

/**
 * Registers a test. `config` goes over the test configuration (see `Server.start`), or makes what does; `body` gets
 * `{server, hooks, client, connect, after}`; `env` goes over the environment of the server.
 */
export function scenario(name, config, body, { timeout = 60_000, env } = {}) {
  test(name, { timeout }, async () => {
    const hooks = await HookReceiver.start();
    const sockets = [];
    const cleanups = [];
    let server;
    let failure;
    try {
      server = await Server.start(typeof config === "function" ? await config() : config, { hooks, env });
      const remember = (socket) => {
        sockets.push(socket);
        return socket;
      };
      await body({
        server,
        hooks,
        remember,
        /** A stock client, not yet awaited. */
        client: (user, options) => remember(client(server, user, options)),
        /** A stock client that is connected and, if it wants to, upgraded. */
        connect: (user, options) => up(remember(client(server, user, options))),
        /** Registers a cleanup. */
        after: (cleanup) => cleanups.push(cleanup),
      });
    } catch (error) {
      failure = error;
      if (server) await describe(name, server, hooks);
    }
    for (const socket of sockets) socket.disconnect();
    for (const cleanup of cleanups.reverse()) await cleanup();
    try {
      await server?.finish();
      if (!failure) assert.deepEqual(hooks.faults, [], "malformed hook requests");
    } catch (error) {
      failure ??= error;
    }
    await hooks.close();
    if (failure) {
      if (server) console.error(`--- log of the server in "${name}"\n${server.log.slice(-6000)}\n---`);
      throw failure;
    }
  });
}

/** What a reader of a failure wants to know next. */
async function describe(name, server, hooks) {
  const look = (route) => server.api("GET", route).then((it) => it.body, (error) => error.message);
  console.error(`--- at the failure of "${name}"`);
  console.error("stats", JSON.stringify(await look("/v1/stats")));
  console.error("hook endpoints", JSON.stringify(await look("/v1/hooks/endpoints")));
  console.error("undelivered hooks", JSON.stringify(await look("/v1/hooks/deliveries?state=pending&limit=5")));
  console.error(`hooks: ${hooks.attempts.length} attempts, ${hooks.events.length} accepted, faults ${hooks.faults}`);
  for (const it of hooks.attempts.slice(-10)) console.error(`  ${it.type} ${it.user} ${it.status}`);
}
