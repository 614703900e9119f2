// Stock clients that remember what they heard.
import { io } from "socket.io-client";
import { PATIENCE_MS, until } from "./wait.mjs";

/** The three ways in which the stock client comes. */
export const ways = {
  "websocket only": ["websocket"],
  "polling only": ["polling"],
  "polling, then upgrade": ["polling", "websocket"],
};

/**
 * A stock client as `user`, not yet awaited. It keeps events in `heard` (`[event, ...args]`), the server's own
 * `userline:` events in `own`, and the reasons of its disconnects in `ends`. Its `auth` is a function, as the
 * documentation recommends.
 */
export function client(server, user, options = {}) {
  const { url = server.publicUrl, namespace = "/", claims, make = io, ...rest } = options;
  const socket = make(new URL(namespace, url).href, {
    auth: (give) => give({ token: server.token(user, claims) }),
    forceNew: true,
    ...rest,
  });
  return listening(socket);
}

/** What recovery appends to every event: the place in the log, for the client to remember. */
const OFFSET = /^A?[0-9a-z]{5,}\.[0-9a-z]+$/;

/** Lets a stock socket keep what it hears; the offset at the end of each event goes to `offsets`. */
export function listening(socket) {
  socket.heard = [];
  socket.own = [];
  socket.ends = [];
  socket.offsets = [];
  socket.onAny((event, ...args) => {
    if (OFFSET.test(args.at(-1))) socket.offsets.push(args.pop());
    (event.startsWith("userline:") ? socket.own : socket.heard).push([event, ...args]);
  });
  socket.on("disconnect", (reason) => socket.ends.push(reason));
  return socket;
}

/**
 * Whether the stock client has the last of its transports. One whose connection breaks in the middle of an upgrade may
 * stay mute until its ping times out (engine.io-client 6.6 leaves its polling paused), so who cuts waits for this first.
 */
export function upgraded(socket) {
  const wanted = socket.io.opts.transports ?? ["polling", "websocket"];
  return socket.io.engine?.transport.name === (wanted.includes("websocket") ? "websocket" : wanted[0]);
}

/** Waits until the client is connected (again), and upgraded if it wants both transports. */
export async function up(socket, deadlineMs = PATIENCE_MS) {
  let refused;
  const refuse = (error) => (refused = error);
  socket.on("connect_error", refuse);
  try {
    await until(
      "the client to connect",
      () => {
        if (refused && !socket.active) throw new Error(`refused: ${refused.message} ${JSON.stringify(refused.data)}`);
        return socket.connected;
      },
      deadlineMs,
      5,
    );
  } finally {
    socket.off("connect_error", refuse);
  }
  await until("the upgrade", () => upgraded(socket), deadlineMs);
  return socket;
}
