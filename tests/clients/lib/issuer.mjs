// An issuer of tokens that publishes its keys as a JSON Web Key Set, changes them, and can be down.
import { generateKeyPairSync, sign as signBytes } from "node:crypto";
import { createServer } from "node:http";

const base64 = (value) => Buffer.from(typeof value === "string" ? value : JSON.stringify(value)).toString("base64url");

export class Issuer {
  /** Requests for the keys so far. */
  asked = 0;
  isDown = false;
  #pairs = [];
  #count = 0;

  static async start() {
    const issuer = new Issuer();
    issuer.server = createServer((request, response) => {
      if (issuer.isDown) return request.socket.destroy();
      response.setHeader("content-type", "application/json");
      if (request.url === "/.well-known/openid-configuration") {
        return response.end(JSON.stringify({ issuer: issuer.url, jwks_uri: `${issuer.url}/keys` }));
      }
      issuer.asked += 1;
      response.end(JSON.stringify({ keys: issuer.#pairs.map((it) => it.jwk) }));
    });
    await new Promise((done) => issuer.server.listen(0, "127.0.0.1", done));
    issuer.url = `http://127.0.0.1:${issuer.server.address().port}`;
    issuer.rotate();
    return issuer;
  }

  /** A new key signs from now on; the one before stays published, older ones do not. */
  rotate() {
    const { publicKey, privateKey } = generateKeyPairSync("ec", { namedCurve: "P-256" });
    const kid = `key-${(this.#count += 1)}`;
    const jwk = { ...publicKey.export({ format: "jwk" }), kid, alg: "ES256", use: "sig" };
    this.#pairs = [{ kid, jwk, privateKey }, ...this.#pairs.slice(0, 1)];
  }

  /** A token for `user`, signed with the newest key; `header` goes over its header. */
  token(user, claims = {}, header = {}) {
    const [{ kid, privateKey }] = this.#pairs;
    const exp = Math.floor(Date.now() / 1000) + 3600;
    const message = `${base64({ alg: "ES256", kid, ...header })}.${base64({ sub: user, iss: this.url, exp, ...claims })}`;
    const signature = signBytes("sha256", Buffer.from(message), { key: privateKey, dsaEncoding: "ieee-p1363" });
    return `${message}.${signature.toString("base64url")}`;
  }

  async close() {
    this.server.closeAllConnections();
    await new Promise((done) => this.server.close(done));
  }
}
