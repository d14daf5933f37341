"""Raw requests of attackers, sent through the gateway to nginx and to HAProxy. Whatever reaches a
target must be what the gateway judged: the same requests in the same order, each with the method,
path, host and body length that stand in the gateway's access log."""

import getpass
import json
import pathlib
import re
import shutil
import socket
import tempfile
import threading
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor

from attacks import ATTACKS
from gateway import Gateway, Process, Suite, free_port, until

WORKERS = 8
LAST = "/canary"

ROUTES = """
admin: {{ address: 127.0.0.1:0 }}
access_log: {{ destination: {log}, query: true }}
target_groups:
  web: {{ targets: ["127.0.0.1:{port}"], health_check: {{ enabled: false }} }}
listeners:
  public:
    address: 127.0.0.1:0
    idle_timeout: 1s
    desync_mitigation_mode: {mode}
    rules:
      - {{ name: closed, conditions: {{ path_pattern: [/admin, "/admin/*"] }}, fixed_response: {{ status_code: 403 }} }}
      - {{ name: open, public: true, conditions: {{ path_pattern: ["/*"] }}, forward: web }}
"""

NGINX = """
daemon off; worker_processes 1; error_log stderr crit; pid {folder}/nginx.pid; {user}
events {{ worker_connections 512; }}
http {{
  client_body_temp_path {folder}/b; proxy_temp_path {folder}/p; fastcgi_temp_path {folder}/f;
  uwsgi_temp_path {folder}/u; scgi_temp_path {folder}/s;
  large_client_header_buffers 8 64k; client_max_body_size 0; underscores_in_headers on;
  log_format seen escape=json '{{"method":"$request_method","target":"$request_uri","host":"$http_host","length":"$content_length"}}';
  server {{
    listen 127.0.0.1:{port}; access_log {log} seen; merge_slashes off;
    location / {{ client_body_in_single_buffer on; proxy_pass http://127.0.0.1:{sink}; }}
  }}
  server {{ listen 127.0.0.1:{sink}; access_log off; location / {{ return 200 "ok"; }} }}
}}
"""

HAPROXY = """
global
  log {log} format raw local0
  maxconn 512
defaults
  mode http
  timeout client 10s
  timeout server 10s
  timeout connect 5s
  timeout http-request 5s
frontend in
  bind 127.0.0.1:{port}
  log global
  option http-buffer-request
  log-format '{{"method":"%[var(txn.method),json(utf8s)]","target":"%[var(txn.target),json(utf8s)]","host":"%[var(txn.host),json(utf8s)]","length":"%[var(txn.length),json(utf8s)]"}}'
  http-request set-var(txn.method) method
  http-request set-var(txn.target) url
  http-request set-var(txn.host) req.hdr(host)
  http-request set-var(txn.length) req.body_size
  http-request return status 200 content-type text/plain string ok
"""


class Nginx(Process):
    name = "nginx"

    def __init__(self, folder):
        self.port, self.log = free_port(), folder / "nginx.log"
        user = "user root;" if getpass.getuser() == "root" else ""
        file = folder / "nginx.conf"
        file.write_text(NGINX.format(folder=folder, port=self.port, sink=free_port(),
                                     log=self.log, user=user))
        super().__init__(shutil.which("nginx") or "/usr/sbin/nginx", "-p", folder, "-c", file)

    def lines(self):
        return [json.loads(line) for line in self.log.read_text().splitlines()]


class HAProxy(Process):
    name = "haproxy"

    def __init__(self, folder):
        self.port, self.seen = free_port(), []
        # A datagram socket: HAProxy writes no files.
        place = folder / "haproxy.sock"
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 22)
        self.socket.bind(str(place))
        file = folder / "haproxy.cfg"
        file.write_text(HAPROXY.format(port=self.port, log=place))
        super().__init__(shutil.which("haproxy") or "/usr/sbin/haproxy", "-db", "-f", file)
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self):
        while True:
            text = self.socket.recv(65536).decode()
            if "{" in text:
                self.seen.append(json.loads(text[text.index("{"):]))

    def lines(self):
        return list(self.seen)


def ready(port):
    try:
        return urllib.request.urlopen(f"http://127.0.0.1:{port}/ready", timeout=5).status == 200 or None
    except OSError:
        return None


def exchange(address, raw):
    """Sends the bytes, and all that comes back until the gateway closes or falls silent."""
    with socket.create_connection(address, timeout=20) as client:
        try:
            client.sendall(raw)
        except OSError:
            pass
        got = b""
        try:
            while piece := client.recv(65536):
                got += piece
        except OSError:
            pass
        return got


def answers(raw):
    """Statuses in what came back. The bodies of this suite hold no status line."""
    return [int(status) for status in re.findall(rb"HTTP/1\.1 (\d{3}) ", raw)]


def key(line):
    return line["method"], line["target"], (line["host"] or "").lower(), int(line["length"] or 0)


def judged(line):
    target = line["path"] + ("?" + line["query"] if "query" in line else "")
    return line["method"], target, line.get("host", ""), line["bytes_in"]


def judge(kind, mode):
    """Runs all attacks, each on a connection of its own, and returns what is wrong."""
    faults = []
    folder = pathlib.Path(tempfile.mkdtemp(prefix="portcullis-smuggling-"))
    with kind(folder) as behind:
        until(kind.name, lambda: ready(behind.port))
        log = folder / "access.log"
        with Gateway(ROUTES.format(log=log, port=behind.port, mode=mode)) as gateway:
            before = len(behind.lines())
            with ThreadPoolExecutor(WORKERS) as pool:
                got = list(pool.map(lambda attack: exchange(gateway.address, attack.raw), ATTACKS))
            # An honest request after all of them: is anybody's rest still in a connection?
            last = exchange(gateway.address, f"GET {LAST} HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n".encode())
            if answers(last) != [200]:
                faults.append(f"the request after all attacks was answered {last[:80]!r}")
            until("the log lines", lambda: any(line["target"] == LAST for line in behind.lines()) or None)
            until("the access log", lambda: LAST in log.read_text() or None)
            time.sleep(0.3)
            ours = [json.loads(line) for line in log.read_text().splitlines()]
            seen = sorted(map(key, behind.lines()[before:]))
        sent = sorted(judged(line) for line in ours if line.get("action") == "forward"
                      and line["status"] == 200)
        # Sent and cut off, or refused in the middle of the body.
        maybe = [judged(line)[:3] for line in ours if line.get("target") and line["status"] != 200]
        closed = [one for one in seen if one[1].startswith("/admin")]
        faults += [f"a closed path was reached: {one}" for one in closed]
        for one in sent:
            if one in seen:
                seen.remove(one)
            else:
                faults.append(f"judged and answered 200, and not seen so: {one}")
        for one in seen:
            # What was cut off in the middle may be seen, but under its own name.
            if one[:3] not in maybe:
                faults.append(f"seen and never judged: {one}")
            else:
                maybe.remove(one[:3])
        for attack, raw in zip(ATTACKS, got):
            statuses = answers(raw)
            if attack.refused and (statuses[:1] == [200] or len(statuses) > 1):
                faults.append(f"{attack.name}: answered {statuses}")
            if not attack.refused and statuses != attack.statuses:
                faults.append(f"{attack.name}: answered {statuses}, not {attack.statuses}")
    shutil.rmtree(folder, ignore_errors=True)
    return faults


def run():
    suite = Suite("smuggling", "what nginx and HAProxy see behind the gateway is what it judged")
    suite.check("there are enough attacks", len(ATTACKS) >= 150, len(ATTACKS))
    suite.equal("names are unique", len({attack.name for attack in ATTACKS}), len(ATTACKS))
    for kind in (Nginx, HAProxy):
        for mode in ("monitor", "defensive", "strictest"):
            faults = judge(kind, mode)
            for fault in faults:
                suite.check(f"{kind.name} behind {mode}", False, fault)
            for _ in range(len(ATTACKS) - len(faults)):
                suite.check("an attack", True)
    return suite.tell()
