// A hook receiver without dependencies: verifies the signature, drops what is old, keeps who is online.
//
//   HOOK_SECRET=whsec_… PORT=9000 node webhook-receiver.mjs        [hooks] url = "http://127.0.0.1:9000/hook"
import { createHmac, timingSafeEqual } from "node:crypto";
import http from "node:http";

const TOLERANCE_S = 300;
const BODY_MAX = 1_000_000;
const secret = process.env.HOOK_SECRET ?? "";
if (!secret.startsWith("whsec_")) throw new Error("HOOK_SECRET must be the whsec_… text of [hooks] secret");
const key = Buffer.from(secret.slice("whsec_".length), "base64");

/** user → {seq, state, session}: a table in your database, with this rule in one statement (see README). */
const presence = new Map();

/** Whether the request was signed with our secret, a short while ago. `raw` is the body as it came: never
 *  re-serialise JSON before checking. */
function verified(headers, raw) {
  const id = headers["webhook-id"];
  const stamp = headers["webhook-timestamp"];
  if (!id || !(Math.abs(Date.now() / 1000 - Number(stamp)) <= TOLERANCE_S)) return false;
  const want = createHmac("sha256", key).update(`${id}.${stamp}.`).update(raw).digest();
  // Several signatures, separated by spaces, while the secret is being changed: one of them must match.
  return (headers["webhook-signature"] ?? "").split(" ").some((part) => {
    const [version, text = ""] = part.split(",");
    const got = Buffer.from(text, "base64");
    return version === "v1" && got.length === want.length && timingSafeEqual(got, want);
  });
}

const STATES = new Map([["user.online", "online"], ["user.offline", "offline"]]);

/** Applies one event. Types that are not known, of a later version, are ignored: they say nothing of presence here.
 *  Deliveries are at least once, and a late repeat must not overwrite what is newer. */
function apply({ type, data: { user, seq, session, reason } = {} }) {
  const state = STATES.get(type);
  if (!state) return console.log(`ignored ${type}`);
  const known = presence.get(user);
  if (known && seq <= known.seq) return console.log(`dropped ${type} user=${user} seq=${seq}`);
  presence.set(user, { seq, state, session });
  if (known?.state === state && known.session === session) return; // said again with a higher seq: nothing new
  console.log(`${state} user=${user} seq=${seq}${reason ? ` reason=${reason}` : ""}`);
}

async function receive(req, res) {
  const chunks = [];
  let size = 0;
  for await (const chunk of req) {
    size += chunk.length;
    if (size > BODY_MAX) return res.writeHead(413).end();
    chunks.push(chunk);
  }
  const raw = Buffer.concat(chunks);
  if (!verified(req.headers, raw)) {
    console.log("refused: bad signature or timestamp");
    return res.writeHead(401).end();
  }
  apply(JSON.parse(raw));
  res.writeHead(204).end(); // only after the change is stored: any other answer means "send it again"
}

const server = http.createServer((req, res) => {
  receive(req, res).catch((error) => {
    console.error("failed:", error.message);
    if (!res.headersSent) res.writeHead(500);
    res.end();
  });
});
server.listen(Number(process.env.PORT ?? 9000), "127.0.0.1", () => {
  console.log(`listening http://127.0.0.1:${server.address().port}/hook`);
});
