// A stock client that behaves, in a process of its own: one round trip after the other until it is told to end, and twice a second
// somebody new who connects. It says how long they took, in milliseconds.
import { client, up } from "../../tests/clients/lib/client.mjs";

const { publicUrl, token } = JSON.parse(process.argv[2]);
/** So long between two round trips; between two who are new. */
const [PAUSE_MS, NEW_MS] = [5, 500];
/** After this a round trip, or a connect, has failed. */
const LATE_MS = 5_000;

const pause = (ms) => new Promise((done) => setTimeout(done, ms));
const server = { publicUrl, token: () => token };
const quantile = (sorted, of) => sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * of))] ?? null;

let over = false;
process.on("message", () => (over = true));

const [trips, joins] = [[], []];
let [failed, kept] = [0, 0];

const socket = await up(client(server, "", { transports: ["websocket"] }));
process.send("ready");

async function newcomers() {
  while (!over) {
    const begun = performance.now();
    const other = client(server, "", { transports: ["websocket"] });
    try {
      await up(other, LATE_MS);
      joins.push(performance.now() - begun);
    } catch {
      kept += 1;
    }
    other.disconnect();
    await pause(NEW_MS);
  }
}

async function echo() {
  while (!over) {
    const begun = performance.now();
    try {
      await socket.timeout(LATE_MS).emitWithAck("userline:ping", "how are you");
      trips.push(performance.now() - begun);
    } catch {
      failed += 1;
    }
    await pause(PAUSE_MS);
  }
}

await Promise.all([echo(), newcomers()]);
const figures = (all) => {
  all.sort((a, b) => a - b);
  return { count: all.length, p50: quantile(all, 0.5), p99: quantile(all, 0.99), max: all.at(-1) ?? null };
};
process.send({ trips: figures(trips), joins: figures(joins), failed, kept, ends: socket.ends });
socket.disconnect();
process.disconnect();
