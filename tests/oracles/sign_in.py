"""Browsers that sign in: Chromium, a certified provider, and AWS's verifier of what targets get."""

import json
import os
import pathlib
import queue
import shutil
import subprocess
import threading
from types import SimpleNamespace

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from gateway import PATIENCE, TARGET, Gateway, Server, Suite, free_port
from mutual_tls import build, key_pem, pem

HERE = pathlib.Path(__file__).parent
SIGNER = ("arn:aws:elasticloadbalancing:eu-west-1:123456789012:"
          "loadbalancer/app/edge/50dc6c495c0c9188")


def run():
    suite = Suite("sign-in", "Chromium signs in with oidc-provider, AWS's AlbJwtVerifier judges")
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if not suite.check("there is a Chromium", chromium, "install Debian's package `chromium`"):
        return suite.tell()
    signs_in(suite, chromium, cookie="AWSELBAuthSessionCookie", bio=0, shards=1)
    signs_in(suite, chromium, cookie="__Host-portal", bio=8600, shards=4)
    return suite.tell()


class Provider:
    """`provider.mjs` as a child, with what it says of grants."""

    def __init__(self, env, **settings):
        self.child = node("provider.mjs", settings, env=env, stdin=subprocess.DEVNULL,
                          stderr=subprocess.DEVNULL)
        self.lines = queue.Queue()
        threading.Thread(target=self._listen, daemon=True).start()
        self.about = json.loads(self.lines.get(timeout=PATIENCE))

    def _listen(self):
        for line in self.child.stdout:
            # Beside our lines the provider has notes of its own.
            if line.startswith("{"):
                self.lines.put(line)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.child.kill()
        self.child.wait()

    def grants(self):
        said = []
        while not self.lines.empty():
            said.append(json.loads(self.lines.get()))
        return said


def node(script, settings, **options):
    """Scripts find their packages where `run` has installed them: modules are looked up from the file."""
    home = TARGET / "oracles"
    shutil.copy(HERE / script, home / script)
    return subprocess.Popen(["node", home / script, json.dumps(settings)], text=True,
                            stdout=subprocess.PIPE, **options)


def certificate(folder):
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    names = x509.SubjectAlternativeName([x509.DNSName("localhost")])
    made = build(subject, key, SimpleNamespace(subject=subject, key=key), [(names, False)])
    (folder / "edge.pem").write_bytes(pem(made))
    (folder / "edge.key").write_bytes(key_pem(key))


def signs_in(suite, chromium, cookie, bio, shards):
    port = free_port()
    gateway = f"https://localhost:{port}"
    folder = TARGET / "oracles" / "sign-in"
    folder.mkdir(exist_ok=True)
    certificate(folder)
    # The certificate is our own, and known to nobody else.
    env = os.environ | {"NODE_EXTRA_CA_CERTS": str(folder / "edge.pem")}
    with Provider(env, redirect_uris=[f"{gateway}/oauth2/idpresponse"],
                  post_logout_redirect_uris=[f"{gateway}/open/bye"],
                  backchannel_logout_uri=f"{gateway}/oauth2/backchannel-logout",
                  access_token_seconds=2, bio=bio) as provider, Server() as target:
        os.environ["ORACLE_SECRET"] = provider.about["client_secret"]
        os.environ["ORACLE_SESSION_KEY"] = "0123456789abcdef0123456789abcdef"
        issuer = provider.about["issuer"]
        routes = f"""
admin: {{ address: 127.0.0.1:0 }}
session_keys: ["${{env:ORACLE_SESSION_KEY}}"]
oidc_data: {{ signer: "{SIGNER}" }}
user_pools:
  people:
    issuer: {issuer}
    jwks_uri: {issuer}/jwks
    authorization_endpoint: {issuer}/auth
    token_endpoint: {issuer}/token
    user_info_endpoint: {issuer}/me
    revocation_endpoint: {issuer}/token/revocation
    end_session_endpoint: {issuer}/session/end
    back_channel_logout: true
    client_id: {provider.about["client_id"]}
    client_secret: ${{env:ORACLE_SECRET}}
target_groups:
  echo: {{ targets: ["{target.address}"] }}
listeners:
  public:
    address: 127.0.0.1:{port}
    tls: {{ certificates: [{{ certificate: {folder}/edge.pem, private_key: {folder}/edge.key }}] }}
    rules:
      - name: bye
        conditions: {{ path_pattern: [/bye] }}
        sign_out:
          {{ user_pool: people, session_cookie_name: {cookie}, redirect_to: ["{gateway}/open/bye"] }}
      - name: app
        conditions: {{ path_pattern: [/app/*] }}
        authenticate_oidc:
          user_pool: people
          scope: openid email profile
          session_cookie_name: {cookie}
        forward: echo
      - name: open
        conditions: {{ path_pattern: [/open/*] }}
        public: true
        forward: echo
"""
        with Gateway(routes) as running:
            settings = {
                "gateway": gateway, "issuer": issuer, "chromium": chromium, "signer": SIGNER,
                "client_id": provider.about["client_id"], "cookie": cookie, "shards": shards,
                "keys": f"{gateway}/.well-known/portcullis/oidc-data-keys",
            }
            child = node("browser.mjs", settings, stdin=subprocess.DEVNULL, env=env,
                         stderr=subprocess.PIPE)
            try:
                out, err = child.communicate(timeout=4 * PATIENCE)
            finally:
                child.kill()
            denied = json.loads(running.ask_admin("/deny"))["entries"]
        cases = [json.loads(line) for line in out.splitlines()]
        for case in cases:
            suite.check(f"{cookie}: {case['case']}", case["good"], case["found"])
        suite.equal(f"{cookie}: the browser went all the way", (child.returncode, len(cases)), (0, 21))
        if child.returncode:
            print(err[-2000:], flush=True)
        suite.check(f"{cookie}: the issuer's word is on the deny list, session by session",
                    denied and all(entry["claim"] == "sid" and entry["issuer"] == issuer
                                   for entry in denied), denied)
        said = provider.grants()
        suite.check(f"{cookie}: the provider's logout tokens were taken",
                    [line for line in said if "logout" in line], said[-5:])
        suite.check(f"{cookie}: the provider refused no grant",
                    said and not [line for line in said if "error" in line], said[-5:])
