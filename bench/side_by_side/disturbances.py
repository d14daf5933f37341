"""What happens to good requests while something goes wrong: a steady probe, without and with it.

A disturbance is a context manager that goes on while the probe runs. The quiet run just before
has the same background, so that a ratio shows the disturbance and nothing else.
"""
import base64
import contextlib
import http.server
import json
import os
import subprocess
import sys
import threading
from dataclasses import dataclass

from . import gateway_file, load, measure, places
from .subjects import SUBJECTS, ask, fill_in, first_token, fresh_folder, nginx_command
from .process import Process

UNKNOWN_KIDS = 2000


@dataclass(frozen=True)
class Probe:
    answered: int
    failed: int
    p50: float  # milliseconds, as are the next two
    p99: float
    worst: float


@dataclass(frozen=True)
class Disturbed:
    name: str
    round: int
    quiet: Probe
    disturbed: Probe


def probe(seconds):
    done = subprocess.run(
        load.pinned([sys.executable, places.CLIENT / "probe.py", places.HTTP, places.TOKENS / "one.txt", seconds]),
        capture_output=True, text=True, timeout=seconds + load.PATIENCE, check=True)
    answered, failed, *times = done.stdout.split()
    return Probe(int(answered), int(failed), *map(float, times))


class KeyHost:
    """The key set's host, which can be told to hang or to answer garbage."""

    def __init__(self):
        self.mood = "good"
        self.released = threading.Event()
        host = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                mood = host.mood
                if mood == "hang":
                    host.released.wait(30)
                    return
                body = b"<html>\xff\xfe" * 5000 if mood == "garbage" else (places.KEYS / "jwks.json").read_bytes()
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", places.MOODY_KEY_SET), Handler)
        self._server.daemon_threads = True
        threading.Thread(target=self._server.serve_forever, daemon=True).start()

    def close(self):
        self.released.set()
        self._server.shutdown()
        self._server.server_close()


def unknown_kids():
    """A file of tokens, each under a key that no set has."""
    file = places.TOKENS / "unknown-kids.txt"
    header, payload, signature = first_token("one").split(".")
    fields = json.loads(base64.urlsafe_b64decode(header + "=" * (-len(header) % 4)))
    with open(file, "w") as out:
        for _ in range(UNKNOWN_KIDS):
            fields["kid"] = base64.b64encode(os.urandom(24)).decode()
            fresh = base64.urlsafe_b64encode(json.dumps(fields).encode()).decode().rstrip("=")
            out.write(f"{fresh}.{payload}.{signature}\n")
    return file


@contextlib.contextmanager
def until_done(work):
    """Calls `work` again and again on a thread of its own, which it may leave early by the event."""
    over = threading.Event()

    def go_on():
        while not over.is_set():
            work(over)

    thread = threading.Thread(target=go_on)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def asks(tokens, pause):
    """A request for each token in turn, a pause between two."""
    def ask_once(over):
        for token in tokens:
            if over.wait(pause):
                return
            ask("/", token)
    return until_done(ask_once)


@contextlib.contextmanager
def wrk(script=("report.lua",), token=None):
    """Full load by wrk, until the probe is done."""
    client = subprocess.Popen(load.wrk_command(120, 32, script=script, token=token), env=load.wrk_environment(),
                              stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield
    finally:
        client.terminate()
        client.wait()


@contextlib.contextmanager
def moody(keys, mood, tokens):
    keys.mood = mood
    try:
        with asks(tokens, 0.1):
            yield
    finally:
        keys.mood = "good"


def reloads(file, text):
    revision = [0]

    def reload(over):
        revision[0] += 1
        measure.replace(file, text.replace("revision 0", f"revision {revision[0]}"))
        over.wait(1)
    return until_done(reload)


@contextlib.contextmanager
def killed(second):
    second.kill()
    yield


def second_backend():
    folder = fresh_folder("backend-2")
    file = fill_in("backend.conf", folder / "nginx.conf", set(), RUN=folder, USER="user root;" if os.geteuid() == 0 else "",
                   BACKEND=places.BACKEND + 5, KEY_SET=places.KEY_SET + 5)
    return Process(nginx_command(folder, file), places.CLIENT_CORE, folder / "output.log")


def run(number, seconds, binary=None):
    """One round: every disturbance after its own quiet."""
    subject, results = SUBJECTS["portcullis-auth"], []
    keys, second = KeyHost(), second_backend()
    kid_file = unknown_kids()
    tokens = kid_file.read_text().split()
    file = places.RUN / subject.name / "routes.yaml"

    def text():
        return gateway_file.text(True, key_set=places.MOODY_KEY_SET, targets=(places.BACKEND, places.BACKEND + 5))

    process, cores = None, os.sched_getaffinity(0)
    # What runs on our own threads belongs to the client.
    os.sched_setaffinity(0, {places.CLIENT_CORE})
    try:
        process = subject.start(binary=binary, text=text())
        nothing = contextlib.nullcontext

        def known():
            return asks([load.one_token()] * 100, 0.1)

        flood = ("rotate.lua", "cycle", kid_file)
        for name, quiet, disturbance in (
            ("key set's host hangs, 10 unknown keys a second", known, lambda: moody(keys, "hang", tokens)),
            ("key set's host answers garbage, 10 unknown keys a second", known,
             lambda: moody(keys, "garbage", tokens)),
            ("full load by random unknown keys (quiet: full load by one token)",
             lambda: wrk(token=load.one_token()), lambda: wrk(script=flood)),
            ("a reload each second", nothing, lambda: reloads(file, text())),
            ("one of two targets killed", nothing, lambda: killed(second)),
        ):
            with quiet():
                before = probe(seconds)
            with disturbance():
                results.append(Disturbed(name, number, before, probe(seconds)))
    finally:
        os.sched_setaffinity(0, cores)
        keys.close()
        second.stop()
        if process:
            process.stop()
    return results
