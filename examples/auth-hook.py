#!/usr/bin/env python3
"""A backend that says who a client is: verifies the signature, looks at its own session cookie. No dependencies.

    AUTH_HOOK_SECRET=whsec_… python3 auth-hook.py [port]

userline.toml:  [auth] mode = "hook"    [auth.hook] url = "http://127.0.0.1:8000/realtime/auth"  secret = "whsec_…"
"""
import base64
import hashlib
import hmac
import json
import os
import sys
import time
from http.cookies import SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

SECRET = base64.b64decode(os.environ["AUTH_HOOK_SECRET"].removeprefix("whsec_"))
SESSIONS = {"s-ann": {"user": "ann", "rooms": ["org:7"], "name": "Ann"}}  # your session store
TOLERANCE_S = 300


def is_genuine(headers, body):
    """Whether userline has sent this: the signature is over the raw body, and not old."""
    at = headers.get("webhook-timestamp", "")
    if not at.isdigit() or abs(time.time() - int(at)) > TOLERANCE_S:
        return False
    content = f"{headers.get('webhook-id')}.{at}.".encode() + body
    tag = "v1," + base64.b64encode(hmac.new(SECRET, content, hashlib.sha256).digest()).decode()
    return any(hmac.compare_digest(tag, it) for it in headers.get("webhook-signature", "").split(" "))


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("content-length", 0)))
        if self.path != "/realtime/auth" or not is_genuine(self.headers, body):
            return self.answer(404, {})  # not 401: that would tell a client to stay away
        client = json.loads(body)["data"]["client"]
        cookie = SimpleCookie(client["headers"].get("cookie", "")).get("session")
        session = SESSIONS.get(cookie.value) if cookie else None
        if session is None:
            return self.answer(401, {"code": "signed_out", "message": "Sign in first."})
        self.answer(200, {"user": session["user"], "rooms": session["rooms"], "data": {"name": session["name"]}})

    def answer(self, status, value):
        body = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass  # the requests hold cookies


server = ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1]) if len(sys.argv) > 1 else 8000), Handler)
print(f"listening on {server.server_port}", flush=True)
server.serve_forever()
