// What a forwarded event costs the server in processor time: its own share, without the backend's and the clients', which are
// other processes. Linux only.
//
//   cargo build --release && (cd tests/clients && npm ci)
//   node benches/forwarded.mjs [--events 20000] [--clients 50] [--under-way 4]
//
// Beside it stands `userline:ping`, which the server answers itself: the difference is what the way to the backend costs.
import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { client, up } from "../tests/clients/lib/client.mjs";
import { Backend } from "../tests/clients/lib/backend.mjs";
import { Server } from "../tests/clients/lib/server.mjs";

const text = (fallback) => ({ type: "string", default: fallback });
const { values } = parseArgs({ options: { events: text("20000"), clients: text("50"), "under-way": text("4") } });
const [events, clients, underWay] = [values.events, values.clients, values["under-way"]].map(Number);
const ticksPerSecond = Number(execFileSync("getconf", ["CLK_TCK"], { encoding: "utf8" }));

/** Processor time that a process has taken, in microseconds. */
function cpu(pid) {
  const fields = readFileSync(`/proc/${pid}/stat`, "utf8").split(") ")[1].split(" ");
  return ((Number(fields[11]) + Number(fields[12])) / ticksPerSecond) * 1e6;
}

/** Each client keeps so many events under way until all are acked; what the server took for each, in microseconds. */
async function measure(server, sockets, name) {
  let left = events;
  const work = async (socket) => {
    while (left-- > 0) {
      const answer = await socket.timeout(30_000).emitWithAck(name, { sku: 7, text: "a few words" });
      if (answer?.error) throw new Error(JSON.stringify(answer.error));
    }
  };
  const before = cpu(server.child.pid);
  await Promise.all(sockets.flatMap((socket) => Array.from({ length: underWay }, () => work(socket))));
  return (cpu(server.child.pid) - before) / events;
}

const backend = await Backend.start((call) => ({ body: { ok: call.args[0].sku } }));
const server = await Server.start({ events: backend.config({ allow: ["order:*"], ordered: [], concurrency: 64 }) });
const sockets = await Promise.all(
  Array.from({ length: clients }, (_, n) => up(client(server, `u${n}`, { transports: ["websocket"] }))),
);
await measure(server, sockets, "order:create"); // warm: connections to the backend are open
for (const name of ["userline:ping", "order:create"]) {
  console.log(`${name.padEnd(14)} ${(await measure(server, sockets, name)).toFixed(1)} µs of the server's processor time per event`);
}
if (backend.faults.length > 0) throw new Error(backend.faults.join());
for (const socket of sockets) socket.disconnect();
await server.finish();
await backend.close();
