// One person's page: orders as they change, and a bell.
import { bell } from "./bell.mjs";

const $ = (id) => document.getElementById(id);
const user = new URLSearchParams(location.search).get("user");
const ask = async (what, method = "GET", more = {}) => (await fetch(`${what}?${new URLSearchParams({ user, ...more })}`, { method })).json();
// What people wrote is text, never HTML.
const element = (tag, className = "", text = "") => Object.assign(document.createElement(tag), { className, textContent: text });

if (user) await one();
else await everybody();

async function everybody() {
  $("everybody").hidden = false;
  for (const it of await ask("members")) $("everybody").append(Object.assign(element("iframe"), { src: `?user=${it}`, title: it }));
}

async function one() {
  const me = await ask("me");
  document.title = `${me.name}: orders`;
  document.body.dataset.side = me.organisation;
  for (const it of ["name", "company", "role"]) $(it).textContent = me[it];
  $("face").textContent = me.name[0];
  $("one").hidden = false;
  $("order").hidden = me.role !== "buyer";
  $("order").onsubmit = (event) => (event.preventDefault(), ask("orders", "POST", { item: event.target.item.value }));
  await new Promise((onload) => document.head.append(Object.assign(element("script"), { src: `${me.server}/socket.io/socket.io.js`, onload })));

  // A function: it runs again at every reconnect, so an expired token is never sent twice.
  const socket = io(me.server, { auth: (give) => ask("token").then(give, () => give({})) });
  const state = (name) => ($("state").dataset.state = $("state").title = name);
  socket.on("connect", async () => {
    state("connected");
    (await ask("orders")).reverse().forEach(show);
  });
  socket.on("disconnect", () => state("waiting"));
  socket.on("connect_error", () => {
    state(socket.active ? "waiting" : "refused");
    if (!socket.active) setTimeout(() => socket.connect(), 5000); // with a new token
  });

  bell(socket, $, element);

  const NEXT = { accounts: ["placed", "pay"], warehouse: ["paid", "ship"] };
  function show(order) {
    const row = element("li");
    row.id = `order-${order.id}`;
    row.append(element("small", "", `#${order.id}`), element("span", "item", order.item));
    const [from, verb] = NEXT[me.role] ?? [];
    if (order.state === from) row.append(Object.assign(element("button", "", verb), { onclick: () => ask(verb, "POST", { id: order.id }) }));
    else row.appendChild(element("span", "pill", order.state)).dataset.state = order.state;
    if ($(row.id)) $(row.id).replaceWith(row);
    else $("orders").prepend(row);
    $("none").hidden = true;
  }
  socket.on("order:changed", show);
  socket.on("order:turn", ({ id }) => $(`order-${id}`)?.classList.add("turn"));
}
