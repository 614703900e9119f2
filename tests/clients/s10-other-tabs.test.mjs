// Story S10: what a tab did itself it need not hear about; the other tabs of the user must.
import assert from "node:assert/strict";
import { describe } from "node:test";
import { ways } from "./lib/client.mjs";
import { Proxy } from "./lib/proxy.mjs";
import { scenario } from "./lib/scenario.mjs";
import { once, steadily, until } from "./lib/wait.mjs";

const ann = { users: ["ann"] };
const names = (socket) => socket.heard.map(([event]) => event);

/** A tab of ann that names its device. */
const tab = (w, device, options = {}) =>
  w.connect("ann", { auth: (give) => give({ token: w.server.token("ann"), device }), ...options });

describe("S10", { concurrency: 4 }, () => {
  for (const [recovery, window] of [["without recovery", "0s"], ["with recovery", "2m"]]) {
    for (const [way, transports] of Object.entries(ways)) {
      scenario(`except.devices leaves tab A out, also after it has reconnected (${recovery}, ${way})`, { recovery: { window }, presence: { grace: "10s" } }, async (w) => {
        const proxy = await Proxy.start(Number(new URL(w.server.publicUrl).port));
        w.after(() => proxy.close());
        const a = await tab(w, "d1", { url: proxy.url, transports });
        const b = await tab(w, "d2", { transports });
        const unnamed = await w.connect("ann", { transports });
        const others = { to: ann, except: { devices: ["d1"] } };
        const answer = await w.server.emit({ ...others, event: "first" });
        assert.deepEqual([answer.matched, answer.sent], [2, 2]);

        const { id } = a; // what the request that A made would have told the backend
        proxy.refusing = true;
        proxy.cut();
        await until("the cut", () => a.ends.length === 1);
        proxy.refusing = false;
        await until("A to be back", () => a.connected && a.id !== id);
        await until("no ghost", async () => (await w.server.user("ann")).sockets.length === 3);
        assert.equal((await w.server.emit({ ...others, event: "second" })).matched, 2);
        assert.equal((await w.server.emit({ to: ann, except: { sockets: [id, "gone"] }, event: "third" })).id.slice(0, 4), "msg_");
        assert.equal((await w.server.emit({ to: ann, except: { users: ["ann"] }, event: "nobody" })).matched, 0);
        await w.server.emit({ to: ann, event: "end" });

        for (const socket of [a, b, unnamed]) await until("the end", () => names(socket).includes("end"));
        assert.deepEqual(names(b), ["first", "second", "third", "end"]);
        assert.deepEqual(names(unnamed), ["first", "second", "third", "end"]);
        assert.deepEqual(names(a).filter((it) => it !== "third"), ["end"]);
      });
    }
  }

  scenario("what was sent while tab A was away is not replayed to it, also over a restart", { recovery: { window: "2m" }, presence: { grace: "10s" } }, async (w) => {
    const proxy = await Proxy.start(Number(new URL(w.server.publicUrl).port));
    w.after(() => proxy.close());
    const a = await tab(w, "d1", { url: proxy.url });
    const b = await tab(w, "d2");
    proxy.refusing = true;
    proxy.cut();
    await until("the cut", () => a.ends.length === 1);
    await w.server.emit({ to: ann, except: { devices: ["d1"] }, event: "own" });
    await w.server.emit({ to: ann, event: "for all" });
    await until("B to hear", () => b.heard.length === 2);
    await w.server.term();
    await w.server.up();
    await until("B to be back", () => b.connected);
    await w.server.emit({ to: ann, except: { devices: ["d1"] }, event: "own again" });
    proxy.refusing = false;
    await until("A to be back", () => a.connected, 20_000);
    await until("B to hear", () => b.heard.length === 3);
    assert.equal(a.recovered, true);
    await steadily("nothing of its own", () => a.heard.length <= 1, 300);
    assert.deepEqual([names(a), names(b)], [["for all"], ["own", "for all", "own again"]]);
  });

  scenario("the device is shown, and a bad one is refused with a code", {}, async (w) => {
    const socket = await tab(w, "k3v9 é");
    const [shown] = (await w.server.user("ann")).sockets;
    assert.equal(shown.device, "k3v9 é");
    assert.equal((await w.server.api("GET", `/v1/sockets/${socket.id}`)).body.device, "k3v9 é");
    const longest = await tab(w, "x".repeat(128));
    assert.equal((await w.server.api("GET", `/v1/sockets/${longest.id}`)).body.device.length, 128);
    const nameless = await tab(w, null);
    assert.equal((await w.server.api("GET", `/v1/sockets/${nameless.id}`)).body.device, undefined);
    for (const device of ["", "x".repeat(129), "a\u0000b", 5, ["d1"], { id: "d1" }, true]) {
      const refused = w.client("ann", { auth: { token: w.server.token("ann"), device } });
      const [error] = await once(refused, "connect_error");
      assert.equal(error.data?.code, "device_invalid", JSON.stringify(device));
      assert.equal(refused.active, false);
    }
    const many = { to: { all: true }, event: "x", except: { devices: Array.from({ length: 1001 }, (_, n) => `d${n}`) } };
    const { status, body } = await w.server.api("POST", "/v1/emit", many);
    assert.deepEqual([status, body.error.field], [400, "except.devices"]);
  });
});
