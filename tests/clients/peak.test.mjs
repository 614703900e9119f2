// Thousands who connect at full speed take hardly more memory, while they do, than when they are there: who waits for the turn of
// a handshake has no buffers yet.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { promisify } from "node:util";
import { binary } from "./lib/server.mjs";
import { scenario } from "./lib/scenario.mjs";

const CLIENTS = 4000;
/** What the engine, caches and threads take at the first clients, however many they are. */
const SLACK_KIB = 8 * 1024;

function memory({ pid }) {
  const status = readFileSync(`/proc/${pid}/status`, "utf8");
  const kib = (name) => Number(new RegExp(`^${name}:\\s+(\\d+) kB`, "m").exec(status)[1]);
  return { now: kib("VmRSS"), peak: kib("VmHWM") };
}

scenario(`${CLIENTS} handshakes at once take no more than twice what they leave`, {}, async (w) => {
  const { child, publicUrl, secret } = w.server;
  const before = memory(child).now;
  const args = ["bench", "connect", publicUrl, "--sockets", CLIENTS, "--concurrency", CLIENTS, "--pid", child.pid, "--json"];
  const auth = ["--auth", '{"token":"{token}"}', "--jwt-secret", secret, "--strict", "--patience", "30s", "--rest", "12s"];
  const { stdout } = await promisify(execFile)(binary, [...args, ...auth].map(String));

  const report = JSON.parse(stdout);
  const [rest, peak] = [report.rss_kib - before, memory(child).peak - before];
  assert.equal(report.connected, CLIENTS);
  assert.ok(peak <= 2 * rest + SLACK_KIB, `${peak} KiB at the peak, ${rest} at rest`);
}, { timeout: 120_000 });
