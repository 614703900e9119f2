// The types of the server's own events, as a project with the stock client uses them: what is right compiles, what is wrong does not.
import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { promisify } from "node:util";
import { describe } from "node:test";
import { pages } from "./lib/blocks.mjs";
import { scenario } from "./lib/scenario.mjs";
import { root } from "./lib/server.mjs";

const modules = path.join(root, "tests/clients/node_modules");
const served = { socketio: { client_dir: path.join(modules, "socket.io-client/dist") } };

/** What the compiler says of `source`, beside the declarations that the server serves; empty if all is well. */
async function compile(types, source) {
  const dir = mkdtempSync(path.join(tmpdir(), "userline-types-"));
  try {
    symlinkSync(modules, path.join(dir, "node_modules"));
    writeFileSync(path.join(dir, "package.json"), '{"type":"module"}');
    writeFileSync(path.join(dir, "userline.d.ts"), types);
    writeFileSync(path.join(dir, "app.ts"), source);
    const options = ["--noEmit", "--strict", "--module", "nodenext", "--target", "es2022", "--lib", "es2022,dom", "--types", "", "app.ts"];
    await promisify(execFile)(path.join(modules, ".bin/tsc"), options, { cwd: dir });
    return "";
  } catch (error) {
    return error.stdout || String(error);
  } finally {
    rmSync(dir, { recursive: true });
  }
}

/** The example of the documentation. */
function example() {
  const text = pages.map((page) => readFileSync(path.join(root, page), "utf8")).join("\n");
  const [, source] = text.match(/```ts\n([\s\S]*?)```/);
  return source;
}

describe("types", () => {
  scenario("the example of the documentation compiles with what the server serves, and mistakes do not", served, async (w) => {
    const answer = await fetch(`${w.server.publicUrl}/socket.io/userline.d.ts`);
    assert.equal(answer.status, 200);
    const types = await answer.text();
    const source = example();
    assert.equal(await compile(types, source), "");

    for (const mistake of [
      'socket.on("userline:session", ({ usr }) => usr);',
      'socket.on("userline:presence", (it) => it.online.length);',
      'socket.emit("userline:watch", { users: "7" }, () => {});',
      'socket.emit("userline:emit", { to: { all: true }, event: "typing" }, () => {});',
      'socket.emit("userline:nothing", {});',
      'socket.emitWithAck("userline:inbox", {}).then((page) => page.items);',
    ]) {
      assert.match(await compile(types, `${source}\n${mistake}\n`), /error TS/, mistake);
    }
  });
});
