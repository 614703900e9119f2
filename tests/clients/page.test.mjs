// The page of `userline dev` in a real browser: the minute that a stranger spends first.
import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import path from "node:path";
import { describe, test } from "node:test";
import { io } from "socket.io-client";
import { browser, complaints } from "./lib/chromium.mjs";
import { clientDir, withDev } from "./lib/dev.mjs";
import { root } from "./lib/server.mjs";
import { steadily, until } from "./lib/wait.mjs";

const shots = process.env.SCREENSHOTS;
const GRACE_MS = 5000;

/** Opens the page; fails at the end if it complained. */
async function visit(server, after, options) {
  const context = await browser(options);
  after(() => context.close());
  const page = await context.newPage();
  const list = complaints(page);
  await page.goto(`${server.adminUrl}/`);
  return { page, list };
}

const shot = async (page, name) => shots && page.screenshot({ path: path.join(shots, `${name}.png`), fullPage: true });

describe("the page of userline dev", () => {
  test("two tabs hear an emit; one closes: nothing; the other closes: one signed user.offline", { timeout: 60_000 }, async () => {
    await withDev(["--client-dir", clientDir], async (server, after) => {
      const { page, list } = await visit(server, after, { viewport: { width: 1200, height: 900 } });
      await page.locator("#pane-1[data-state=on]").waitFor();
      await page.locator("#pane-2[data-state=on]").waitFor();
      await page.getByText("ann is online").waitFor();
      await page.getByText("2 tabs").waitFor();
      await page.locator("#hooks li", { hasText: "user.online" }).waitFor();

      await page.locator("#event").fill("order:paid");
      await page.locator("#data").fill('{"id": 7}');
      await page.getByRole("button", { name: "Send to ann" }).click();
      for (const pane of ["#pane-1", "#pane-2"]) {
        await page.locator(`${pane} .log li`, { hasText: 'order:paid{"id":7}' }).waitFor();
      }
      const reply = await page.locator("#reply").textContent();
      assert.match(reply, /^200 /);
      assert.deepEqual(JSON.parse(reply.slice(4)).users, { ann: { state: "online", matched: 2, sent: 2 } });
      const curl = await page.locator("#curl").textContent();
      assert.ok(curl.includes(`Authorization: Bearer ${server.key}`) && curl.includes('"data":{"id": 7}'), curl);
      await page.locator("#step-emit.done").waitFor();

      await page.locator("#pane-1 .close").click();
      await page.getByText("1 tab", { exact: true }).waitFor();
      await steadily("no user.offline", async () => (await page.locator("#hooks li", { hasText: "user.offline" }).count()) === 0, GRACE_MS + 1000);
      await page.locator("#step-one.done").waitFor();

      await page.locator("#pane-2 .close").click();
      await page.getByText("ann is lingering").waitFor();
      await shot(page, "lingering");
      const offline = page.locator("#hooks li", { hasText: "user.offline" });
      await offline.waitFor({ timeout: GRACE_MS + 3000 });
      assert.match(await offline.textContent(), /client_disconnect.*signature ok/s);
      await page.getByText("ann is offline").waitFor();
      await page.locator("#step-last.done").waitFor();
      assert.equal(await page.locator("#hooks li").count(), 2);
      await shot(page, "done");
      assert.deepEqual(list, []);
    });
  });

  test("it says once which events of clients nobody handles", { timeout: 60_000 }, async () => {
    await withDev(["--client-dir", clientDir], async (server, after) => {
      const { page, list } = await visit(server, after);
      await page.locator("#pane-1[data-state=on]").waitFor();
      assert.ok(await page.locator("#unhandled").isHidden());
      const socket = io(server.publicUrl, { auth: { user: "bob" }, forceNew: true });
      after(() => socket.disconnect());
      await new Promise((done) => socket.once("connect", done));
      for (const event of ["chat:sned", "<b>bold</b>", "chat:sned"]) socket.emit(event, 1);
      await page.locator("#unhandled", { hasText: "chat:sned" }).waitFor();
      await page.locator("#unhandled", { hasText: "<b>bold</b>" }).waitFor();
      assert.equal(await page.locator("#unhandled code").count(), 3, "two names, and events.allow");
      await shot(page, "unhandled");
      assert.deepEqual(list, []);
    });
  });

  test("a reload ticks nothing that was done before it", { timeout: 60_000 }, async () => {
    await withDev(["--client-dir", clientDir], async (server, after) => {
      const { page, list } = await visit(server, after, { viewport: { width: 1280, height: 800 } });
      const bothOn = () => Promise.all([1, 2].map((n) => page.locator(`#pane-${n}[data-state=on]`).waitFor()));
      await bothOn();
      await page.getByRole("button", { name: "Send to ann" }).click();
      await page.locator("#step-emit.done").waitFor();
      await page.locator("#pane-1 .close").click();
      await page.locator("#pane-2 .close").click();
      await page.locator("#step-last.done").waitFor({ timeout: GRACE_MS + 5000 });
      await page.reload();
      await bothOn();
      // The old hooks are told again, the user.offline among them.
      await page.locator("#hooks li", { hasText: "user.offline" }).waitFor();
      await until("three hooks", async () => (await page.locator("#hooks li").count()) === 3);
      assert.equal(await page.locator(".steps .done").count(), 0);
      assert.deepEqual(list, []);
    });
  });

  test("request, answer and hooks are in sight, and no button there does nothing", { timeout: 60_000 }, async () => {
    await withDev(["--client-dir", clientDir], async (server, after) => {
      for (const viewport of [{ width: 1280, height: 800 }, { width: 390, height: 844 }]) {
        const { page, list } = await visit(server, after, { viewport });
        const inSight = async (selector) => {
          const box = await page.locator(selector).first().boundingBox();
          assert.ok(box && box.y >= 0 && box.y + box.height <= viewport.height, `${selector} at ${viewport.width}: ${JSON.stringify(box)}`);
        };
        await page.locator("#pane-2[data-state=on]").waitFor();
        await page.locator("#hooks li", { hasText: "user.online" }).first().waitFor();
        assert.equal(await page.locator("button:disabled").count(), 0);
        await page.getByRole("button", { name: "Send to ann" }).click();
        await until("the answer", async () => /^200 /.test(await page.locator("#reply").textContent()));
        for (const selector of ["#emit-form .primary", "#curl", "#reply"]) await inSight(selector);
        if (viewport.width > 1000) await inSight("#hooks li");
        await page.locator("#pane-1 .close").click();
        await page.locator("#pane-2 .close").click();
        assert.equal(await page.locator("button:disabled").count(), 0);
        await page.locator("#step-last.done").waitFor({ timeout: GRACE_MS + 5000 });
        if (viewport.width < 1000) {
          await page.locator("#last-hook", { hasText: "user.offline" }).waitFor();
          await inSight("#last-hook");
        }
        await shot(page, `sight-${viewport.width}`);
        assert.deepEqual(list, []);
        await page.context().close();
      }
    });
  });

  test("no answer of before stands beside a mistake", { timeout: 60_000 }, async () => {
    await withDev(["--client-dir", clientDir], async (server, after) => {
      const { page } = await visit(server, after);
      await page.locator("#pane-2[data-state=on]").waitFor();
      const reply = page.locator("#reply");
      const answered = (pattern) => until(`${pattern}`, async () => pattern.test(await reply.textContent()));
      await page.getByRole("button", { name: "Send to ann" }).click();
      await answered(/^200 /);
      await page.locator("#data").fill("{oops");
      await page.getByText("Data is not JSON").waitFor();
      await answered(/^not sent$/);
      await page.locator("#data").fill("1");
      await page.locator("#event").fill("userline:mine");
      await page.getByRole("button", { name: "Send to ann" }).click();
      await answered(/^422 [\s\S]*reserved_event/);
      assert.equal(await reply.getAttribute("class"), "bad");
    });
  });

  test("it shows the inbox, acks, devices, rooms, recovery and a kick", { timeout: 60_000 }, async () => {
    await withDev(["--client-dir", clientDir, "--set", "recovery.window=2m"], async (server, after) => {
      const { page, list } = await visit(server, after, { viewport: { width: 1280, height: 800 } });
      const [one, two] = ["#pane-1", "#pane-2"].map((it) => page.locator(it));
      await page.locator("#pane-1[data-state=on]").waitFor();
      await page.locator("#pane-2[data-state=on]").waitFor();
      const send = async (way) => {
        await page.getByText(way, { exact: true }).click();
        await page.getByRole("button", { name: /^Send to/ }).click();
        await until("the answer", async () => /^200 /.test(await page.locator("#reply").textContent()));
        return JSON.parse((await page.locator("#reply").textContent()).slice(4));
      };

      assert.equal((await send("and keep it")).users.ann.inbox.seq, 1);
      for (const pane of [one, two]) await pane.getByText("1 unread").waitFor();
      await shot(page, "inbox");
      await one.locator(".unread").click();
      for (const pane of [one, two]) await pane.locator(".unread").waitFor({ state: "hidden" });

      const { acked, acks } = await send("and ask for acks");
      assert.equal(acked, 2);
      assert.deepEqual(acks.map((it) => it.args[0].seen).sort(), ["tab-1", "tab-2"]);
      assert.equal((await send("but not to tab 1")).matched, 1);
      assert.equal((await send("to a room")).matched, 1);

      await one.locator(".cut").click();
      await one.getByText("recovered: what it missed comes now").waitFor();
      await one.getByText("while-away").waitFor();
      await shot(page, "recovered");

      await page.getByRole("button", { name: "Kick ann" }).click();
      for (const pane of [one, two]) await pane.getByText('{"reason":"kicked on the page"}').waitFor();
      await page.locator("#hooks li", { hasText: "kicked" }).waitFor();
      await page.getByText("ann is offline").waitFor();
      assert.deepEqual(list, []);
    });
  });

  test("it fits a phone, follows the dark scheme, and another user can be chosen", { timeout: 60_000 }, async () => {
    await withDev(["--client-dir", clientDir], async (server, after) => {
      const { page, list } = await visit(server, after, { viewport: { width: 360, height: 740 }, colorScheme: "dark" });
      await page.locator("#pane-1[data-state=on]").waitFor();
      const wide = await page.evaluate(() => document.documentElement.scrollWidth > document.documentElement.clientWidth);
      assert.equal(wide, false, "nothing sticks out on a phone");
      await page.locator("#user").fill("bob");
      await page.getByRole("button", { name: "Switch" }).click();
      await page.getByText("bob is online").waitFor();
      await until("bob to be known", async () => (await server.user("bob")).sockets.length === 2);

      await page.locator("#data").fill("{oops");
      await page.getByText("Data is not JSON").waitFor();
      await page.locator("#data").fill('{"text": "it\'s"}');
      await page.getByRole("button", { name: "Send to bob" }).click();
      await page.locator("#pane-2 .log li", { hasText: "it's" }).waitFor();
      await shot(page, "phone-dark");
      assert.deepEqual(list, []);
    });
  });

  test("without the client it says why and how to get it", { timeout: 60_000 }, async () => {
    await withDev([], async (server, after) => {
      const context = await browser();
      after(() => context.close());
      await context.route("https://cdn.socket.io/**", (route) => route.abort());
      const page = await context.newPage();
      await page.goto(`${server.adminUrl}/`);
      const notice = page.locator("#notice");
      await notice.waitFor();
      assert.match(await notice.textContent(), /could not be loaded[\s\S]*npm install socket\.io-client@[\s\S]*--client-dir/);
      await shot(page, "no-client");
    });
  });

  test("the public copy is taken when it is what it should be, and refused when it is not", { timeout: 60_000 }, async () => {
    const bundle = readFileSync(path.join(clientDir, "socket.io.min.js"));
    await withDev([], async (server, after) => {
      for (const [body, works] of [[bundle, true], [`${bundle}\n;alert(1)`, false]]) {
        const context = await browser();
        after(() => context.close());
        await context.route("https://cdn.socket.io/**", (route) =>
          route.fulfill({ body, contentType: "text/javascript", headers: { "access-control-allow-origin": "*" } }),
        );
        const page = await context.newPage();
        await page.goto(`${server.adminUrl}/`);
        await page.locator(works ? "#pane-1[data-state=on]" : "#notice:not([hidden])").waitFor();
      }
    });
  });

  test("the integrity hash of the page is that of the pinned client", () => {
    const app = readFileSync(path.join(root, "src/admin/console/app.js"), "utf8");
    const { version } = JSON.parse(readFileSync(path.join(clientDir, "../package.json"), "utf8"));
    const hash = createHash("sha384").update(readFileSync(path.join(clientDir, "socket.io.min.js"))).digest("base64");
    assert.ok(app.includes(`https://cdn.socket.io/${version}/socket.io.min.js`), version);
    assert.ok(app.includes(`sha384-${hash}`), hash);
  });
});
