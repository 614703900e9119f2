// A wall clock for one process, to be set by hand: libfaketime in front of the C library. The monotonic clock is the real one.
import assert from "node:assert/strict";
import { readdirSync, existsSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

const HOME = "/usr/lib";
const library = readdirSync(HOME)
  .map((triple) => path.join(HOME, triple, "faketime/libfaketimeMT.so.1"))
  .find((file) => existsSync(file));

export class WallClock {
  #dir = mkdtempSync(path.join(tmpdir(), "userline-clock-"));
  #file = path.join(this.#dir, "offset");

  constructor() {
    assert.ok(library, "libfaketime is missing: ./test installs it");
    this.set(0);
  }

  /** What the environment of the process must have. */
  get env() {
    return {
      LD_PRELOAD: library,
      FAKETIME_TIMESTAMP_FILE: this.#file,
      FAKETIME_NO_CACHE: "1",
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
    };
  }

  /** From now on the process sees a wall clock that is so many days off. */
  set(days) {
    // In one step: the process reads the file at any moment.
    writeFileSync(`${this.#file}.new`, `${days < 0 ? "" : "+"}${days}d\n`);
    renameSync(`${this.#file}.new`, this.#file);
  }

  remove() {
    rmSync(this.#dir, { recursive: true, force: true });
  }
}
