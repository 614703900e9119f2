// The OpenAPI document says what the API does: schemathesis makes requests from the served document, good and bad, and
// compares what comes back. `SEED=n` tries others. Numbers beyond 2^53 are among them, wherever one may stand.
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

/** Integers that JavaScript cannot tell from their neighbours, to the end of 64 bits and beyond: as JSON has them. */
const LONG = ["9007199254740991", "9007199254740993", "9223372036854775807", "9223372036854775808", "18446744073709551615",
  "18446744073709551616", "-9007199254740993", "-9223372036854775809", "9007199254740991.0", "42.0"];
/** Where the document has integers of 64 bits: in a list of a body, for a field that is not there would be put in (`upto` beside
 *  `ids`), and in a path or a query, where a number is digits. What is not here is tried one by one below. */
const LONG_AT = ["body.to.users[*]", "body.users[*]", "body.emits[*].to.users[*]", "body.except.users[*]"];

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
    ...LONG_AT.map((where) => `"${where}" = { dictionary = "long", probability = 0.3 }`),
    `"query.after" = { dictionary = "digits", probability = 0.3 }`,
    ...known.map(([, values], at) => `[dictionaries.known-${at}]\nvalues = ${JSON.stringify(values)}`),
    `[dictionaries.long]\nvalues = [${LONG.join(", ")}]`,
    `[dictionaries.digits]\nvalues = [${LONG.filter((it) => !it.includes(".")).join(", ")}]`,
  ].join("\n"));
  // Thousands of cases on a machine that has nothing else to do; one that is slow gets more time, for as many as count.
  let cases = 0;
  for (let seconds = SECONDS; cases < 200; seconds *= 2) {
    assert.ok(seconds <= 4 * SECONDS, `only ${cases} cases in ${seconds / 2} s`);
    const { code, out } = await run(schemathesis, [
      "--config-file", file, "run", `${w.server.adminUrl}/v1/openapi.json`,
      "--header", `Authorization: Bearer ${w.server.key}`,
      "--max-time", String(seconds), "--seed", process.env.SEED ?? "1",
      "--continue-on-failure", "--generation-database", "none", "--warnings", "off", "--no-color",
    ], dir);
    const summary = out.slice(out.indexOf("= SUMMARY ="));
    assert.equal(code, 0, out.slice(-20_000));
    const [, selected, all] = summary.match(/Selected: (\d+)\/(\d+)/) ?? [];
    assert.ok(Number(all) >= 20 && selected === all, summary);
    cases = Number((summary.match(/([\d,]+) generated/)?.[1] ?? "0").replaceAll(",", ""));
  }
}, { timeout: 540_000 });

/** What the server says to this request, whose numbers stand as they are written; parsed, and as it came. */
async function ask({ adminUrl, key }, method, path, body) {
  const response = await fetch(adminUrl + path, { method, body, headers: { authorization: `Bearer ${key}` } });
  const text = await response.text();
  return { status: response.status, text, error: response.ok ? undefined : JSON.parse(text).error };
}

scenario("integers are exact to the end of 64 bits in digits, and below 2^53 with a fraction or an exponent", {}, async (w) => {
  const document = await (await fetch(`${w.server.adminUrl}/v1/openapi.json`, { headers: { authorization: `Bearer ${w.server.key}` } })).text();
  assert.match(document, /"maximum":18446744073709551615/, "what users may be written as, in digits");
  const users = {
    "9007199254740991": "9007199254740991", "9007199254740993": "9007199254740993", "18446744073709551615": "18446744073709551615",
    "-9223372036854775808": "-9223372036854775808", "9007199254740991.0": "9007199254740991", "9.007199254740991e15": "9007199254740991",
    "42.0": "42", "18446744073709551616": null, "-9223372036854775809": null, "9007199254740992.0": null, "9007199254740993.0": null,
    "1e16": null, "1.5": null,
  };
  for (const [written, user] of Object.entries(users)) {
    for (const [path, body] of [["/v1/emit", `{"to":{"users":[${written}]},"event":"x"}`], ["/v1/presence", `{"users":[${written}]}`]]) {
      const { status, text, error } = await ask(w.server, "POST", path, body);
      assert.equal(status, user === null ? 400 : 200, `${path} ${written}: ${text}`);
      if (user === null) assert.equal(error.code, "invalid_argument");
      else assert.ok(text.includes(`"${user}":`) || text.includes(`"user":"${user}"`), `${written}: ${text}`);
    }
  }
  const numbers = { "9007199254740993": true, "9223372036854775807": true, "9223372036854775808": false, "9007199254740991.0": true, "9007199254740993.0": false };
  for (const [written, isTaken] of Object.entries(numbers)) {
    const { status, text } = await ask(w.server, "POST", "/v1/users/42/inbox/read", `{"upto":${written}}`);
    assert.equal(status, isTaken ? 200 : 400, `upto ${written}: ${text}`);
    if (written.includes(".")) continue; // in a path or a query there are digits only
    const events = await ask(w.server, "GET", `/v1/events?after=${written}`);
    assert.equal(events.status, isTaken ? 200 : 400, `after ${written}: ${events.text}`);
    const item = await ask(w.server, "DELETE", `/v1/users/42/inbox/${written}`);
    assert.equal(item.status === 400, !isTaken, `item ${written}: ${item.text}`);
  }
});
