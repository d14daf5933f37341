"""The built gateway as a child process, a target behind it, and a client that sends exact bytes."""

import http.server
import json
import os
import pathlib
import queue
import socket
import subprocess
import tempfile
import threading
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
#: Where cargo builds, and what `run` installs is found.
TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "target"))
BINARY = pathlib.Path(os.environ.get("PORTCULLIS", TARGET / "debug/portcullis"))
PATIENCE = 30


def until(what, condition):
    """Waits for what another process does in its own time."""
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        value = condition()
        if value is not None:
            return value
        time.sleep(0.02)
    raise RuntimeError(f"waited {PATIENCE} s for {what}")


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


class Process:
    """A child that is ended by its own process id."""

    def __init__(self, *command, **options):
        self.child = subprocess.Popen([str(part) for part in command], stdin=subprocess.DEVNULL,
                                      **options)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.child.terminate()
        try:
            self.child.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.child.kill()
            self.child.wait()


class Gateway(Process):
    """`portcullis run` on this text. Use port 0 everywhere: the real ports are read back."""

    def __init__(self, routes, command="run"):
        self.folder = tempfile.TemporaryDirectory(prefix="portcullis-oracles-")
        file = pathlib.Path(self.folder.name, "routes.yaml")
        file.write_text(routes)
        self.lines, self.said, self.listeners = queue.Queue(), [], {}
        super().__init__(BINARY, command, file, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE,
                         text=True, env=os.environ | {"PORTCULLIS_LOG_FORMAT": "json"})
        threading.Thread(target=self._listen, daemon=True).start()
        try:
            self._read_addresses()
            until("/readyz", lambda: self.is_ready() or None)
        except BaseException:
            self.__exit__()
            raise

    def __exit__(self, *_):
        super().__exit__()
        self.folder.cleanup()

    def _listen(self):
        for line in self.child.stderr:
            self.lines.put(line)
        self.lines.put(None)

    def _read_addresses(self):
        while True:
            line = self.lines.get(timeout=PATIENCE)
            if line is None:
                raise RuntimeError("the gateway ended:\n" + "".join(self.said))
            self.said.append(line)
            try:
                event = json.loads(line)
            except ValueError:
                continue
            message, address = event.get("message"), event.get("address", "")
            host, _, port = address.rpartition(":")
            if message == "listening":
                self.listeners[event["listener"]] = (host, int(port))
            elif message == "admin listening":
                self.admin = f"http://{address}"
            elif message == "serving":
                return

    @property
    def address(self):
        """Where its only listener listens."""
        (address,) = self.listeners.values()
        return address

    def is_ready(self):
        try:
            return urllib.request.urlopen(f"{self.admin}/readyz", timeout=PATIENCE).status == 200
        except OSError:
            return False

    def ask_admin(self, path):
        with urllib.request.urlopen(self.admin + path, timeout=PATIENCE) as answer:
            return answer.read().decode()


class Server:
    """A server of the tests on loopback: key sets by path, and elsewhere an echo of what came."""

    def __init__(self, documents=None):
        self.documents = documents or {}
        server = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            disable_nagle_algorithm = True

            def do_GET(self):
                document = server.documents.get(self.path)
                if document is None:
                    document = [[name.lower(), value] for name, value in self.headers.items()]
                body = json.dumps(document).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        class Listener(http.server.ThreadingHTTPServer):
            daemon_threads = True
            # The default of 5 makes the kernel drop what a loaded gateway opens at once.
            request_queue_size = 256

        self.server = Listener(("127.0.0.1", 0), Handler)
        self.address = "127.0.0.1:%d" % self.server.server_address[1]

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


class Client:
    """One HTTP/1.1 connection after another; sends the bytes that it is told."""

    def __init__(self, address):
        self.address = address
        self.socket = None

    def get(self, path, authorization=None):
        """Status and body. Status None: the connection ended without an answer."""
        line = b"" if authorization is None else b"Authorization: " + authorization + b"\r\n"
        head = b"GET %s HTTP/1.1\r\nHost: gateway.test\r\n%s\r\n" % (path.encode(), line)
        fresh = self.socket is None
        try:
            return self._exchange(head)
        except OSError:
            self.close()
            if fresh:
                return None, b""
            # The kept connection was closed meanwhile: once more on a new one.
            return self.get(path, authorization)

    def _exchange(self, head):
        if self.socket is None:
            self.socket = socket.create_connection(self.address, PATIENCE)
            self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self.input = self.socket.makefile("rb")
        try:
            self.socket.sendall(head)
        except OSError:
            pass  # refused while we were still sending: the answer may be there all the same
        status = self.input.readline().split()
        if len(status) < 2:
            raise ConnectionError
        headers = {}
        while (line := self.input.readline().strip()):
            name, _, value = line.partition(b":")
            headers[name.lower()] = value.strip()
        body = self.input.read(int(headers.get(b"content-length", 0)))
        if headers.get(b"connection", b"").lower() == b"close":
            self.close()
        return int(status[1]), body

    def close(self):
        if self.socket is not None:
            self.socket.close()
            self.socket = None


class Suite:
    """Counts cases; a failed one is a line, and the count stands alone on the last."""

    def __init__(self, name, what):
        print(f"--- {name}: {what}", flush=True)
        self.name = name
        self.passed = self.failed = 0

    def check(self, case, good, found=""):
        if good:
            self.passed += 1
        else:
            self.failed += 1
            print(f"FAILED {self.name}: {case}: {found}", flush=True)
        return good

    def equal(self, case, found, expected):
        return self.check(case, found == expected, f"{found!r}, expected {expected!r}")

    def tell(self):
        print(f"{self.passed} passed, {self.failed} failed", flush=True)
        return self.failed == 0 and self.passed > 0
