// A real nginx before a server, set up as the README says.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import net from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { block } from "./readme.mjs";
import { until } from "./wait.mjs";

async function freePort() {
  const server = net.createServer().listen(0, "127.0.0.1");
  await until("a port", () => server.listening);
  const { port } = server.address();
  await new Promise((done) => server.close(done));
  return port;
}

/** The parts of the README's snippet: for nginx.conf, for `http`, for `server`. `without` is a pattern of lines that somebody forgot. */
export function location(without) {
  const parts = block("nginx", "proxy_pass")
    .split(/\n\n/)
    .map((part) => part.split("\n").filter((line) => !without?.test(line)).join("\n"));
  assert.equal(parts.length, 3, "the snippet has three parts: main, http, server");
  return parts;
}

/**
 * Starts nginx before the server of the scenario `w`; gives its URL. `without` is a pattern of lines of the README's
 * snippet that somebody forgot.
 */
export async function nginx(w, { without } = {}) {
  const [main, http, place] = location(without);
  const proxied = place.replace("http://127.0.0.1:4000", w.server.publicUrl);
  assert.notEqual(proxied, place);
  return run(w, [main, http, proxied]);
}

/** Starts nginx with these parts of its configuration; gives its URL. */
export async function run(w, [main, http, server]) {
  const dir = mkdtempSync(path.join(tmpdir(), "userline-nginx-"));
  mkdirSync(path.join(dir, "temp"));
  const port = await freePort();
  const temp = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"].map((it) => `${it}_temp_path ${dir}/temp/${it};`).join("\n");
  writeFileSync(
    path.join(dir, "nginx.conf"),
    // Else its workers are nobody, who may not write long bodies there.
    `${process.getuid() === 0 ? "user root;" : ""} daemon off; pid ${dir}/pid; error_log ${dir}/error.log;\n${main}\nhttp {\naccess_log off;\n${temp}\n${http}\n` +
      `server { listen 127.0.0.1:${port};\n${server}\n}\n}\n`,
  );
  const child = spawn("nginx", ["-p", dir, "-c", path.join(dir, "nginx.conf"), "-e", `${dir}/error.log`], { stdio: "inherit" });
  const ended = new Promise((done) => child.once("close", done));
  w.after(async () => {
    child.kill("SIGTERM");
    await ended;
    rmSync(dir, { recursive: true });
  });
  const url = `http://127.0.0.1:${port}`;
  await until("nginx", async () => (await fetch(url)).status > 0);
  return url;
}
