// Requests that the protocol does not allow, and pages that may not connect.
import assert from "node:assert/strict";
import { describe } from "node:test";
import { WebSocket } from "ws";
import { ways } from "./lib/client.mjs";
import { rawClient, wsUrl } from "./lib/raw.mjs";
import { scenario } from "./lib/scenario.mjs";
import { once, until } from "./lib/wait.mjs";

const poll = (server, query, init) => fetch(`${server.publicUrl}/socket.io/?${query}`, init);

/** Opens a polling session; the result is its session id. */
async function polling(server) {
  const response = await poll(server, "EIO=4&transport=polling");
  assert.equal(response.status, 200);
  const text = await response.text();
  return JSON.parse(text.slice(1)).sid;
}

/** The status with which a WebSocket handshake ends: 101 or what was answered instead. */
function handshake(url, headers = {}) {
  return new Promise((done, fail) => {
    const ws = new WebSocket(url, { headers });
    ws.on("open", () => {
      ws.terminate();
      done(101);
    });
    ws.on("unexpected-response", (_, response) => {
      response.resume();
      ws.terminate();
      done(response.statusCode);
    });
    ws.on("error", (error) => fail(error));
  });
}

describe("protocol", { concurrency: 3 }, () => {
  scenario("wrong version, unknown session and unknown transport are named", {}, async (w) => {
    const cases = [
      ["EIO=9&transport=polling", { code: 5, message: "Unsupported protocol version" }],
      ["transport=polling", { code: 5, message: "Unsupported protocol version" }],
      ["EIO=4&transport=polling&sid=AAAAAAAAAAAAAAAA", { code: 1, message: "Session ID unknown" }],
      ["EIO=4&transport=pigeon", { code: 0, message: "Transport unknown" }],
      ["EIO=4", { code: 0, message: "Transport unknown" }],
    ];
    for (const [query, wanted] of cases) {
      const response = await poll(w.server, query);
      assert.equal(response.status, 400, query);
      const { code, message, hint } = await response.json();
      assert.deepEqual({ code, message }, wanted, query);
      if (code === 5) assert.match(hint, /socket\.io-client 3 or 4/);
    }
  });

  scenario("a client that sends bytes as base64 in text (`forceBase64`) gets buffers, too", {}, async (w) => {
    for (const [way, transports] of Object.entries(ways)) {
      const socket = await w.connect("42", { transports, forceBase64: true });
      const bytes = Buffer.from([0, 1, 2, 255]);
      const echo = await socket.emitWithAck("userline:ping", { bytes });
      assert.deepEqual(Buffer.from(echo.bytes), bytes, way);
    }
  });

  scenario("malformed polling bodies end that session and nothing else", {}, async (w) => {
    const witness = await w.connect("witness");
    const bodies = ["", "garbage", "9", "4", "4x", "40{", "42", "42[", '42["a"', "4\u001e\u001e", "b!!!!", "451-[", "\xff\xfe", "4" + "9".repeat(30)];
    for (const body of bodies) {
      const sid = await polling(w.server);
      const response = await poll(w.server, `EIO=4&transport=polling&sid=${sid}`, { method: "POST", body });
      assert.ok([200, 400].includes(response.status), `${JSON.stringify(body)} → ${response.status}`);
      await response.text();
    }
    const sid = await polling(w.server);
    const huge = await poll(w.server, `EIO=4&transport=polling&sid=${sid}`, { method: "POST", body: "4".repeat(3_000_000) }).then(
      (it) => it.status,
      () => "closed",
    );
    assert.ok(huge === 413 || huge === 400 || huge === "closed", `${huge}`);
    const wrongMethod = await poll(w.server, `EIO=4&transport=polling&sid=${sid}`, { method: "PUT", body: "x" });
    assert.ok(wrongMethod.status >= 400 && wrongMethod.status < 500, `${wrongMethod.status}`);
    assert.ok(witness.connected);
    assert.equal(await witness.timeout(3000).emitWithAck("userline:ping", "still here"), "still here");
  });

  scenario("malformed WebSocket frames end that connection and nothing else", {}, async (w) => {
    const witness = await w.connect("witness");
    for (const packet of ["garbage", "9", "4", "4x", "42[", '42["a"', "45", "451-[", "452-", "40{", '40{"token":', "6", "1"]) {
      const raw = await rawClient(w.server, { token: w.server.token("clumsy") });
      raw.send(packet);
      raw.send('42["userline:ping"]');
      raw.close();
    }
    const fat = await rawClient(w.server, { token: w.server.token("fat") });
    fat.send("4".repeat(3_000_000));
    await until("the fat message to end its connection", () => fat.closed !== undefined);
    await until("only the witness to be there", async () => {
      const { users } = (await w.server.api("GET", "/v1/users")).body;
      return users.filter((it) => it.state === "online").map((it) => it.user).join() === "witness";
    });
    assert.equal(await witness.timeout(3000).emitWithAck("userline:ping", "still here"), "still here");
  });

  scenario("one list of origins for polling and WebSocket", { listen: { origins: ["https://app.example.com"] } }, async (w) => {
    const evil = { origin: "https://evil.example" };
    const good = { origin: "https://app.example.com" };
    assert.equal((await poll(w.server, "EIO=4&transport=polling", { headers: evil })).status, 403);
    assert.equal(await handshake(wsUrl(w.server), evil), 403);
    assert.equal(await handshake(wsUrl(w.server), { origin: "null" }), 403);
    assert.equal(await handshake(wsUrl(w.server), { origin: "https://app.example.com.evil.example" }), 403);

    const allowed = await poll(w.server, "EIO=4&transport=polling", { headers: good });
    assert.equal(allowed.status, 200);
    assert.equal(allowed.headers.get("access-control-allow-origin"), good.origin);
    assert.equal(await handshake(wsUrl(w.server), good), 101);
    const preflight = await poll(w.server, "EIO=4&transport=polling", {
      method: "OPTIONS",
      headers: { ...good, "access-control-request-method": "POST", "access-control-request-headers": "content-type" },
    });
    assert.ok(preflight.ok, `${preflight.status}`);
    assert.equal(preflight.headers.get("access-control-allow-origin"), good.origin);
    // Programs that are not browsers send no Origin.
    assert.equal(await handshake(wsUrl(w.server)), 101);
  });

  scenario("a WebSocket handshake that is none is refused", {}, async (w) => {
    assert.equal(await handshake(wsUrl(w.server, "EIO=5&transport=websocket")), 400);
    assert.equal(await handshake(wsUrl(w.server, "EIO=4&transport=websocket&sid=AAAAAAAAAAAAAAAA")), 400);
    const plain = await poll(w.server, "EIO=4&transport=websocket");
    assert.ok(plain.status >= 400 && plain.status < 500, `${plain.status}`);
  });

  scenario("a goodbye by WebSocket is answered with one close frame, and the connection ends", {}, async (w) => {
    for (const farewell of [[], ["41"]]) {
      const ws = new WebSocket(wsUrl(w.server));
      const packets = [];
      ws.on("message", (data) => packets.push(data.toString()));
      await until("the handshake", () => packets.some((it) => it.startsWith("0")));
      ws.send(`40${JSON.stringify({ token: w.server.token("ann") })}`);
      await until("the first ping and the session", () => packets.includes("2") && packets.some((it) => it.includes("userline:session")));
      const bytes = [];
      ws._socket.on("data", (piece) => bytes.push(piece));
      for (const packet of farewell) ws.send(packet);
      ws.close();
      await until("the end", () => ws.readyState === WebSocket.CLOSED);
      assert.equal(Buffer.concat(bytes).toString("hex"), "8800");
    }
  });

  for (const [way, transports] of Object.entries(ways)) {
    scenario(`whoever closes is gone at once, admitted or refused (${way})`, {}, async (w) => {
      const connections = async (n) => (await w.server.api("GET", "/v1/stats")).body.connections === n;
      const socket = await w.connect("ann", { transports });
      await until("the connection", () => connections(1));
      socket.close();
      await until("the closed connection to be gone", () => connections(0), 2000);

      const refused = w.client("ann", { transports, auth: { token: "no token" } });
      await once(refused, "connect_error");
      refused.close();
      await until("the refused connection to be gone", () => connections(0), 2000);
    });
  }

  scenario("the admin API is not on the public listener", {}, async (w) => {
    for (const route of ["/v1/users", "/metrics", "/console/app.js"]) {
      const response = await fetch(w.server.publicUrl + route, { headers: { authorization: `Bearer ${w.server.key}` } });
      assert.equal(response.status, 404, route);
    }
  });
});
