// The job that every JavaScript peer does: users by `auth.user`, emits over HTTP, one echo with ack.
// It is userline's own request, so that the generator is the same for all:
//   POST /v1/emit {"to":{"all":true} | {"users":["u1"]}, "event":"bench", "data":…}

/** Registers the Socket.IO side: each socket is in the room of its user, `userline:ping` is acked with its arguments. */
export function serve(io) {
  io.use((socket, next) => {
    const { user, data } = socket.handshake.auth;
    if (typeof user !== "string") return next(new Error("unauthorized"));
    socket.data.user = user;
    if (data) socket.data.attached = data;
    next();
  });
  io.on("connection", (socket) => {
    socket.join(`user:${socket.data.user}`);
    const { n, rooms = 0 } = socket.handshake.auth;
    for (let room = 0; room < rooms; room += 1) socket.join(`room-${n + room}`);
    socket.on("userline:ping", (...args) => args.pop()(...args));
  });
}

/** Carries out one emit, given as the text of the request body. */
export function emit(io, body) {
  const { to, event, data } = JSON.parse(body);
  const target = to.all ? io : io.to(to.users.map((user) => `user:${user}`));
  target.emit(event, data);
}
