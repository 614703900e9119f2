// A shop: an Express app with its own session cookie, which says who a client is.
import express from "express";
import session from "express-session";
import { createHmac, randomBytes, timingSafeEqual } from "node:crypto";

export class Shop {
  secret = `whsec_${randomBytes(32).toString("base64")}`;
  /** Bodies of the questions so far. */
  questions = [];
  /** Questions under way, and the most of them there were for longer than a moment. */
  underWay = 0;
  mostUnderWay = 0;
  /** Anything that was wrong with a question. */
  faults = [];
  /** Answers in place of the shop's own, if it is set: gets `(request, response)`. */
  instead = undefined;
  rooms = { 42: ["org:7", "role:admin"] };

  static async start() {
    const shop = new Shop();
    const app = express();
    app.use(session({ secret: "shop", resave: false, saveUninitialized: false, cookie: { sameSite: "lax" } }));
    app.get("/login/:user", (request, response) => {
      request.session.user = request.params.user;
      response.send("signed in");
    });
    app.get("/page", (request, response) => response.type("html").send(shop.page ?? ""));
    // The client's cookie comes inside the question: the shop's own session middleware reads it there.
    app.post("/realtime/auth", express.raw({ type: "*/*", limit: "1mb" }), async (request, response) => {
      shop.underWay += 1;
      response.once("close", () => (shop.underWay -= 1));
      // That a question was given up is heard on its own connection, maybe after the next one: so it is counted a moment later.
      setTimeout(() => (shop.mostUnderWay = Math.max(shop.mostUnderWay, shop.underWay)), 100);
      if (!shop.#isGenuine(request)) shop.faults.push("a signature is wrong");
      const question = JSON.parse(request.body);
      shop.questions.push(question);
      if (shop.instead) return shop.instead(request, response);
      const signedIn = await shop.#sessionOf(question.data.client.headers.cookie);
      if (!signedIn) return response.status(401).json({});
      if (signedIn === "banned") return response.status(403).json({ code: "no_plan", message: "Upgrade.", data: { plan: 0 } });
      response.json({ user: signedIn, rooms: shop.rooms[signedIn] ?? [], data: { name: `user ${signedIn}` } });
    });
    // Who a cookie belongs to, asked of the session middleware itself.
    app.get("/me", (request, response) => response.json(request.session.user ?? null));
    await new Promise((done) => (shop.server = app.listen(0, "127.0.0.1", done)));
    shop.url = `http://127.0.0.1:${shop.server.address().port}`;
    return shop;
  }

  /** Signs in; gives the cookie. */
  async signIn(user) {
    const response = await fetch(`${this.url}/login/${user}`);
    return response.headers.get("set-cookie").split(";")[0];
  }

  async #sessionOf(cookie) {
    if (!cookie) return null;
    return (await fetch(`${this.url}/me`, { headers: { cookie } })).json();
  }

  #isGenuine(request) {
    const { "webhook-id": id, "webhook-timestamp": at, "webhook-signature": signature } = request.headers;
    const key = Buffer.from(this.secret.slice("whsec_".length), "base64");
    const tag = createHmac("sha256", key).update(`${id}.${at}.`).update(request.body).digest("base64");
    const [given, wanted] = [signature ?? "", `v1,${tag}`].map((it) => Buffer.from(it));
    return given.length === wanted.length && timingSafeEqual(given, wanted);
  }

  async close() {
    this.server.closeAllConnections();
    await new Promise((done) => this.server.close(done));
  }
}
