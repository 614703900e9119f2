"""Story S1 told by python-socketio: two devices of one user, addressed together, gone after the last.

Run by ./test (python -m unittest); the server and the hook receiver are started here.
"""

import base64
import hashlib
import hmac
import http.server
import json
import os
import pathlib
import re
import secrets
import signal
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.request

import socketio

ROOT = pathlib.Path(__file__).resolve().parents[2]
BINARY = os.environ.get("USERLINE_BIN", str(ROOT / "target/release/userline"))
GRACE = 2.0


def until(what, check, deadline=10.0):
    """Calls check until it is true; fails after deadline seconds."""
    end = time.monotonic() + deadline
    while time.monotonic() < end:
        value = check()
        if value:
            return value
        time.sleep(0.02)
    raise AssertionError(f"waited {deadline} s for: {what}")


def token(user, secret):
    def part(value):
        return base64.urlsafe_b64encode(json.dumps(value).encode()).rstrip(b"=")

    signed = part({"alg": "HS256", "typ": "JWT"}) + b"." + part({"sub": user, "exp": int(time.time()) + 3600})
    mac = hmac.new(secret.encode(), signed, hashlib.sha256).digest()
    return (signed + b"." + base64.urlsafe_b64encode(mac).rstrip(b"=")).decode()


class Receiver(http.server.ThreadingHTTPServer):
    """Keeps (time, event) of every correctly signed hook in `events`, the rest in `faults`."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.key = secrets.token_bytes(32)
        self.events = []
        self.faults = []
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def of(self, user, kind):
        return [it for it in self.events if it[1]["data"]["user"] == user and it[1]["type"] == kind]


class Handler(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        at = time.monotonic()
        raw = self.rfile.read(int(self.headers["content-length"]))
        signed = f"{self.headers['webhook-id']}.{self.headers['webhook-timestamp']}.".encode() + raw
        mac = hmac.new(self.server.key, signed, hashlib.sha256).digest()
        want = "v1," + base64.b64encode(mac).decode()
        if not hmac.compare_digest(want, self.headers["webhook-signature"]):
            self.server.faults.append("signature")
        self.server.events.append((at, json.loads(raw)))
        self.send_response(204)
        self.end_headers()

    def log_message(self, *_):
        pass


class TwoDevices(unittest.TestCase):
    def setUp(self):
        self.receiver = Receiver()
        self.addCleanup(self.receiver.server_close)
        self.addCleanup(self.receiver.shutdown)
        folder = tempfile.TemporaryDirectory(prefix="userline-test-")
        self.addCleanup(folder.cleanup)
        self.secret = secrets.token_hex(32)
        self.key = secrets.token_hex(16)
        hook_secret = "whsec_" + base64.b64encode(self.receiver.key).decode()
        config = pathlib.Path(folder.name, "userline.toml")
        config.write_text(f"""
[listen]
public = "127.0.0.1:0"
admin = "127.0.0.1:0"
origins = ["*"]
drain = "1s"
[admin]
keys = [{{ name = "test", key = "{self.key}", scopes = ["emit", "read", "control"] }}]
[auth]
mode = "jwt"
[auth.jwt]
secret = "{self.secret}"
algorithms = ["HS256"]
[presence]
grace = "{GRACE:.0f}s"
[hooks]
url = "http://127.0.0.1:{self.receiver.server_port}/hook"
secret = "{hook_secret}"
allow_private = true
[store]
data_dir = "{folder.name}/data"
""")
        self.log = open(pathlib.Path(folder.name, "log"), "w+")
        self.addCleanup(self.log.close)
        self.process = subprocess.Popen(
            [BINARY, "serve", "--config", str(config)],
            stdout=subprocess.PIPE,
            stderr=self.log,
            text=True,
            cwd=folder.name,
        )
        self.addCleanup(self.stop)
        found = {}
        while not {"public", "admin"} <= found.keys():
            line = self.process.stdout.readline()
            if not line:
                self.log.seek(0)
                self.fail(f"the server ended: {self.log.read()}")
            if match := re.match(r"^(\w+)\s+(\S+)$", line):
                found[match[1]] = match[2].rstrip("/")
        self.public, self.admin = found["public"], found["admin"]

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        code = self.process.wait(10)
        self.process.stdout.close()
        self.log.seek(0)
        errors = [line for line in self.log if re.search(r"\bERROR\b|panicked at", line)]
        self.assertEqual((code, errors), (0, []))

    def emit(self, body):
        request = urllib.request.Request(
            f"{self.admin}/v1/emit",
            data=json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.key}"},
        )
        with urllib.request.urlopen(request, timeout=10) as response:
            return json.load(response)

    def device(self, transports):
        client = socketio.Client(handle_sigint=False, reconnection=False)
        client.heard = []
        client.on("order:paid", client.heard.append)
        client.on("*", lambda *_: None)
        client.connect(self.public, auth={"token": token("42", self.secret)}, transports=transports, wait_timeout=10)
        self.addCleanup(client.disconnect)
        until(f"the transport {transports[-1]}", lambda: client.transport() == transports[-1])
        return client

    def story(self, transports):
        phone, laptop = self.device(transports), self.device(transports)
        answer = self.emit({"to": {"users": ["42"]}, "event": "order:paid", "data": {"id": 7}})
        self.assertEqual(answer["users"], {"42": {"state": "online", "matched": 2, "sent": 2}})
        for device in (phone, laptop):
            until("the event", lambda: device.heard)
            self.assertEqual(device.heard, [{"id": 7}])
        self.assertEqual(phone.call("userline:ping", {"n": 1}, timeout=5), {"n": 1})
        # This client writes the name with escapes.
        self.assertEqual(phone.call("größe", 1, timeout=5)["error"]["code"], "unknown_event")
        self.assertTrue(phone.connected)
        until("user.online", lambda: self.receiver.of("42", "user.online"))

        # A polling client of this library that is told to leave in the middle of a POST leaves without a word.
        until("the client to have sent all", lambda: phone.eio.queue.unfinished_tasks == 0)
        phone.disconnect()
        time.sleep(GRACE + 3)  # the story: nothing happens in this time
        self.assertEqual(len(self.receiver.events), 1)

        closed = time.monotonic()
        laptop.disconnect()
        at, offline = until("user.offline", lambda: self.receiver.of("42", "user.offline"))[0]
        self.assertTrue(GRACE - 0.02 <= at - closed <= GRACE + 1, at - closed)
        self.assertEqual(offline["data"]["session"], self.receiver.events[0][1]["data"]["session"])
        nobody = self.emit({"to": {"users": ["42"]}, "event": "order:paid", "data": 1})
        self.assertEqual(nobody["matched"], 0)
        self.assertEqual([it[1]["type"] for it in self.receiver.events], ["user.online", "user.offline"])
        self.assertEqual(self.receiver.faults, [])

    def test_websocket_only(self):
        self.story(["websocket"])

    def test_polling_only(self):
        self.story(["polling"])

    def test_polling_then_upgrade(self):
        self.story(["polling", "websocket"])


if __name__ == "__main__":
    unittest.main()
