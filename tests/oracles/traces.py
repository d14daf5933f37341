"""What the gateway sends to a trace collector is read by OpenTelemetry's own types of OTLP's JSON."""

import http.server
import json
import queue
import re
import threading

from opentelemetry.proto_json.collector.trace.v1.trace_service import ExportTraceServiceRequest

import cases
from differential import routes
from gateway import PATIENCE, Client, Gateway, Server, Suite
from tokens import access_token

SERVER, CLIENT, ERROR = 2, 3, 2
#: Of OpenTelemetry's semantic conventions for HTTP, users and networks, version 1.37.
KNOWN = {"http.request.method", "http.request.method_original", "http.request.resend_count",
         "http.response.status_code", "http.route", "url.path", "url.scheme", "server.address",
         "server.port", "client.address", "network.peer.address", "network.peer.port",
         "network.protocol.version", "user_agent.original", "user.hash", "error.type"}


class Collector:
    """Keeps the bodies that are posted to it."""

    def __init__(self):
        self.bodies = queue.Queue()
        collector = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                collector.bodies.put((self.path, self.rfile.read(int(self.headers["content-length"]))))
                self.send_response(200)
                self.send_header("Content-Length", "2")
                self.end_headers()
                self.wfile.write(b"{}")

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = "http://127.0.0.1:%d" % self.server.server_address[1]

    def __enter__(self):
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()

    def spans(self, suite, count):
        """At least so many spans, as OpenTelemetry reads them."""
        spans = []
        while len(spans) < count:
            path, body = self.bodies.get(timeout=PATIENCE)
            suite.equal("the path", path, "/v1/traces")
            sent = json.loads(body)
            message = ExportTraceServiceRequest.from_dict(sent)
            # What its types do not know would be lost on the way there and back.
            suite.equal("nothing is unknown", message.to_dict(), sent)
            for resource in message.resource_spans:
                names = {a.key: a.value.string_value for a in resource.resource.attributes}
                suite.equal("the service", names.get("service.name"), "portcullis")
                for scope in resource.scope_spans:
                    spans += scope.spans
        return spans


def values(span):
    return {a.key: a.value.string_value or a.value.int_value for a in span.attributes}


def run():
    suite = Suite("traces", "spans read by OpenTelemetry's own types")
    documents = {f"/{name}.json": pool.jwks for name, pool in cases.POOLS.items()}
    token = access_token(cases.ACCESS).spell()
    with Collector() as collector, Server(documents) as server:
        text = routes(server.address)
        text += f"tracing: {{ otlp_endpoint: '{collector.address}', sample: 100% }}\n"
        with Gateway(text) as gateway:
            client = Client(gateway.address)
            for path, bearer, expected in [("/access?q=1", token, 200), ("/access", "x", 401)]:
                suite.equal(f"{path}", client.get(path, b"Bearer " + bearer.encode())[0], expected)
            client.close()
            spans = collector.spans(suite, 3)
    judge(suite, spans)
    suite.check("no token is in a span", token not in repr(spans) and token[-40:] not in repr(spans))
    return suite.tell()


def judge(suite, spans):
    suite.equal("kinds", sorted(int(span.kind) for span in spans), [SERVER, SERVER, CLIENT])
    by_id = {span.span_id: span for span in spans}
    suite.equal("span ids are unique", len(by_id), 3)
    for span in spans:
        attributes = values(span)
        odd = [n for n in attributes if n not in KNOWN and not n.startswith("portcullis.")]
        suite.equal("attributes are of the conventions", odd, [])
        suite.equal("lengths of ids", (len(span.trace_id), len(span.span_id)), (16, 8))
        suite.check("a span takes time", span.end_time_unix_nano >= span.start_time_unix_nano > 0)
        suite.equal("the method", attributes["http.request.method"], "GET")
        suite.check("no query", not re.search("q=1", repr(span)))
        if span.kind == CLIENT:
            parent = by_id.get(span.parent_span_id)
            suite.check("its parent is the server span of its trace",
                        parent is not None and parent.trace_id == span.trace_id)
            suite.check("a try lies within its request",
                        parent.start_time_unix_nano <= span.start_time_unix_nano
                        and span.end_time_unix_nano <= parent.end_time_unix_nano)
        else:
            suite.equal("a trace of our own has no parent", span.parent_span_id or b"", b"")
            suite.equal("the name", span.name, "GET access")
    statuses = sorted(values(s)["http.response.status_code"] for s in spans if s.kind == SERVER)
    suite.equal("statuses", statuses, [200, 401])
    wrong = [span.name for span in spans if span.status and span.status.code == ERROR]
    suite.equal("neither is the server's error", wrong, [])
