// The page of `userline dev`: two stock clients of one user, an emit form, and the hooks as a backend gets them.

const { public: publicUrl, path, key, grace_ms: graceMs } = window.USERLINE;
// The version that examples/package.json pins, as the client's own documentation names it for its CDN.
const CDN = {
  src: "https://cdn.socket.io/4.8.3/socket.io.min.js",
  integrity: "sha384-kzavj5fiMwLKzzD1f8S7TeoVIEi7uKHvbTA3ueZkrzYq75pNQUiUi6Dy98Q3fxb0",
};
const LOG_LINES_MAX = 200;
/** With `recovery.window` the client is told its place in the log, after the arguments of each event. */
const OFFSET = /^A[0-9a-z]{5,}\.[0-9a-z]+$/;

const $ = (id) => document.getElementById(id);
const grace = `${graceMs / 1000} s`;
let user = $("user").value;

// ---- small things

function element(tag, className, text) {
  const it = document.createElement(tag);
  if (className) it.className = className;
  if (text !== undefined) it.textContent = text;
  return it;
}

function stamp(when = new Date()) {
  const text = when.toLocaleTimeString([], { hour12: false });
  return element("time", "", `${text}.${String(when.getMilliseconds()).padStart(3, "0")}`);
}

/** Puts a line on top of a log: newest first, bounded. */
function line(log, ...parts) {
  const li = element("li");
  li.append(...parts);
  log.prepend(li);
  while (log.children.length > LOG_LINES_MAX) log.lastChild.remove();
}

function notice(text) {
  $("notice").textContent = text;
  $("notice").hidden = !text;
}

const done = (step) => $(step).classList.add("done");

function api(method, route, body) {
  return fetch(route, { method, body, headers: { Authorization: `Bearer ${key}`, "Content-Type": "application/json" } });
}

// ---- the stock client: from the server, else from the CDN, else an explanation

function script(src, integrity) {
  return new Promise((loaded, failed) => {
    const tag = document.createElement("script");
    tag.src = src;
    if (integrity) {
      tag.integrity = integrity;
      tag.crossOrigin = "anonymous";
    }
    tag.onload = () => (window.io ? loaded() : failed(new Error(`${src} is not the client`)));
    tag.onerror = () => failed(new Error(`${src} did not load`));
    document.head.append(tag);
  });
}

async function loadClient() {
  const own = new URL(`${path}socket.io.js`, publicUrl).href;
  try {
    await script(own);
    return true;
  } catch {
    // no client_dir: go on with the public copy
  }
  try {
    await script(CDN.src, CDN.integrity);
    return true;
  } catch {
    notice(
      `The stock Socket.IO client could not be loaded, so the two tabs cannot open. Tried:\n` +
        `1. ${own} - the server has no client folder\n` +
        `2. ${CDN.src} - not reachable from this browser, or not the copy it should be\n` +
        `To get it: npm install socket.io-client@4.8.3 and start again with ` +
        `userline dev --client-dir node_modules/socket.io-client/dist`,
    );
    return false;
  }
}

// ---- the two tabs

class Pane {
  constructor(id, device, rooms) {
    this.root = $(id);
    this.device = device;
    this.rooms = rooms;
    const find = (name) => this.root.querySelector(`.${name}`);
    [this.log, this.how, this.opener, this.closer, this.cutter, this.unread] =
      ["log", "how", "open", "close", "cut", "unread"].map(find);
    this.opener.onclick = () => this.open();
    this.closer.onclick = () => this.close();
    this.cutter.onclick = () => this.cut();
    this.unread.onclick = () => this.socket?.emit("userline:read", { upto: this.head }, (now) => this.inbox(now));
    this.show("off", "not connected");
  }

  get isOpen() {
    return Boolean(this.socket);
  }

  /** One button is there at a time, and none that does nothing. */
  show(state, how) {
    this.root.dataset.state = state;
    this.how.textContent = how;
    this.opener.hidden = this.isOpen || !window.io;
    this.closer.hidden = !this.isOpen;
    this.cutter.hidden = state !== "on";
  }

  open() {
    const { device, rooms } = this;
    // forceNew: its own connection, as a real second tab has.
    const socket = window.io(publicUrl, { path, forceNew: true, auth: (give) => give({ user, device, rooms }) });
    this.socket = socket;
    this.show("opening", "connecting");

    // Listeners stand outside "connect": inside it they would pile up at every reconnect.
    socket.on("connect", () => {
      this.transport();
      socket.io.engine.on("upgrade", () => this.transport());
      if (this.wasCut) this.back(socket);
      socket.emit("userline:inbox", { limit: 1 }, (page) => this.inbox(page));
    });
    socket.on("userline:session", ({ session }) => (this.session = session));
    socket.on("userline:inbox", (numbers) => this.inbox(numbers));
    socket.onAny((event, ...args) => this.heard(event, args));
    socket.on("disconnect", (reason) => {
      this.say("down", `disconnected: ${reason}`);
      if (this.socket !== socket) return;
      if (socket.active) this.show("opening", "coming back");
      else this.gone();
    });
    socket.on("connect_error", (error) => {
      this.say("down", error.data?.code ? `refused: ${error.data.code} (${error.message})` : error.message);
      if (socket.active) return this.show("opening", "trying again");
      this.gone();
      this.show("refused", "refused");
    });
  }

  close() {
    const { socket } = this;
    this.gone();
    socket?.disconnect();
  }

  gone() {
    this.socket = undefined;
    this.wasCut = false;
    this.inbox({ unread: 0 });
    this.show("off", "closed");
    poll();
  }

  /** Breaks the connection as a tunnel does, and sends an event that this tab misses. */
  cut() {
    this.wasCut = true;
    this.socket.io.engine.close();
    send({ to: { users: [user] }, event: "while-away", data: { tab: this.device } });
  }

  back(socket) {
    this.wasCut = false;
    const what = socket.recovered
      ? "recovered: what it missed comes now"
      : "back, without what was sent meanwhile: start with --set recovery.window=2m";
    this.say(socket.recovered ? "up" : "quiet", what);
  }

  transport() {
    this.show("on", `connected · ${this.socket?.io.engine.transport.name ?? ""}`);
  }

  inbox({ unread, head }) {
    if (unread === undefined) return;
    this.head = head;
    this.unread.hidden = unread === 0;
    this.unread.textContent = `${unread} unread`;
  }

  heard(event, args) {
    const own = event.startsWith("userline:");
    const ack = typeof args.at(-1) === "function" ? args.pop() : undefined;
    ack?.({ seen: this.device });
    if (OFFSET.test(args.at(-1))) args.pop();
    const text = args.map((it) => JSON.stringify(it)).join(", ");
    line(this.log, stamp(), element("span", own ? "quiet" : "event", event), element("span", own ? "quiet" : "", text));
    if (own) return;
    if (ack) this.say("up", "acked");
    this.count = (this.count ?? 0) + 1;
    if (panes.every((pane) => pane.count)) done("step-emit");
  }

  say(className, text) {
    line(this.log, stamp(), element("span", className, text));
  }
}

const panes = [new Pane("pane-1", "tab-1", []), new Pane("pane-2", "tab-2", ["team"])];

// ---- presence of the user

let lingersSince;
let sawBoth = false;

async function poll() {
  let known;
  try {
    const answer = await api("GET", `/v1/users/${encodeURIComponent(user)}`);
    known = await answer.json();
    if (!answer.ok && answer.status !== 404) throw new Error(known.error?.message ?? answer.status);
  } catch (error) {
    return showPresence("unknown", `the server does not answer (${error.message})`);
  }
  const sockets = known.sockets?.length ?? 0;
  const state = known.state ?? "offline";
  lingersSince = state === "lingering" ? (lingersSince ?? performance.now()) : undefined;
  const left = Math.max(0, graceMs - (performance.now() - (lingersSince ?? 0))) / 1000;
  showPresence(
    state,
    {
      online: sockets === 1 ? "1 tab" : `${sockets} tabs`,
      lingering: `no tab; offline in about ${left.toFixed(0)} s`,
      offline: "",
    }[state] ?? "",
  );
  const open = panes.filter((pane) => pane.isOpen).length;
  if (open === 2 && sockets === 2) sawBoth = true;
  if (open === 1 && sockets === 1 && sawBoth) done("step-one");
}

function showPresence(state, more) {
  $("presence").dataset.state = state;
  $("kick").hidden = state !== "online";
  $("state").textContent = `${user} is ${state}`;
  $("state-more").textContent = more;
}

// ---- emit

const shellQuote = (text) => `'${text.replaceAll("'", "'\\''")}'`;

/** The ways to send: who it is for, what is asked besides, and what that does. */
const WAYS = {
  plain: { says: "You name the user; every tab and device gets it." },
  store: { more: { store: "always" }, says: "It stays in the inbox until it is read: send one while no tab is open." },
  ack: { more: { ack: { timeout: "3s" } }, says: "The answer comes when each tab has acked, and names who did not." },
  except: {
    more: { except: { devices: ["tab-1"] } },
    says: "For what tab 1 did itself: it is left out by the name it gave, also after a reconnect.",
  },
  room: { to: { rooms: ["team"] }, says: "A token says which rooms its user is in: here only tab 2 is in team." },
};

/** The request as text: the data goes out as it was typed, digits and order of keys included. */
function request() {
  const data = $("data").value.trim() || "null";
  JSON.parse(data);
  const { to = { users: [user] }, more = {} } = WAYS[$("emit-form").elements.way.value];
  const rest = JSON.stringify(more).slice(1, -1);
  const event = JSON.stringify($("event").value);
  return `{"to":${JSON.stringify(to)},"event":${event},"data":${data}${rest && `,${rest}`}}`;
}

function preview() {
  $("emit-form").querySelector(".primary").textContent = `Send to ${$("emit-form").elements.way.value === "room" ? "team" : user}`;
  $("way").textContent = WAYS[$("emit-form").elements.way.value].says;
  try {
    const body = request();
    $("data-error").hidden = true;
    $("curl").textContent =
      `curl ${location.origin}/v1/emit \\\n  -H ${shellQuote(`Authorization: Bearer ${key}`)} \\\n  -d ${shellQuote(body)}`;
    return body;
  } catch (error) {
    $("data-error").textContent = `Data is not JSON: ${error.message}`;
    $("data-error").hidden = false;
    reply("not sent");
    return undefined;
  }
}

/** Shows what came of the last request, and nothing of the one before. */
function reply(text, isBad = false) {
  $("reply").textContent = text;
  $("reply").classList.toggle("bad", isBad);
}

let sends = 0;

async function send(body) {
  // Of several that are under way the last one counts.
  const turn = (sends += 1);
  reply("…");
  let said;
  try {
    const answer = await api("POST", "/v1/emit", typeof body === "string" ? body : JSON.stringify(body));
    said = [`${answer.status} ${pretty(await answer.text())}`, !answer.ok];
  } catch (error) {
    said = [`no answer: ${error.message}`, true];
  }
  if (turn === sends) reply(...said);
}

$("emit-form").oninput = preview;
$("emit-form").onsubmit = async (submit) => {
  submit.preventDefault();
  const body = preview();
  if (!body) return;
  await send(body);
  $("reply").scrollIntoView({ block: "nearest" });
};

$("kick").onclick = () => api("POST", `/v1/users/${encodeURIComponent(user)}/disconnect`, '{"reason":"kicked on the page"}').catch(() => {});

/** JSON over several lines, with what is short on one. */
function pretty(text) {
  try {
    const whole = JSON.stringify(JSON.parse(text), null, 2);
    return whole.replaceAll(/[{[]\n\s+[^{}[\]]*[}\]]/g, (part) => {
      const short = part.replaceAll(/\n\s*/g, " ");
      return short.length < 48 ? short : part;
    });
  } catch {
    return text;
  }
}

$("copy").onclick = async () => {
  try {
    await navigator.clipboard.writeText($("curl").textContent);
    $("copy").textContent = "Copied";
  } catch {
    getSelection().selectAllChildren($("curl"));
    $("copy").textContent = "Selected";
  }
  setTimeout(() => ($("copy").textContent = "Copy"), 1500);
};

// ---- hooks

const seen = new Set();

function hook({ headers, verified, body }) {
  const id = headers["webhook-id"];
  if (seen.has(id)) return; // the last ones are told again whenever this stream reconnects
  seen.add(id);
  const { data } = body;
  const details = element("details");
  details.append(element("summary", "", "request"), element("pre", "", hookText(headers, body)));
  line(
    $("hooks"),
    stamp(new Date(body.timestamp)),
    element("span", body.type === "user.offline" ? "down" : "up", body.type),
    element("b", "", data.user),
    element("span", "quiet", data.reason ?? ""),
    element("span", verified ? "badge" : "badge bad", verified ? "signature ok" : "bad signature"),
    details,
  );
  const last = $("last-hook");
  last.replaceChildren("last hook: ", element("b", "", body.type), ` ${data.user} ${verified ? "· signature ok" : "· bad signature"}`);
  last.hidden = false;
  // Hooks of before come again after a reload: only the end of the session that these tabs were in is theirs.
  const isTheirs = data.user === user && panes.some((pane) => pane.session === data.session);
  if (body.type === "user.offline" && isTheirs && panes.every((pane) => !pane.isOpen)) done("step-last");
  poll();
}

/** Says what clients send that nobody handles: most often a name that is spelt in two ways. */
async function warn() {
  const answer = await fetch("/dev/unhandled");
  if (!answer.ok) return;
  const { events } = await answer.json();
  const names = events.flatMap(({ event, namespace }) => {
    const name = element("code", "", event);
    return [", ", name, ...(namespace === "/" ? [] : [` in ${namespace}`])];
  });
  $("unhandled").replaceChildren(...names.slice(1), ": sent by clients, handled by nobody. Spelt otherwise? Else name it in ", element("code", "", "events.allow"), ".");
  $("unhandled").hidden = events.length === 0;
}

function hookText(headers, body) {
  const head = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
  return `${head.join("\n")}\n\n${JSON.stringify(body, null, 2)}`;
}

function listen() {
  const stream = new EventSource("/dev/hooks");
  stream.onopen = () => ($("hooks-state").textContent = "listening: the server delivers its real, signed hooks here");
  stream.onmessage = (message) => hook(JSON.parse(message.data));
  stream.onerror = () => ($("hooks-state").textContent = "the server does not answer; trying again");
}

// ---- start

$("user-form").onsubmit = (submit) => {
  submit.preventDefault();
  const name = $("user").value.trim();
  if (!name || name === user) return;
  const open = panes.filter((pane) => pane.isOpen);
  open.forEach((pane) => pane.close());
  user = name;
  $("kick").textContent = `Kick ${user}`;
  open.forEach((pane) => pane.open());
  preview();
  poll();
};

$("kick").textContent = `Kick ${user}`;
$("public").textContent = publicUrl;
document.querySelectorAll(".grace").forEach((it) => (it.textContent = grace));
preview();
listen();
poll();
setInterval(() => document.hidden || poll(), 500);
// Whether the server answers is said elsewhere.
setInterval(() => document.hidden || warn().catch(() => {}), 1000);
if (await loadClient()) panes.forEach((pane) => pane.open());
