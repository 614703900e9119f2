// Several nodes on one Redis behind one nginx, which sends each request to the next of them: as docs/cluster.md sets them up.
import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { client, up } from "./client.mjs";
import { HookReceiver } from "./hooks.mjs";
import { location, run } from "./nginx.mjs";
import { Redis } from "./redis.mjs";
import { Server, root } from "./server.mjs";

const page = readFileSync(path.join(root, "docs/cluster.md"), "utf8");

/** The nginx configuration of docs/cluster.md with these nodes; `sticky`: with the line that sends each client to one of them. */
function configuration(nodes, sticky) {
  const block = [...page.matchAll(/```nginx\n([\s\S]*?)```/g)].map((it) => it[1]).find((it) => it.includes("upstream userline"));
  assert.ok(block, "docs/cluster.md shows the nodes behind nginx");
  const [upstream, added] = block.split(/\n\n/);
  const lines = upstream.split("\n");
  const sample = lines.find((line) => line.includes("server "));
  const servers = nodes.map((it) => sample.replace(/server \S+/, `server ${new URL(it.publicUrl).host}`));
  const others = lines.filter((line) => !line.includes("server "));
  if (sticky) others.splice(1, 0, sticky);
  const [head, ...rest] = others;
  const [main, http, place] = location();
  const directives = added.split("\n").filter((line) => /^\s+proxy_(?!pass)/.test(line)).join("\n");
  assert.match(directives, /proxy_next_upstream/);
  const proxied = place.replace("http://127.0.0.1:4000;", `http://userline;\n${directives}`);
  assert.notEqual(proxied, place);
  return [main, `${http}\n${[head, ...servers, ...rest].join("\n")}`, proxied];
}

/**
 * Registers a test of `count` nodes behind nginx. `config` goes over their configuration. `body` gets `{nodes, url, hooks, redis,
 * client, connect, after}`; `client` and `connect` go to nginx. `sticky` is a line for nginx's `upstream`.
 */
export function cluster(name, count, config, body, { timeout = 120_000, sticky, forward = true } = {}) {
  test(name, { timeout }, async () => {
    const hooks = await HookReceiver.start();
    const redis = await Redis.start();
    const nodes = [];
    const sockets = [];
    const cleanups = [];
    const secret = randomBytes(32).toString("hex");
    const settings = {
      ...config,
      "auth.jwt": { secret, ...config["auth.jwt"] },
      cluster: {
        redis: redis.url,
        secret: "of-the-tests-at-least-16-bytes",
        ...(forward ? { forward: true, listen: "127.0.0.1:0", advertise: "127.0.0.1:0" } : {}),
        heartbeat: "1s",
        lease: "5s",
        hold: "1s",
        node_grace: "1m",
        ...config.cluster,
      },
    };
    let failure;
    try {
      while (nodes.length < count) {
        const node = await Server.start(settings, { hooks });
        node.secret = secret;
        nodes.push(node);
      }
      const url = await run({ after: (it) => cleanups.push(it) }, configuration(nodes, sticky));
      const remember = (socket) => {
        sockets.push(socket);
        return socket;
      };
      const start = (user, options) => remember(client(nodes[0], user, { url, ...options }));
      await body({
        nodes,
        url,
        hooks,
        redis,
        client: start,
        connect: (user, options) => up(start(user, options), 60_000),
        after: (cleanup) => cleanups.push(cleanup),
      });
    } catch (error) {
      failure = error;
    }
    for (const socket of sockets) socket.disconnect();
    for (const cleanup of cleanups.reverse()) await cleanup();
    for (const [at, node] of nodes.entries()) {
      try {
        await node.finish();
      } catch (error) {
        failure ??= error;
      }
      if (failure) console.error(`--- log of node ${at} in "${name}"\n${node.log.slice(-6000)}\n---`);
    }
    await redis.stop();
    await hooks.close();
    if (failure) throw failure;
    assert.deepEqual(hooks.faults, [], "malformed hook requests");
  });
}

/** What `/metrics` of a node says of requests for other nodes with this outcome. */
export async function forwarded(node, outcome) {
  const text = await (await fetch(`${node.adminUrl}/metrics`)).text();
  return Number(text.match(new RegExp(`^userline_forwarded_total\\{outcome="${outcome}"\\} (\\d+)$`, "m"))?.[1] ?? 0);
}
