"""An API from an OpenAPI file, before clients that know nothing of it but that file: schemathesis,
which makes requests that are right and wrong, and a client that openapi-python-client generates."""

import contextlib
import http.server
import importlib
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading

import cases
from gateway import Gateway, Server, Suite
from tokens import CLIENTS, id_token

FILE = pathlib.Path(__file__).with_name("openapi") / "orders.yaml"
BIN = pathlib.Path(sys.executable).parent


def run():
    suite = Suite("openapi_clients", "clients made from an OpenAPI file")
    documents = {"/main.json": cases.POOLS["main"].jwks}
    token = id_token(cases.ID).spell()
    with contextlib.ExitStack() as stack:
        keys = stack.enter_context(Server(documents))
        target = stack.enter_context(Echo())
        gateway = stack.enter_context(Gateway(routes(keys.address, target.address)))
        base = "http://%s:%d" % gateway.address
        with_schemathesis(suite, base, token)
        suite.equal("what no model or validator lets in never came", target.wrong, [])
        with_a_generated_client(suite, base, token)
    return suite.tell()


def with_schemathesis(suite, base, token):
    command = [BIN / "schemathesis", "run", FILE, "--url", base, "--max-examples", "40", "--phases", "coverage,fuzzing",
               "--seed", "1", "--workers", "1", "--no-color", "--request-timeout", "20",
               "--header", f"Authorization: {token}",
               "--checks", "not_a_server_error,status_code_conformance,"
                           "content_type_conformance,response_schema_conformance"]
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(command, capture_output=True, text=True, cwd=folder,
                              env=os.environ | {"HYPOTHESIS_STORAGE_DIRECTORY": folder})
    suite.check("schemathesis finds nothing", done.returncode == 0,
                done.stdout[-6000:] + done.stderr[-2000:])


def with_a_generated_client(suite, base, token):
    with tempfile.TemporaryDirectory() as folder:
        made = subprocess.run([BIN / "openapi-python-client", "generate", "--path", FILE,
                               "--output-path", f"{folder}/made", "--meta", "none"],
                              capture_output=True, text=True, cwd=folder,
                              env=os.environ | {"PATH": f"{BIN}:{os.environ['PATH']}"})
        suite.check("a client is generated", made.returncode == 0, made.stdout + made.stderr)
        sys.path.insert(0, folder)
        try:
            client = importlib.import_module("made").Client(base_url=base)
            signed = importlib.import_module("made").AuthenticatedClient(
                base_url=base, token=token, prefix="")
            place = importlib.import_module("made.api.default.place_order")
            read = importlib.import_module("made.api.default.read_order")
            order = importlib.import_module("made.models").Order
            placed = place.sync_detailed(client=client, body=order(article="book", count=2))
            suite.equal("an order is placed", (placed.status_code, json.loads(placed.parsed.body)),
                        (200, {"article": "book", "count": 2}))
            wrong = place.sync_detailed(client=client, body=order(article="book", count=0))
            suite.equal("one of nothing is not", wrong.status_code, 400)
            suite.equal("who shows a token reads",
                        read.sync_detailed(client=signed, id="a1").status_code, 200)
            suite.equal("who shows none does not",
                        read.sync_detailed(client=client, id="a1").status_code, 401)
        finally:
            sys.path.remove(folder)


class Echo:
    """A target that tells what it got, and notes what it should not have."""

    def __enter__(self):
        self.wrong = []
        echo = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                path, _, query = self.path.partition("?")
                if self.command == "POST" and not is_order(body):
                    echo.wrong.append(["POST", path, body.decode(errors="replace")])
                if self.command == "GET" and path == "/orders" and "limit=" not in query:
                    echo.wrong.append(["GET", self.path, ""])
                told = {"method": self.command, "path": self.path,
                        "body": body.decode(errors="replace")}
                text = json.dumps(told).encode()
                self.send_response(200)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = handle_any

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = "127.0.0.1:%d" % self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def is_order(body):
    """The model of the file, read by hand."""
    try:
        order = json.loads(body)
    except ValueError:
        return False
    return isinstance(order, dict) and set(order) <= {"article", "count", "gift"} \
        and isinstance(order.get("article"), str) and 1 <= len(order["article"]) <= 40 \
        and isinstance(order.get("count"), (int, float)) and not isinstance(order["count"], bool) \
        and order["count"] == int(order["count"]) and 1 <= order["count"] <= 99 \
        and isinstance(order.get("gift", True), bool)


def routes(keys, target):
    return f"""
admin: {{ address: 127.0.0.1:0 }}
user_pools:
  customers:
    user_pool_id: us-east-1_Ab3dEfGhI
    app_clients: [{", ".join(CLIENTS)}]
    jwks_uri: http://{keys}/main.json
target_groups:
  orders: {{ targets: [{target}], health_check: {{ enabled: false }} }}
listeners:
  public:
    address: 127.0.0.1:0
    default_action: {{ api: orders }}
apis:
  orders:
    type: rest
    openapi:
      file: {FILE}
      integrations: {{ "http://orders.internal/*": {{ target_group: orders }} }}
"""
