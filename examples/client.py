"""A Python client (python-socketio): hears events, measures the round trip, comes back after a restart.

    pip install 'python-socketio[client]'
    python client.py http://127.0.0.1:4000 ann        against `userline dev`, which trusts the name
    TOKEN=… python client.py https://rt.example.com
"""

import os
import signal
import sys
import time

import socketio

url = sys.argv[1] if len(sys.argv) > 1 else "http://127.0.0.1:4000"
user = sys.argv[2] if len(sys.argv) > 2 else "ann"

# handle_sigint=False: this script says goodbye itself, below.
sio = socketio.Client(handle_sigint=False)


def say(*what):
    """One line, whole: handlers run in threads of their own."""
    sys.stdout.write(" ".join(map(str, what)) + "\n")
    sys.stdout.flush()


def credentials():
    """Runs again at every reconnect: give a fresh token here."""
    token = os.environ.get("TOKEN")
    return {"token": token} if token else {"user": user}


@sio.event
def connect():
    say("connected", sio.transport())


@sio.on("userline:session")
def session(data):
    say("session", f"user={data['user']} socket={data['socket']}")
    # Not inside a handler of the read loop: the answer is read by that loop.
    sio.start_background_task(ping)


def ping():
    start = time.monotonic()
    answer = sio.call("userline:ping", {"n": 1}, timeout=5)
    say("ping", answer, f"{(time.monotonic() - start) * 1000:.1f} ms")


@sio.on("*")
def anything(event, *args):
    if not event.startswith("userline:"):
        say("event", event, *args)


@sio.event
def disconnect(reason):
    say("disconnected", reason)


@sio.event
def connect_error(data):
    say("refused", (data or {}).get("data", data) if isinstance(data, dict) else data)


def goodbye(*_):
    sio.disconnect()
    sys.exit(0)


signal.signal(signal.SIGINT, goodbye)
sio.connect(url, auth=credentials, wait_timeout=10)
sio.wait()
