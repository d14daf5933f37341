"""Clients and targets that people really use: curl, h2load, gRPC, WebSocket, a browser."""

import concurrent.futures
import contextlib
import datetime
import ipaddress
import json
import pathlib
import queue
import re
import shutil
import ssl
import subprocess
import tempfile
import threading

import grpc
import websockets.sync.client
import websockets.sync.server
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from joserfc import jwt
from joserfc.jwk import KeySet
from websockets.exceptions import ConnectionClosed, InvalidStatus

import cases
from gateway import PATIENCE, Gateway, Server, Suite
from tokens import CLIENTS, POOL, SUBJECT, access_token

PAGE = """<!doctype html><title>waiting</title><script>
fetch('/orders/1', { headers: { authorization: 'Bearer %s' } })
  .then(answer => answer.json())
  .then(headers => { document.title = 'subject ' + new Map(headers).get('x-auth-subject') })
  .catch(fault => { document.title = 'fault ' + fault })
</script>"""


def run():
    suite = Suite("clients", "clients and targets in everyday use")
    token = access_token(cases.ACCESS).spell()
    documents = {f"/{name}.json": pool.jwks for name, pool in cases.POOLS.items()}
    with contextlib.ExitStack() as stack:
        folder = pathlib.Path(stack.enter_context(tempfile.TemporaryDirectory()))
        make_certificate(folder)
        server = stack.enter_context(Server(documents))
        calls = stack.enter_context(grpc_server())
        sockets = stack.enter_context(websocket_server())
        gateway = stack.enter_context(Gateway(routes(server.address, calls, sockets, folder, token)))
        base = f"https://localhost:{gateway.listeners['edge'][1]}"
        with_curl(suite, base, folder, token)
        with_h2load(suite, base, token)
        with_grpc(suite, base, folder, token)
        with_websockets(suite, base, folder, token)
        with_chromium(suite, base)
        vouched(suite, base, folder, token)
    return suite.tell()


def routes(server, calls, sockets, folder, token):
    rule = "jwt_validation: { user_pools: [customers] }"
    page = json.dumps(PAGE % token)
    return f"""
admin: {{ address: 127.0.0.1:0 }}
identity_assertion: {{ issuer: https://edge.test }}
user_pools:
  customers:
    user_pool_id: {POOL}
    app_clients: {json.dumps(CLIENTS)}
    jwks_uri: http://{server}/main.json
target_groups:
  web: {{ targets: ["{server}"], identity_assertion: true }}
  calls: {{ targets: ["{calls}"], protocol_version: grpc }}
  sockets: {{ targets: ["{sockets}"], health_check: {{ enabled: false }} }}
listeners:
  edge:
    address: 127.0.0.1:0
    tls: {{ certificates: [{{ certificate: {folder}/edge.pem, private_key: {folder}/edge.key }}] }}
    rules:
      - {{ name: calls, conditions: {{ path_pattern: [/test.Echo/*] }}, {rule}, forward: calls }}
      - {{ name: sockets, conditions: {{ path_pattern: [/socket] }}, {rule}, forward: sockets }}
      - {{ name: orders, conditions: {{ path_pattern: [/orders/*] }}, {rule}, forward: web }}
      - name: page
        conditions: {{ path_pattern: [/page] }}
        fixed_response: {{ status_code: 200, content_type: text/html, message_body: {page} }}
"""


def make_certificate(folder):
    """An authority of this run, and its certificate for localhost."""
    now = datetime.datetime.now(datetime.timezone.utc)
    day = datetime.timedelta(days=1)

    def certificate(name, key, issuer, issuer_key, *extensions):
        builder = (x509.CertificateBuilder().subject_name(name).issuer_name(issuer)
                   .public_key(key.public_key()).serial_number(x509.random_serial_number())
                   .not_valid_before(now - day).not_valid_after(now + 60 * day))
        for extension in extensions:
            builder = builder.add_extension(extension, critical=False)
        return builder.sign(issuer_key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM)

    authority, edge = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    names = [x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
             for name in ("authority of this run", "localhost")]
    folder.joinpath("ca.pem").write_bytes(certificate(
        names[0], authority, names[0], authority, x509.BasicConstraints(ca=True, path_length=0)))
    folder.joinpath("edge.pem").write_bytes(certificate(
        names[1], edge, names[0], authority, x509.SubjectAlternativeName(
            [x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])))
    folder.joinpath("edge.key").write_bytes(edge.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption()))


# curl, h2load


def tool(*command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    return done.stdout if done.returncode == 0 else f"exit {done.returncode}: {done.stderr}"


def curl(folder, *arguments):
    return tool("curl", "--silent", "--show-error", "--cacert", str(folder / "ca.pem"), *arguments)


def with_curl(suite, base, folder, token):
    bearer = ("--header", f"Authorization: Bearer {token}")
    report = ("--write-out", "\n%{http_version} %{http_code}")
    for flag, version in [("--http1.1", "1.1"), ("--http2", "2")]:
        said = curl(folder, flag, *bearer, *report, f"{base}/orders/1")
        body, _, status = said.rpartition("\n")
        suite.equal(f"curl {flag} with a token", status, f"{version} 200")
        headers = dict(json.loads(body)) if body.startswith("[") else {}
        suite.equal(f"curl {flag}: the claim", headers.get("x-auth-subject"), SUBJECT)
        said = curl(folder, flag, *report, "--output", "/dev/null", f"{base}/orders/1")
        suite.equal(f"curl {flag} without a token", said.strip(), f"{version} 401")


def with_h2load(suite, base, token):
    said = tool("h2load", "-n", "2000", "-c", "10", "-m", "20",
                "-H", f"authorization: Bearer {token}", f"{base}/orders/1")
    found = re.search(r"requests: .*, (\d+) succeeded, (\d+) failed", said)
    suite.equal("h2load", found and found.groups(), ("2000", "0"))
    suite.check("h2load: all are 200", "2000 2xx" in said, said[-400:])


# gRPC


class Calls(grpc.GenericRpcHandler):
    """Methods on bare bytes; each tells in its trailers who called."""

    def service(self, details):
        return {
            "/test.Echo/Once": grpc.unary_unary_rpc_method_handler(self.once),
            "/test.Echo/Down": grpc.unary_stream_rpc_method_handler(self.down),
            "/test.Echo/Up": grpc.stream_unary_rpc_method_handler(self.up),
            "/test.Echo/Both": grpc.stream_stream_rpc_method_handler(self.both),
            "/test.Echo/Fail": grpc.unary_unary_rpc_method_handler(self.fail),
            "/test.Echo/Hang": grpc.unary_stream_rpc_method_handler(self.hang),
        }.get(details.method)

    def once(self, request, context):
        sent = dict(context.invocation_metadata())
        context.set_trailing_metadata([("caller", sent.get("x-auth-subject", ""))])
        return request

    def down(self, request, _):
        yield from (request + str(number).encode() for number in range(100))

    def up(self, requests, _):
        return b"".join(requests)

    def both(self, requests, _):
        yield from requests

    def fail(self, _, context):
        context.abort(grpc.StatusCode.NOT_FOUND, "no such order, déjà vu")

    def hang(self, _, context):
        yield b"begun"
        gone = threading.Event()
        context.add_callback(gone.set)
        hung.put("over" if gone.wait(PATIENCE) else "still there")


#: Filled when the server of `Hang` learns that its caller has gone.
hung = queue.Queue()


@contextlib.contextmanager
def grpc_server():
    server = grpc.server(concurrent.futures.ThreadPoolExecutor(8))
    server.add_generic_rpc_handlers([Calls()])
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(0).wait()


def with_grpc(suite, base, folder, token):
    credentials = grpc.ssl_channel_credentials((folder / "ca.pem").read_bytes())
    metadata = [("authorization", f"Bearer {token}")]
    asked = {"metadata": metadata, "timeout": PATIENCE}
    with grpc.secure_channel(base.removeprefix("https://"), credentials) as channel:
        answer, call = channel.unary_unary("/test.Echo/Once").with_call(b"x" * 1_000_000, **asked)
        suite.equal("gRPC, one message each way", len(answer), 1_000_000)
        suite.equal("gRPC: the claim", dict(call.trailing_metadata()).get("caller"), SUBJECT)
        answers = list(channel.unary_stream("/test.Echo/Down")(b"n", **asked))
        suite.equal("gRPC, a stream down", answers, [b"n%d" % n for n in range(100)])
        parts = (b"%d," % number for number in range(100))
        answer = channel.stream_unary("/test.Echo/Up")(parts, **asked)
        suite.equal("gRPC, a stream up", answer.count(b","), 100)
        suite.equal("gRPC, both ways by turns", ping_pong(channel, asked), list(range(50)))
        fault = failure(channel, "/test.Echo/Fail", metadata)
        suite.equal("gRPC: the target's own status", (fault.code(), fault.details()),
                    (grpc.StatusCode.NOT_FOUND, "no such order, déjà vu"))
        fault = failure(channel, "/test.Echo/Once", None)
        suite.equal("gRPC without a token", fault.code(), grpc.StatusCode.UNAUTHENTICATED)
        fault = failure(channel, "/test.Echo/Unknown", metadata)
        suite.equal("gRPC, no such method", fault.code(), grpc.StatusCode.UNIMPLEMENTED)
        stream = channel.unary_stream("/test.Echo/Hang")(b"", **asked)
        suite.equal("gRPC: a stream that hangs has begun", next(stream), b"begun")
        stream.cancel()
        suite.equal("gRPC: a cancelled call is cancelled at the target",
                    hung.get(timeout=PATIENCE), "over")


def ping_pong(channel, asked):
    """Sends each message only when the one before has come back."""
    turns, seen = queue.Queue(), []
    turns.put(b"0")
    for message in channel.stream_stream("/test.Echo/Both")(iter(turns.get, None), **asked):
        number = int(message)
        seen.append(number)
        turns.put(b"%d" % (number + 1) if number < 49 else None)
    return seen


def failure(channel, method, metadata):
    try:
        channel.unary_unary(method)(b"", metadata=metadata, timeout=PATIENCE)
    except grpc.RpcError as fault:
        return fault
    raise RuntimeError(f"{method} did not fail")


# WebSocket


@contextlib.contextmanager
def websocket_server():
    def echo_until_bye(connection):
        for message in connection:
            if message == "bye":
                connection.close(4001, "as you wish")
                return
            connection.send(message)

    with websockets.sync.server.serve(echo_until_bye, "127.0.0.1", 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield "127.0.0.1:%d" % server.socket.getsockname()[1]
        server.shutdown()


def with_websockets(suite, base, folder, token):
    url = base.replace("https:", "wss:") + "/socket"
    trust = ssl.create_default_context(cafile=folder / "ca.pem")
    bearer = {"Authorization": f"Bearer {token}"}
    connect = websockets.sync.client.connect
    with connect(url, ssl=trust, additional_headers=bearer, proxy=None) as connection:
        for message in ["text, déjà vu", b"\0\xff" * 300_000]:
            connection.send(message)
            suite.check(f"WebSocket, {type(message).__name__}",
                        connection.recv(timeout=PATIENCE) == message)
        suite.check("WebSocket ping", connection.ping().wait(PATIENCE))
        connection.send("bye")
        try:
            connection.recv(timeout=PATIENCE)
        except ConnectionClosed as closed:
            suite.equal("WebSocket close", (closed.rcvd.code, closed.rcvd.reason),
                        (4001, "as you wish"))
    try:
        connect(url, ssl=trust, proxy=None).close()
        suite.check("WebSocket without a token", False, "it was let in")
    except InvalidStatus as refused:
        suite.equal("WebSocket without a token", refused.response.status_code, 401)


# A browser


def with_chromium(suite, base):
    said = tool(shutil.which("chromium") or "chromium", "--headless=new", "--no-sandbox",
                "--disable-gpu", "--ignore-certificate-errors", "--virtual-time-budget=10000",
                "--dump-dom", f"{base}/page")
    found = re.search("<title>(.*?)</title>", said)
    suite.equal("Chromium fetches with a token", found and found[1], f"subject {SUBJECT}")


# Proof of origin


def vouched(suite, base, folder, token):
    bearer = ("--header", f"Authorization: Bearer {token}")
    headers = dict(json.loads(curl(folder, *bearer, f"{base}/orders/1")))
    keys = KeySet.import_key_set(
        json.loads(curl(folder, f"{base}/.well-known/portcullis/jwks.json")))
    proved = jwt.decode(headers["x-portcullis-identity"], keys, algorithms=["ES256"])
    expected = {"iss": {"essential": True, "value": "https://edge.test"},
                "aud": {"essential": True, "value": "web"}, "exp": {"essential": True}}
    jwt.JWTClaimsRegistry(**expected).validate(proved.claims)
    suite.equal("joserfc: the identity is proved", (proved.claims["caller"], proved.claims["sub"]),
                ("token", SUBJECT))
