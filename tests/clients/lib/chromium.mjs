// Debian's chromium, driven by playwright-core, in an empty profile and without talking to anybody else.
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { chromium } from "playwright-core";

const executablePath = process.env.CHROMIUM ?? "/usr/bin/chromium";
if (!existsSync(executablePath)) {
  throw new Error(`${executablePath} is missing: apt-get install chromium (./test does), or name one in CHROMIUM`);
}

/** Opens a browser context; `close()` it afterwards. Options are playwright's context options. */
export async function browser(options = {}) {
  const profile = mkdtempSync(path.join(tmpdir(), "userline-chromium-"));
  const context = await chromium.launchPersistentContext(profile, {
    executablePath,
    headless: true,
    args: [
      "--no-sandbox",
      "--disable-gpu",
      "--disable-quic",
      "--no-first-run",
      "--disable-background-networking",
      "--disable-component-update",
      "--disable-sync",
    ],
    ...options,
  });
  const close = context.close.bind(context);
  context.close = async () => {
    await close();
    rmSync(profile, { recursive: true, force: true });
  };
  return context;
}

/** Keeps what a page complains about: errors, and console lines of level error. */
export function complaints(page) {
  const list = [];
  page.on("pageerror", (error) => list.push(error.message));
  page.on("console", (line) => line.type() === "error" && list.push(line.text()));
  return list;
}
