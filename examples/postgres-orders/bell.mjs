// The bell: how many alerts are unread, the same in every tab, and the list of all of them, with older ones when it is scrolled.
// The numbers come by themselves whenever they change; the list is asked for.

/** `$` finds an element by its id, `element` makes one. */
export function bell(socket, $, element) {
  let last = 0; // the newest alert that the list has
  let next; // where older ones go on; null: there are none, or they are on their way
  const line = (item) => {
    const li = element("li", item.read ? "" : "new", item.args[0].text);
    li.append(element("time", "", new Date(item.created_at).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" })));
    return li;
  };
  async function older() {
    if (next === null) return;
    const before = next === undefined ? {} : { before: next };
    next = null;
    const page = await socket.emitWithAck("userline:inbox", { ...before, limit: 20 });
    next = page.next;
    last = Math.max(last, page.items[0]?.seq ?? 0);
    $("list").append(...page.items.map(line));
    $("more").textContent = next === null ? ($("list").children.length ? "that was all" : "no alerts yet") : "scroll for older ones";
  }
  async function numbers({ head, unread, read_upto }) {
    Object.assign($("badge"), { hidden: unread === 0, textContent: unread > 99 ? "99+" : unread });
    if ($("alerts").hidden || head <= last) return;
    const { items } = await socket.emitWithAck("userline:inbox", { after: last });
    for (const item of items.filter(({ seq }) => seq > last)) $("list").prepend(line(item));
    last = Math.max(last, read_upto, ...items.map(({ seq }) => seq));
    socket.emit("userline:read", { upto: last });
  }
  socket.on("userline:inbox", numbers);
  // What changed while this tab was away.
  socket.on("connect", async () => numbers(await socket.emitWithAck("userline:inbox", { limit: 1 })));
  $("alerts").onscroll = ({ target }) => target.scrollTop + target.clientHeight > target.scrollHeight - 40 && older();
  $("bell").onclick = async () => {
    $("alerts").hidden = !$("alerts").hidden;
    $("bell").setAttribute("aria-expanded", String(!$("alerts").hidden));
    if ($("alerts").hidden) return;
    [last, next] = [0, undefined];
    $("list").replaceChildren();
    await older();
    if (last > 0) await socket.emitWithAck("userline:read", { upto: last });
  };
}
