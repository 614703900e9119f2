// Ending a TCP connection with RST.

/** Ends `socket` with RST. */
export const reset = (socket) => socket.resetAndDestroy();

// A socket that breaks in the very moment it is being reset is never closed by Node 20, and the clean-up of a process
// that ends by itself then waits for it for ever, at full speed. process.exit does not clean up. In the last of all
// "exit" listeners: by then the tests have reported, and whatever else had to be done is done.
process.once("beforeExit", () => process.on("exit", (code) => process.exit(code)));
