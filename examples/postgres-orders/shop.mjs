// The backend of the example: it writes orders and says who somebody is. It never talks to userline: the trigger in schema.sql
// writes the emits. Started by ./run, without packages: psql is its driver.
import { execFile } from "node:child_process";
import { createHmac } from "node:crypto";
import { readFileSync } from "node:fs";
import http from "node:http";

const { DATABASE_URL, JWT_SECRET, PORT, SERVER } = process.env;
const FILES = {
  "/": ["index.html", "text/html"],
  "/style.css": ["style.css", "text/css"],
  "/page.mjs": ["page.mjs", "text/javascript"],
  "/bell.mjs": ["bell.mjs", "text/javascript"],
};

/** What a query answers, as JSON; `:'name'` in it is a value, quoted by psql. */
function query(sql, values = {}) {
  const set = Object.entries(values).flatMap(([name, value]) => ["-v", `${name}=${value}`]);
  return new Promise((done, fail) => {
    const psql = execFile("psql", ["-XqAt", "-v", "ON_ERROR_STOP=1", ...set, DATABASE_URL], (error, text) =>
      error ? fail(error) : done(JSON.parse(text || "null")),
    );
    psql.stdin.end(sql);
  });
}

/** A token that makes its bearer a user, in the rooms of the organisation and of the role. */
function token({ id, organisation, role }) {
  const base64 = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const exp = Math.floor(Date.now() / 1000) + 600;
  const rooms = [`org:${organisation}`, `org:${organisation}:role:${role}`];
  const text = `${base64({ alg: "HS256", typ: "JWT" })}.${base64({ sub: id, exp, rooms })}`;
  return `${text}.${createHmac("sha256", JWT_SECRET).update(text).digest("base64url")}`;
}

// A real backend knows this from its session; nobody says who they are in a URL.
const member = (url) =>
  query("SELECT row_to_json(m) FROM (SELECT member.*, o.name AS company FROM member JOIN organisation o ON o.id = organisation WHERE member.id = :'id') m", {
    id: url.searchParams.get("user") ?? "",
  });

const ROUTES = {
  "GET /members": () => query("SELECT json_agg(id ORDER BY id) FROM member"),
  "GET /me": async (url) => ({ ...(await member(url)), server: SERVER }),
  "GET /token": async (url) => ({ token: token(await member(url)) }),
  "GET /orders": async (url) =>
    query("SELECT coalesce(json_agg(row_to_json(p) ORDER BY id DESC), '[]') FROM (SELECT * FROM purchase WHERE :'org' IN (buyer, seller) ORDER BY id DESC LIMIT 50) p", {
      org: (await member(url)).organisation,
    }),
  "POST /orders": async (url) => {
    const { organisation, role } = await member(url);
    if (role !== "buyer") throw new Error("only buyers order");
    const item = url.searchParams.get("item") ?? "";
    return query("INSERT INTO purchase (buyer, seller, item) VALUES (:'org', 'mill', :'item') RETURNING id", { org: organisation, item });
  },
  "POST /pay": (url) => move(url, "accounts", "placed", "paid"),
  "POST /ship": (url) => move(url, "warehouse", "paid", "shipped"),
};

async function move(url, role, from, to) {
  const { organisation, role: own } = await member(url);
  if (own !== role) throw new Error(`only ${role} may`);
  const values = { id: url.searchParams.get("id") ?? "", org: organisation, from, to };
  return query("UPDATE purchase SET state = :'to' WHERE id = :'id' AND state = :'from' AND :'org' IN (buyer, seller) RETURNING id", values);
}

http
  .createServer(async (req, res) => {
    const url = new URL(req.url, "http://shop");
    const [file, type] = FILES[url.pathname] ?? [];
    if (file) return res.setHeader("content-type", `${type}; charset=utf-8`).end(readFileSync(new URL(file, import.meta.url)));
    const route = ROUTES[`${req.method} ${url.pathname}`];
    if (!route) return res.writeHead(404).end();
    try {
      res.setHeader("content-type", "application/json").end(JSON.stringify(await route(url)));
    } catch (error) {
      res.writeHead(400).end(JSON.stringify({ error: error.message }));
    }
  })
  .listen(Number(PORT), "127.0.0.1", () => console.log(`open http://127.0.0.1:${PORT}`));
