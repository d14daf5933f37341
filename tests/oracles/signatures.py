"""Requests that botocore signs, at routes that ask for a signature."""

import http.client
import http.server
import json
import os
import random
import threading
import urllib.parse

from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from gateway import PATIENCE, Gateway, Suite

KEY, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
REGION = "eu-west-1"


def run():
    suite = Suite("signatures", "requests that botocore signs")
    os.environ["BATCH_SECRET"], os.environ["ROLE_SECRET"] = SECRET, SECRET[::-1]
    os.environ["ROLE_TOKEN"] = "FwoGZXIvYXdzEBYaD" + "x/+=" * 40
    with Echo() as echo, Gateway(routes(echo.address)) as gateway:
        batch = Credentials(KEY, SECRET)
        role = Credentials("ASIAIOSFODNN7EXAMPLE", SECRET[::-1], os.environ["ROLE_TOKEN"])
        for name in ["http", "rest"]:
            address = gateway.listeners[name]
            for who, credentials in [("a user", batch), ("a role", role)]:
                for what, method, target, headers, body in requests():
                    answer = send(address, credentials, method, target, headers, body)
                    suite.check(f"{name}: {who}: {what}", answer[0] == 200 and came(answer, body),
                                f"{answer}")
                for what, target in urls():
                    answer = presigned(address, credentials, target)
                    suite.check(f"{name}: {who}: presigned {what}", answer[0] == 200, f"{answer}")
            wrong = Credentials(KEY, SECRET[::-1])
            suite.equal(f"{name}: another secret", send(address, wrong, "GET", "/x", {}, b"")[0], 403)
            unknown = Credentials("AKIAUNKNOWNUNKNOWN00", SECRET)
            suite.equal(f"{name}: another key", send(address, unknown, "GET", "/x", {}, b"")[0], 403)
            late = presigned(address, batch, "/x", expires=1, tamper="&X-Amz-Expires=900")
            suite.equal(f"{name}: a longer life than was signed", late[0], 403)
    return suite.tell()


def requests():
    chance = random.Random(7)
    yield "nothing special", "GET", "/x", {}, b""
    yield "a query", "GET", "/x?b=2&a=1&a=0&empty=&bare", {}, b""
    yield "an escaped query", "GET", "/x?q=" + urllib.parse.quote("ä b/ü=&", safe=""), {}, b""
    yield "an escaped path", "GET", "/a%20b/" + urllib.parse.quote("größe"), {}, b""
    yield "marks in a path", "GET", "/a-._~b/(c)/$d/e,f;g=1"[:18], {}, b""
    yield "a slash at the end", "GET", "/x/y/", {}, b""
    yield "headers", "GET", "/x", {"X-Custom": "  two   words ", "Accept": "*/*"}, b""
    yield "a form", "POST", "/x", {"Content-Type": "application/x-www-form-urlencoded"}, b"a=1&b=%20"
    yield "JSON", "PUT", "/x", {"Content-Type": "application/json"}, json.dumps({"ü": 1}).encode()
    yield "DELETE", "DELETE", "/x/1", {}, b""
    yield "a long body", "POST", "/x", {}, chance.randbytes(300_000)
    for number in range(40):
        path = "/" + "/".join(word(chance) for _ in range(chance.randint(1, 4)))
        query = "&".join(f"{word(chance)}={word(chance)}" for _ in range(chance.randint(0, 5)))
        body = chance.randbytes(chance.choice([0, 1, 100, 70_000]))
        yield f"by chance {number}", "POST", path + ("?" + query if query else ""), {}, body


def word(chance):
    letters = "abcXYZ019-._~ äß€+:@!*'(),"
    text = "".join(chance.choice(letters) for _ in range(chance.randint(1, 8)))
    return urllib.parse.quote("p" + text, safe="")


def urls():
    yield "nothing special", "/x"
    yield "a query", "/x?b=2&a=1"
    yield "an escaped path", "/a%20b?c=%C3%A4"


def send(address, credentials, method, target, headers, body):
    request = AWSRequest(method=method, url=f"http://{address[0]}:{address[1]}{target}",
                         data=body, headers=dict(headers))
    SigV4Auth(credentials, "execute-api", REGION).add_auth(request)
    return ask(address, method, target, dict(request.headers.items()), body)


def presigned(address, credentials, target, expires=300, tamper=""):
    request = AWSRequest(method="GET", url=f"http://{address[0]}:{address[1]}{target}")
    SigV4QueryAuth(credentials, "execute-api", REGION, expires=expires).add_auth(request)
    url = urllib.parse.urlsplit(request.url)
    return ask(address, "GET", f"{url.path}?{url.query}{tamper}", {}, b"")


def ask(address, method, target, headers, body):
    connection = http.client.HTTPConnection(*address, timeout=PATIENCE)
    try:
        connection.request(method, target, body=body or None, headers=headers)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def came(answer, body):
    told = json.loads(answer[1])
    names = {name for name, _ in told["headers"]}
    return told["length"] == len(body) and told["arn"].startswith("arn:aws:") \
        and "authorization" not in names and "x-amz-security-token" not in names


class Echo:
    """A target that tells what it got."""

    def __enter__(self):
        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def handle_any(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                told = {"length": len(body), "arn": self.headers.get("x-arn", ""),
                        "headers": [[n.lower(), v] for n, v in self.headers.items()]}
                text = json.dumps(told).encode()
                self.send_response(200)
                self.send_header("Content-Length", str(len(text)))
                self.end_headers()
                self.wfile.write(text)

            do_GET = do_POST = do_PUT = do_DELETE = handle_any

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = "127.0.0.1:%d" % self.server.server_address[1]
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()


def routes(target):
    api = """
    region: eu-west-1
    account_id: "123456789012"
    authorizer: aws_iam
    routes:
      ANY /{proxy+}:
        integration: { target_group: all, request_parameters: { "overwrite:header.x-arn": $context.identity.userArn } }
"""
    allow = "policies: [{ Statement: [{ Effect: Allow, Action: 'execute-api:Invoke', Resource: 'arn:aws:execute-api:eu-west-1:123456789012:*' }] }]"
    return f"""
admin: {{ address: 127.0.0.1:0 }}
aws_credentials:
  batch:
    access_key_id: {KEY}
    secret_access_key: ${{env:BATCH_SECRET}}
    arn: arn:aws:iam::123456789012:user/batch
    {allow}
  role:
    access_key_id: ASIAIOSFODNN7EXAMPLE
    secret_access_key: ${{env:ROLE_SECRET}}
    session_token: ${{env:ROLE_TOKEN}}
    arn: arn:aws:sts::123456789012:assumed-role/web/session
    {allow}
target_groups:
  all: {{ targets: [{target}] }}
listeners:
  http:
    address: 127.0.0.1:0
    default_action: {{ api: http }}
  rest:
    address: 127.0.0.1:0
    default_action: {{ api: rest }}
apis:
  http:
    type: http{api}
  rest:
    type: rest{api}"""
