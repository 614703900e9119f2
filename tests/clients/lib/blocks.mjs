// The fenced blocks of the documentation, and what it takes to do what they say.
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { readFileSync, readdirSync, symlinkSync, writeFileSync } from "node:fs";
import path from "node:path";
import { root } from "./server.mjs";

export const pages = ["README.md", ...readdirSync(path.join(root, "docs")).filter((it) => it.endsWith(".md")).map((it) => `docs/${it}`)];

/** The blocks of a page, in order: `{page, line, language, text, where}`. */
export function blocksOf(page) {
  const blocks = [];
  let open;
  for (const [at, line] of readFileSync(path.join(root, page), "utf8").split("\n").entries()) {
    const fence = line.match(/^( *)(```+|~~~+) *(\S*)/);
    if (!open && fence) {
      open = { page, line: at + 1, language: fence[3], indent: fence[1].length, fence: fence[2], text: "", where: `${page}:${at + 1}` };
    } else if (open && line.trim() === open.fence) {
      blocks.push(open);
      open = undefined;
    } else if (open) {
      open.text += `${line.slice(open.indent)}\n`;
    }
  }
  assert.equal(open, undefined, `${open?.where}: the block does not end`);
  return blocks;
}

/** A block of commands in parts: each some lines, and the JSON that comments under them promise as their output. */
export function steps(text) {
  const parts = [{ commands: "", promised: "" }];
  let isPromise = false;
  for (const line of text.trimEnd().split("\n")) {
    isPromise = /^# [{[]/.test(line) || (isPromise && line.startsWith("#   "));
    if (isPromise) parts.at(-1).promised += line.slice(1);
    else if (parts.at(-1).promised) parts.push({ commands: `${line}\n`, promised: "" });
    else parts.at(-1).commands += `${line}\n`;
  }
  return parts;
}

/** JSON in which `…` stands for what is left out: in texts, and as the last of a list or an object. */
export function elided(text) {
  const mark = '"…"';
  return JSON.parse(
    text
      .replaceAll("{…}", `{${mark}: 0}`)
      .replaceAll("[…]", `[${mark}]`)
      .replaceAll(/,\s*…\s*\]/g, `, ${mark}]`)
      .replaceAll(/,\s*…\s*\}/g, `, ${mark}: 0}`),
  );
}

const isTime = (value) => typeof value === "string" && /^\d{4}-\d\d-\d\dT[\d:.]+Z$/.test(value);
/** Numbers that are another at each run. */
const CHANGING = new Set(["ms", "seq", "session", "head", "min_seq", "at", "next"]);

/** Insists that `actual` has the form that the documentation shows: the same keys and values, save for what differs by nature. */
export function assertShown(shown, actual, where = "", key = "") {
  if (typeof shown === "string" && shown.includes("…")) {
    const pattern = shown.split("…").map((part) => part.replaceAll(/[.*+?^${}()|[\]\\]/g, "\\$&")).join(".*");
    assert.match(String(actual), new RegExp(`^${pattern}$`, "s"), where);
  } else if (isTime(shown)) {
    assert.ok(isTime(actual), `${where}: ${actual} is no time`);
  } else if (typeof shown === "number" && CHANGING.has(key)) {
    assert.equal(typeof actual, "number", where);
  } else if (Array.isArray(shown)) {
    assert.ok(Array.isArray(actual), `${where}: ${JSON.stringify(actual)} is no list`);
    const all = shown.filter((it) => it !== "…");
    if (all.length === shown.length) assert.equal(actual.length, shown.length, `${where}: ${JSON.stringify(actual)}`);
    for (const [at, it] of all.entries()) {
      const fits = actual.some((other) => {
        try {
          assertShown(it, other, `${where}[${at}]`);
          return true;
        } catch {
          return false;
        }
      });
      assert.ok(fits, `${where}: nothing like ${JSON.stringify(it)} in ${JSON.stringify(actual)}`);
    }
  } else if (shown !== null && typeof shown === "object") {
    assert.ok(actual !== null && typeof actual === "object", `${where}: ${JSON.stringify(actual)}`);
    const keys = Object.keys(shown).filter((it) => it !== "…");
    for (const it of keys) {
      assert.ok(it in actual, `${where}: no ${it} in ${JSON.stringify(actual)}`);
      assertShown(shown[it], actual[it], `${where}.${it}`, it);
    }
    if (keys.length === Object.keys(shown).length) assert.deepEqual(Object.keys(actual).sort(), keys.sort(), where);
  } else {
    assert.deepEqual(actual, shown, where);
  }
}

/** One bash for all commands of a page, so that what one exports the next ones have. */
export class Shell {
  #out = "";
  #err = "";
  #turn;
  #count = 0;

  constructor(dir, env) {
    this.dir = dir;
    // A process group of its own, so that nothing it started outlives it.
    this.child = spawn("bash", ["-s"], { cwd: dir, env: { ...process.env, ...env }, stdio: "pipe", detached: true });
    this.child.stdout.setEncoding("utf8").on("data", (text) => {
      this.#out += text;
      const end = this.#out.indexOf("\0done\n");
      if (end >= 0) this.#turn?.done(this.#out.slice(0, end));
    });
    this.child.stderr.setEncoding("utf8").on("data", (text) => (this.#err += text));
    this.child.once("close", (code) => this.#turn?.fail(new Error(`ended with ${code}\n${this.#out}${this.#err}`)));
    this.child.stdin.write("set -euo pipefail\n");
  }

  /** Runs commands; gives what they print. A command that fails is an error. */
  async run(commands) {
    this.#out = this.#err = "";
    const file = path.join(this.dir, `.pasted-${(this.#count += 1)}`);
    writeFileSync(file, commands);
    const turn = new Promise((done, fail) => (this.#turn = { done, fail }));
    this.child.stdin.write(`. '${file}' </dev/null; printf '\\0done\\n'\n`);
    const timer = setTimeout(() => this.#turn.fail(new Error(`not done after 60 s\n${this.#out}${this.#err}`)), 60_000);
    return turn.finally(() => clearTimeout(timer));
  }

  end() {
    this.#turn = undefined;
    try {
      process.kill(-this.child.pid, "SIGKILL");
    } catch {
      // it has ended by itself
    }
  }
}

/** Makes `dir` look like a fresh clone: all that is in the repository, nothing that was built. */
export function fresh(dir) {
  for (const entry of readdirSync(root)) {
    if (!["target", "userline.toml", "userline-data", ".git"].includes(entry)) symlinkSync(path.join(root, entry), path.join(dir, entry));
  }
  return dir;
}
