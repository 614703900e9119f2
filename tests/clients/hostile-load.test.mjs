// Somebody who is shown the door, and goes on: what others need of the store and of the engine is theirs.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import net from "node:net";
import { describe } from "node:test";
import { WebSocket } from "ws";
import { wsUrl } from "./lib/raw.mjs";
import { scenario } from "./lib/scenario.mjs";
import { until } from "./lib/wait.mjs";

/** CONNECTs and DISCONNECTs in turn. */
const TURNS = 10_000;

/** Sessions that are opened and never heard of again; what each may leave behind that is gone, on average. */
const [SESSIONS, LEFT_BYTES] = [60_000, 300];

/** Resident memory of the server, in bytes. */
const resident = (server) => 1024 * Number(readFileSync(`/proc/${server.child.pid}/status`, "utf8").match(/VmRSS:\s+(\d+)/)[1]);

const turns = (server) => {
  const packet = `40${JSON.stringify({ token: server.token("eve") })}`;
  return Array.from({ length: TURNS }, () => ["41", packet]).flat();
};

/**
 * What a bystander needs: somebody new connects, and an emit is stored, again and again while `busy` is not over. Where one
 * has to wait for the other, an emit is refused after 10 s.
 */
async function bystander(w, busy) {
  let over = false;
  busy.finally(() => (over = true)).catch(() => {});
  let rounds = 0;
  do {
    const socket = await w.connect(`bystander-${rounds}`);
    const answer = await w.server.emit({ to: { users: [`bystander-${rounds}`] }, event: "news", data: rounds, store: "always" });
    assert.equal(answer.sent, 1, JSON.stringify(answer));
    await until("the news", () => socket.heard.length === 1);
    socket.disconnect();
    rounds += 1;
  } while (!over && rounds < 20);
  await busy;
}

async function polling(server, sid, body) {
  return await fetch(`${server.publicUrl}/socket.io/?EIO=4&transport=polling&sid=${sid}`, { method: "POST", body });
}

describe("hostile load", { concurrency: 1 }, () => {
  scenario("a kicked client that does not poll, and joins and leaves without end, keeps nobody waiting", {}, async (w) => {
    const open = await fetch(`${w.server.publicUrl}/socket.io/?EIO=4&transport=polling`);
    const { sid } = JSON.parse((await open.text()).split("\u001e")[0].slice(1));
    await polling(w.server, sid, `40${JSON.stringify({ token: w.server.token("eve") })}`);
    await w.server.state("eve", "online");
    await w.server.api("POST", "/v1/users/eve/disconnect", { reason: "banned" });
    const packets = turns(w.server);
    const flood = async () => {
      while (packets.length > 0) {
        const answer = await polling(w.server, sid, packets.splice(0, 100).join("\u001e")).catch(() => ({ status: 0 }));
        await answer.text?.();
        if (answer.status !== 200) return;
      }
    };
    await bystander(w, flood());
    await until("eve to be offline", async () => (await w.server.user("eve")).state === "offline", 15_000);
  });

  scenario("a WebSocket that reads nothing, and joins and leaves without end, keeps nobody waiting", {}, async (w) => {
    const ws = new WebSocket(wsUrl(w.server));
    await new Promise((done) => ws.once("open", done));
    // Nothing of what the server says is read from here on.
    ws._socket.pause();
    const packets = turns(w.server);
    ws.send(packets[1]);
    ws.on("error", () => {});
    const flood = async () => {
      for (const [index, packet] of packets.entries()) {
        if (ws.readyState !== WebSocket.OPEN) return;
        ws.send(packet);
        if (index % 200 === 0) await new Promise((done) => setTimeout(done, 1));
      }
    };
    // What was sent is not yet done: a slow server is busy with it after the last packet is on its way. It goes on until the
    // kernel takes no more of its answers, which is soon when each of them is a segment of its own.
    const left = async () => {
      await flood();
      const often = async () => (await w.server.metric('userline_disconnects_total{reason="client_disconnect"}')) > 10;
      await until("it to have joined and left often", often);
    };
    w.after(() => ws.terminate());
    await bystander(w, left());
  });

  // So many that somebody who comes in beside the flood has the time to say who it is, also on a slow machine: 60,000
  // sessions a second leave each of them 33 ms.
  const few = { limits: { unauthenticated: 2_000 } };
  scenario("sessions without end on one connection leave nothing behind, and keep nobody out", few, async (w) => {
    const { hostname, port, host } = new URL(w.server.publicUrl);
    const socket = net.connect({ host: hostname, port });
    w.after(() => socket.destroy());
    const many = `GET /socket.io/?EIO=4&transport=polling HTTP/1.1\r\nHost: ${host}\r\n\r\n`.repeat(100);
    let opened = 0;
    let rest = "";
    const flood = new Promise((done, fail) => {
      const more = () => {
        while (socket.write(many));
      };
      socket.on("drain", more).on("error", fail);
      socket.on("data", (bytes) => {
        const parts = (rest + bytes.toString("latin1")).split("HTTP/1.1 200 OK");
        opened += parts.length - 1;
        rest = parts.at(-1).slice(-20);
        if (SESSIONS <= opened) done();
      });
      more();
    });
    const before = resident(w.server);
    await bystander(w, flood);
    const more = resident(w.server) - before;
    assert.ok(more < SESSIONS * LEFT_BYTES, `${more} bytes more`);
  });
});
