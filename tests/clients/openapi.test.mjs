// The OpenAPI document says what the API does: schemathesis makes requests from the served document, good and bad, and
// compares what comes back. `SEED=n` tries others.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { root } from "./lib/server.mjs";
import { scenario } from "./lib/scenario.mjs";
import { until } from "./lib/wait.mjs";

const schemathesis = path.join(root, "tests/clients/.venv/bin/schemathesis");
const SECONDS = 70;

/** Runs a program to its end; gives its exit code and all that it printed. */
const run = (file, args, cwd) =>
  new Promise((done) => {
    execFile(file, args, { cwd, maxBuffer: 1e8 }, (error, out, err) => done({ code: error ? (error.code ?? error.signal) : 0, out: out + err }));
  });

/** Names of what there is, by where a request says them: without these, nearly all that is asked for would be missing. */
async function names(w) {
  const sockets = [];
  for (const user of ["42", "42", "ann"]) {
    const socket = await w.connect(user, { claims: { rooms: ["org:7"] } });
    sockets.push(socket.id);
    // Nobody shall wait for an ack. Who is thrown out comes back, but not so soon that a user cannot be erased meanwhile.
    socket.onAny((_, ...args) => typeof args.at(-1) === "function" && args.at(-1)());
    let timer;
    socket.on("disconnect", (reason) => {
      if (reason === "io server disconnect") timer = setTimeout(() => socket.connect(), 1000);
    });
    w.after(() => clearTimeout(timer));
  }
  const messages = [];
  for (const id of ["order-1", "order-2"]) {
    const to = { users: ["42", "away"] };
    messages.push((await w.server.emit({ to, event: "order", data: 1, store: "always", id, undelivered: "hook" })).id);
  }
  const hooks = await until("hooks", async () => {
    const { deliveries } = (await w.server.api("GET", "/v1/hooks/deliveries?user=42")).body;
    return deliveries.length > 0 && deliveries.map((it) => String(it.id));
  });
  return {
    "path.user": ["42", "ann", "away"],
    "path.room": ["org:7", "user:42"],
    "path.id": [...sockets, ...messages, "order-1", ...hooks],
    "path.seq": [1, 2],
    "query.user": ["42", "away"],
  };
}

scenario("schemathesis finds nothing that the OpenAPI document does not say", {
  hooks: { events: ["user.online", "user.offline", "message.undelivered"] },
}, async (w) => {
  const dir = mkdtempSync(path.join(tmpdir(), "userline-openapi-"));
  w.after(() => rmSync(dir, { recursive: true }));
  const known = Object.entries(await names(w));
  const file = path.join(dir, "schemathesis.toml");
  writeFileSync(file, [
    "[parameters]",
    ...known.map(([where], at) => `"${where}" = { dictionary = "known-${at}", probability = 0.4 }`),
    ...known.map(([, values], at) => `[dictionaries.known-${at}]\nvalues = ${JSON.stringify(values)}`),
  ].join("\n"));
  const { code, out } = await run(schemathesis, [
    "--config-file", file, "run", `${w.server.adminUrl}/v1/openapi.json`,
    "--header", `Authorization: Bearer ${w.server.key}`,
    "--max-time", String(SECONDS), "--seed", process.env.SEED ?? "1",
    "--continue-on-failure", "--generation-database", "none", "--warnings", "off", "--no-color",
  ], dir);
  const summary = out.slice(out.indexOf("= SUMMARY ="));
  assert.equal(code, 0, out.slice(-20_000));
  const [, selected, all] = summary.match(/Selected: (\d+)\/(\d+)/) ?? [];
  assert.ok(Number(all) >= 20 && selected === all, summary);
  const [, cases] = summary.match(/([\d,]+) generated/) ?? [];
  // Thousands on a machine that has nothing else to do.
  assert.ok(Number(cases?.replaceAll(",", "")) >= 200, summary);
}, { timeout: 240_000 });
