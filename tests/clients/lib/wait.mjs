// Waiting for conditions, never for luck: every wait has a deadline and says what it waited for.

/** How long a condition may take that has no deadline of its own: a slow machine must not fail what is only slow. */
export const PATIENCE_MS = 20_000;

export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

/** Calls `check` until it returns something truthy, which is the result; fails after `deadlineMs`. */
export async function until(what, check, deadlineMs = PATIENCE_MS, everyMs = 20) {
  const end = performance.now() + deadlineMs;
  let last;
  for (;;) {
    try {
      const value = await check();
      if (value) return value;
      last = value;
    } catch (error) {
      last = error;
    }
    if (performance.now() > end) {
      const seen = last instanceof Error ? (last.stack ?? last.message) : JSON.stringify(last);
      throw new Error(`waited ${deadlineMs} ms for: ${what} (last: ${seen})`);
    }
    await sleep(everyMs);
  }
}

/** The arguments of the next `event` of an emitter (a Socket.IO socket, a ChildProcess, …). */
export function once(emitter, event, deadlineMs = PATIENCE_MS) {
  return new Promise((done, fail) => {
    const listener = (...args) => {
      clearTimeout(timer);
      done(args);
    };
    const timer = setTimeout(() => {
      emitter.off(event, listener);
      fail(new Error(`waited ${deadlineMs} ms for the event ${event}`));
    }, deadlineMs);
    emitter.once(event, listener);
  });
}

/** Fails if `check` is not truthy at every look during `forMs`: for things that must not happen. */
export async function steadily(what, check, forMs, everyMs = 50) {
  const end = performance.now() + forMs;
  while (performance.now() < end) {
    const value = await check();
    if (!value) throw new Error(`not steadily true: ${what}`);
    await sleep(everyMs);
  }
}
