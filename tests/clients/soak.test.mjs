// The soak in short: what `soak.mjs` does for half an hour.
import assert from "node:assert/strict";
import { scenario } from "./lib/scenario.mjs";
import { soak, soakConfig } from "./lib/soak.mjs";

const GRACE_MS = 5000;

scenario("cuts, kicks and goodbyes for five seconds: nothing is lost, repeated, reordered or left", soakConfig(GRACE_MS), async (w) => {
  const counts = await soak(w, { ms: 5000, graceMs: GRACE_MS, clients: 24 });
  assert.ok(Object.values(counts).every((count) => 0 < count), JSON.stringify(counts));
}, { timeout: 120_000 });
