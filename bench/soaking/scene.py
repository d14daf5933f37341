"""The gateway under test, with a target and an issuer that this process plays."""
import asyncio
import collections
import os
import signal
import socket
import subprocess
import time
import urllib.request

from . import issuer, watch

State = collections.namedtuple("State", "memory descriptors threads connections")
PATIENCE = 20
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"

ROUTES = """\
admin: {{ address: 127.0.0.1:{admin} }}
user_pools:
  soak:
    user_pool_id: us-east-1_SoakPool1
    issuer: {issuer}
    jwks_uri: {issuer}/.well-known/jwks.json
    app_clients: [{client}]
claim_headers: {{ x-auth-subject: sub, x-auth-scope: scope }}
target_groups:
  backend: {{ targets: [127.0.0.1:{target}], health_check: {{ interval: 5s }} }}
listeners:
  http:
    address: 127.0.0.1:{http}
    rules:
      - name: orders
        conditions: {{ path_pattern: [/orders/*] }}
        jwt_validation: {{ user_pools: [soak], scopes: [orders/read] }}
        forward: backend
    default_action: {{ fixed_response: {{ status_code: {revision} }} }}
"""


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return probe.getsockname()[1]


class Scene:
    """Started and ended with `async with`."""

    def __init__(self, binary, folder, keys):
        self.binary, self.folder, self.keys = binary, folder, keys
        self.file = folder / "routes.yaml"
        self.ports = {name: free_port() for name in ("admin", "http")}

    async def __aenter__(self):
        self.target = await asyncio.start_server(self.answer, "127.0.0.1", 0, backlog=1024)
        self.ports["target"] = self.target.sockets[0].getsockname()[1]
        self.keys.mint(f"http://127.0.0.1:{self.ports['target']}/us-east-1_SoakPool1")
        self.key_set = self.keys.document()
        self.file.write_text(self.routes(404))
        self.log = (self.folder / "gateway.log").open("wb")
        self.process = subprocess.Popen([self.binary, "run", self.file], stdin=subprocess.DEVNULL,
                                        stdout=subprocess.DEVNULL, stderr=self.log)
        self.pid = self.process.pid
        return self

    async def __aexit__(self, *_):
        if self.process.poll() is None:
            self.process.terminate()
            try:
                self.process.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                self.process.kill()
        self.log.close()
        self.target.close()

    def routes(self, revision):
        return ROUTES.format(issuer=self.keys.issuer, client=issuer.CLIENT, revision=revision, **self.ports)

    async def answer(self, reader, writer):
        """The target, and the issuer's key set."""
        try:
            while True:
                head = await reader.readuntil(b"\r\n\r\n")
                if b"jwks.json" in head[:200]:
                    body = self.key_set.encode()
                    writer.write(b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: "
                                 + str(len(body)).encode() + b"\r\n\r\n" + body)
                else:
                    writer.write(OK)
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            writer.close()

    def publish(self):
        """What the issuer answers from now on."""
        self.key_set = self.keys.document()

    def write(self, text):
        """Replaces the file by rename, as an editor does, and tells the gateway."""
        new = self.file.with_suffix(".new")
        new.write_text(text)
        new.rename(self.file)
        os.kill(self.pid, signal.SIGHUP)

    async def admin(self, path):
        return await asyncio.to_thread(self.ask_admin, path)

    def ask_admin(self, path):
        with urllib.request.urlopen(f"http://127.0.0.1:{self.ports['admin']}{path}", timeout=PATIENCE) as answer:
            return answer.read().decode()

    def metric(self, name):
        """Sum of all series of a name."""
        lines = [line for line in self.ask_admin("/metrics").splitlines() if line.split("{")[0].split(" ")[0] == name]
        return sum(float(line.rpartition(" ")[2]) for line in lines)

    async def warm_up(self):
        """Until it is ready."""
        end = time.monotonic() + PATIENCE
        while True:
            try:
                await self.admin("/readyz")
                return
            except OSError:
                if self.process.poll() is not None or time.monotonic() > end:
                    raise RuntimeError(f"the gateway is not ready:\n{(self.folder / 'gateway.log').read_text()}") from None
            await asyncio.sleep(0.1)

    def take(self):
        """What it holds now."""
        return State(watch.resident(self.pid), watch.descriptors(self.pid), watch.threads(self.pid),
                     self.metric("portcullis_connections"))

    async def come_to_rest(self, start, limit):
        """What it holds once it holds no more than at the start, or after the limit."""
        end = time.monotonic() + limit
        while True:
            now = await asyncio.to_thread(self.take)
            if now.descriptors <= start.descriptors or time.monotonic() > end:
                return now
            await asyncio.sleep(1)
