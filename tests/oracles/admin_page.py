"""The admin page in Chromium: what a person reads there, on a screen and on a phone, by day and by
night; axe-core judges whether everybody can use it."""

import json
import shutil
import subprocess
import time

import tokens
from gateway import TARGET, Client, Gateway, Server, Suite
from sign_in import node

ISSUER = "https://login.example.com"
ROUTES = """
admin: {{ address: 127.0.0.1:0 }}
access_log: {{ destination: "off" }}
user_pools:
  customers:
    issuer: {issuer}
    jwks_uri: http://{server}/jwks.json
    audiences: [shop]
target_groups:
  orders: {{ targets: ["{server}"], health_check: {{ enabled: false }} }}
  gone: {{ targets: ["127.0.0.1:9"], health_check: {{ enabled: false }} }}
listeners:
  public:
    address: 127.0.0.1:0
    rules:
      - name: orders
        conditions: {{ path_pattern: ["/orders/*"] }}
        jwt_validation: {{ user_pools: [customers], scopes: [orders/write] }}
        forward: orders
      - name: never-asked-for
        conditions: {{ host_header: [nobody.example.com] }}
        public: true
        forward: gone
      - name: shop
        conditions: {{ path_pattern: ["/shop/*"] }}
        api: shop
    default_action: {{ fixed_response: {{ status_code: 404 }} }}
apis:
  shop:
    type: http
    base_path: /shop
    routes:
      "GET /parts/{{id}}": {{ authorizer: none, integration: {{ target_group: orders }} }}
      "GET /forgotten": {{ authorizer: none, integration: {{ target_group: orders }} }}
"""
#: A path that would be a script, were it not for the page's care.
SCRIPT = "/orders/%3Cscript%3Edocument.title=1%3C/script%3E'"


def run():
    suite = Suite("admin-page", "Chromium shows the admin page, axe-core judges it")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if not suite.check("there is a Chromium", chromium, "install Debian's package `chromium`"):
        return suite.tell()
    key = tokens.Key("first")
    now = int(time.time())
    claims = {"iss": ISSUER, "aud": "shop", "sub": "alice", "iat": now, "exp": now + 600, "scope": "orders/read"}
    parts = [tokens.encode(json.dumps(part)) for part in ({"alg": "RS256", "kid": "first", "typ": "JWT"}, claims)]
    token = ".".join([*parts, tokens.encode(key.sign(".".join(parts).encode()))])
    with Server({"/jwks.json": {"keys": [key.jwk()]}}) as server:
        with Gateway(ROUTES.format(issuer=ISSUER, server=server.address)) as gateway:
            client = Client(gateway.address)
            for path, authorization in (("/orders/1", f"Bearer {token}".encode()), (SCRIPT, None), ("/elsewhere", None), ("/shop/parts/1", None)):
                client.get(path, authorization)
            client.close()
            look(suite, chromium, gateway.admin, token)
    return suite.tell()


def look(suite, chromium, admin, token):
    shots = TARGET / "oracles/admin-page"
    shots.mkdir(parents=True, exist_ok=True)
    settings = {"admin": admin, "chromium": chromium, "shots": str(shots), "token": token}
    browser = node("admin_page.mjs", settings, stderr=subprocess.PIPE)
    said, complaint = browser.communicate(timeout=120)
    for line in said.splitlines():
        told = json.loads(line)
        suite.check(told["case"], told["good"], told["found"])
    suite.check("the browser ended well", browser.returncode == 0, complaint[-2000:])
