// What the README shows, for tests that do what it says.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import path from "node:path";
import { root } from "./server.mjs";

export const readme = readFileSync(path.join(root, "README.md"), "utf8");

/** The first fenced block of a language in the README that contains `text`. */
export function block(language, text) {
  const found = [...readme.matchAll(new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``, "g"))].map((it) => it[1]);
  const one = found.find((it) => it.includes(text));
  assert.ok(one, `README has no ${language} block with ${text}`);
  return one;
}
