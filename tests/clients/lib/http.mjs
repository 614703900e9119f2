// HTTP as no polite client speaks it: many requests on one connection without waiting for the answers.
import { once } from "node:events";
import net from "node:net";

/** POSTs `count` bodies to an admin route over one connection as fast as it takes them; counts the statuses. */
export async function pipelined(server, route, count, body) {
  const url = new URL(server.adminUrl);
  const socket = net.connect(Number(url.port), url.hostname);
  await once(socket, "connect");
  const statuses = {};
  let answers = 0;
  let rest = "";
  const finished = new Promise((done, fail) => {
    socket.setEncoding("latin1");
    socket.on("data", (text) => {
      rest += text;
      const found = [...rest.matchAll(/HTTP\/1\.1 (\d{3})/g)];
      for (const [, status] of found) {
        statuses[status] = (statuses[status] ?? 0) + 1;
        answers += 1;
      }
      if (found.length > 0) rest = rest.slice(found.at(-1).index + found.at(-1)[0].length);
      if (answers >= count) done();
    });
    socket.on("error", fail);
    socket.on("close", () => fail(new Error(`closed after ${answers} of ${count} answers: ${JSON.stringify(statuses)}`)));
  });
  finished.catch(() => {}); // seen by the await below
  for (let n = 0; n < count && !socket.destroyed; n += 1) {
    const text = body(n);
    const head = `POST ${route} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${server.key}\r\n`;
    const request = `${head}Content-Length: ${Buffer.byteLength(text)}\r\n\r\n${text}`;
    if (!socket.write(request)) await Promise.race([once(socket, "drain"), finished]);
  }
  await finished;
  socket.removeAllListeners("close");
  socket.destroy();
  return statuses;
}
