// The story of examples/postgres-orders, started by its one command: an order of one organisation tells people of two, by their
// role, in all their tabs, and what they were told stays to be scrolled through.
import assert from "node:assert/strict";
import { existsSync } from "node:fs";
import net from "node:net";
import path from "node:path";
import { test } from "node:test";
import { browser, complaints } from "./lib/chromium.mjs";
import { program } from "./lib/dev.mjs";
import { binary, root } from "./lib/server.mjs";
import { until } from "./lib/wait.mjs";

const FILES = ["postgres-orders/schema.sql", "postgres-orders/shop.mjs", "postgres-orders/index.html", "postgres-orders/page.mjs", "postgres-orders/bell.mjs", "postgres-orders/style.css"];

async function freePort() {
  const server = net.createServer().listen(0, "127.0.0.1");
  await until("a port", () => server.listening);
  const { port } = server.address();
  await new Promise((done) => server.close(done));
  return port;
}

test("an order of one organisation tells people of two, and they scroll through it later", { timeout: 120_000 }, async () => {
  for (const file of FILES) assert.ok(existsSync(path.join(root, "examples", file)), file);
  const [port, serverPort] = [await freePort(), await freePort()];
  const it = program("bash", ["postgres-orders/run"], { USERLINE: binary, PORT: port, SERVER_PORT: serverPort });
  let context;
  try {
    await it.says(/open http:\S+/, 60_000);
    await it.says(/takes messages/, 60_000);
    const shop = `http://127.0.0.1:${port}`;
    context = await browser();
    const opened = [];
    const open = async (user) => {
      const page = await context.newPage();
      opened.push([page, complaints(page)]);
      await page.goto(`${shop}/?user=${user}`);
      await page.locator("#state[data-state=connected]").waitFor();
      return page;
    };
    const [ann, bob, cem, cemToo, dora] = [await open("ann"), await open("bob"), await open("cem"), await open("cem"), await open("dora")];
    const badge = (page, text) => page.locator("#badge", { hasText: new RegExp(`^${text}$`) }).waitFor();
    const noBadge = (page) => page.locator("#badge").waitFor({ state: "hidden" });

    // Ann orders; both organisations see it, accounts and sales have an alert, in each tab.
    await ann.locator("#order input").fill("<b>flour</b>");
    await ann.locator("#order button").click();
    for (const page of [ann, bob, cem, cemToo, dora]) await page.locator("#orders li", { hasText: "#1<b>flour</b>" }).waitFor();
    for (const page of [bob, cem, cemToo]) await badge(page, "1");
    await bob.locator("#orders button", { hasText: "pay" }).click();
    await badge(dora, "1");
    await dora.locator("#orders button", { hasText: "ship" }).click();
    await badge(ann, "1");
    for (const page of [cem, cemToo]) await badge(page, "3");
    for (const page of [ann, bob, cem, dora]) await page.locator(".pill[data-state=shipped]").waitFor();

    // More is sold than a page of the inbox holds. Who comes later finds it.
    await cemToo.close();
    for (let n = 2; n <= 30; n += 1) await fetch(`${shop}/orders?user=ann&item=rye+${n}`, { method: "POST" });
    await badge(cem, "32");
    const late = await open("cem");
    await badge(late, "32");

    // Read in one tab, it is read in all.
    await late.locator("#bell").click();
    await late.locator("#list li", { hasText: "sold rye 30" }).waitFor();
    for (const page of [cem, late]) await noBadge(page);
    assert.equal(await late.locator("#list li").count(), 20);
    await until("older ones", async () => {
      await late.locator("#alerts").evaluate((list) => list.scrollTo(0, list.scrollHeight));
      return (await late.locator("#list li").count()) === 32;
    });
    assert.match(await late.locator("#list li").last().textContent(), /^sold <b>flour<\/b>/);
    // With the bell open, a new one is on top, and read.
    await bob.locator("#orders button", { hasText: "pay" }).first().click();
    await late.locator("#list li").first().filter({ hasText: "is paid" }).waitFor();
    for (const page of [cem, late]) await noBadge(page);

    for (const [, list] of opened) assert.deepEqual(list, []);
  } catch (error) {
    console.error(`--- what the example said\n${it.text.slice(-6000)}\n---`);
    throw error;
  } finally {
    await context?.close();
    await it.stop();
  }
  assert.doesNotMatch(it.text, /ERROR|panicked/);
});
