// `userline dev` on free ports, and programs beside it.
import { spawn } from "node:child_process";
import path from "node:path";
import { root, Server } from "./server.mjs";
import { until } from "./wait.mjs";

export const clientDir = path.join(root, "examples/node_modules/socket.io-client/dist");

/** Starts `userline dev` with further arguments. */
export async function dev(...args) {
  const server = new Server();
  server.args = ["dev", "--public", "127.0.0.1:0", "--admin", "127.0.0.1:0", ...args];
  await server.spawn(server.args);
  return server;
}

/** A program of the examples; `lines` is what it printed so far. */
export function program(command, args, env = {}, stdin = "ignore") {
  const child = spawn(command, args, {
    cwd: path.join(root, "examples"),
    env: { ...process.env, ...env },
    stdio: [stdin, "pipe", "pipe"],
  });
  const it = { child, text: "" };
  it.exit = new Promise((done) => child.once("close", (code, signal) => done({ code, signal })));
  for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (text) => (it.text += text));
  /** Waits until it has printed something that matches. */
  it.says = (pattern, deadlineMs = 15_000) =>
    until(
      `${args[0] ?? command} to say ${pattern}`,
      () => {
        const match = it.text.match(pattern);
        if (!match) throw new Error(it.text);
        return match;
      },
      deadlineMs,
    );
  it.stop = async (signal = "SIGTERM") => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal);
    return it.exit;
  };
  return it;
}

/** Runs `body` with a development server and cleans up after it. */
export async function withDev(args, body) {
  const server = await dev(...args);
  const cleanups = [];
  try {
    await body(server, (cleanup) => cleanups.push(cleanup));
  } catch (error) {
    console.error(`--- log of the server\n${server.log.slice(-6000)}\n---`);
    throw error;
  } finally {
    for (const cleanup of cleanups.reverse()) await cleanup();
    await server.finish();
  }
}
