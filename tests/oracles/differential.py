"""The gateway and AWS's own verifier judge the same tokens. The verdicts must be equal, but for
the points of stricter.py, and each difference must fall under one of them."""

import collections
import json
import os
import subprocess
import threading
import time
import urllib.parse

import cases
import mutations
import stricter
from gateway import ROOT, TARGET, Client, Gateway, Server, Suite

LISTENER = """
admin: {{ address: 127.0.0.1:0 }}
user_pools:
{pools}
target_groups:
  echo: {{ targets: ["{target}"] }}
listeners:
  public:
    address: 127.0.0.1:0
    rules:
{rules}
    default_action: {{ fixed_response: {{ status_code: 404 }} }}
"""


class Judge:
    """aws-jwt-verify in a process of node."""

    def __init__(self, verifiers):
        folder = TARGET / "oracles"
        self.child = subprocess.Popen(
            ["node", ROOT / "tests/oracles/judge.cjs"], text=True, encoding="utf-8",
            stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            env=os.environ | {"NODE_PATH": str(folder / "node_modules")})
        self._write({"verifiers": verifiers})

    def _write(self, message):
        self.child.stdin.write(json.dumps(message) + "\n")

    def verdicts(self, asked):
        """The verdict on each case, in order."""
        def write():
            for number, case in enumerate(asked):
                self._write({"id": number, "verifier": case.rule, "token": case.token})
            self.child.stdin.close()

        writer = threading.Thread(target=write)
        writer.start()
        verdicts = [json.loads(line) for line in self.child.stdout]
        writer.join()
        if self.child.wait() != 0 or [v["id"] for v in verdicts] != list(range(len(asked))):
            raise RuntimeError("aws-jwt-verify did not judge every token")
        return verdicts


def routes(target):
    pools = "".join(
        f"  {name}:\n    user_pool_id: {pool.pool_id}\n    app_clients: {json.dumps(pool.clients)}\n"
        f"    jwks_uri: http://{target}/{name}.json\n    clock_skew: {pool.skew}s\n"
        for name, pool in cases.POOLS.items())
    rules = "".join(
        f"      - name: {name}\n        conditions: {{ path_pattern: [/{name}] }}\n"
        f"        jwt_validation: {json.dumps(rule.gateway)}\n        forward: echo\n"
        for name, rule in cases.RULES.items())
    return LISTENER.format(pools=pools, rules=rules, target=target)


def verifiers():
    """The same questions, as AWS's verifier is asked them."""
    asked = {}
    for name, rule in cases.RULES.items():
        pools = [cases.POOLS[pool] for pool in rule.gateway["user_pools"]]
        asked[name] = [
            {"userPoolId": pool.pool_id, "clientId": pool.clients, "graceSeconds": pool.skew,
             "jwks": pool.jwks} | rule.reference for pool in pools]
    return asked


def run():
    suite = Suite("aws-jwt-verify", "the same tokens judged by AWS's own verifier")
    documents = {f"/{name}.json": pool.jwks for name, pool in cases.POOLS.items()}
    count, accepted, differences = 0, [], collections.Counter()
    with Server(documents) as server, Gateway(routes(server.address)) as gateway:
        # In parts, so that little time passes between the making of a token and its verdicts.
        for make in (cases.written, lambda: asked_of_every_rule(accepted), mutations.generated):
            made = time.time()
            asked = make()
            client = Client(gateway.address)
            ours = [client.get(f"/{case.rule}", b"Bearer " + case.token.encode()) for case in asked]
            client.close()
            theirs = Judge(verifiers()).verdicts(asked)
            for case, (status, body), reference in zip(asked, ours, theirs):
                fault = compare(case, status, body, reference, made, differences)
                suite.check(f"/{case.rule} {case.name}", fault is None, fault)
                if status == 200 and reference["accepted"]:
                    accepted.append(case)
            count += len(asked)
    tell(count, len(accepted), differences)
    suite.check("tokens are accepted at all", len(accepted) >= 1000, f"only {len(accepted)}")
    missing = stricter.POINTS.keys() - differences.keys()
    suite.check("every stricter point is shown by a token", not missing, sorted(missing))
    return suite.tell()


def asked_of_every_rule(accepted):
    """Tokens that the gateway has seen and keeps: each rule must judge them by its own demands."""
    return [cases.Case(rule, f"{case.name}, seen on /{case.rule} before", case.token)
            for case in accepted for rule in cases.RULES]


def compare(case, status, body, reference, made, differences):
    """What is wrong with the verdicts on one token; None if nothing is."""
    said = f"gateway {status}, aws-jwt-verify {reference.get('error', 'accepts')}"
    if status not in (200, *refusals(case)):
        return f"{said}: no proper answer"
    ours, theirs = status == 200, reference["accepted"]
    if case.expected is not None and theirs != (case.expected != cases.REFUSED):
        return f"{said}: the case expects otherwise of aws-jwt-verify"
    if case.expected == cases.ACCEPTED and not ours:
        return f"{said}: both should accept"
    if ours and not theirs:
        return f"{said}: the gateway lets in what AWS's verifier refuses"
    points = set(case.points) or stricter.offended(case.token, made)
    if ours and points:
        return f"{said}: points {sorted(points)} of stricter.py are not kept"
    if ours:
        return differs_in_claims(body, reference["payload"])
    if theirs:
        if not points:
            return f"{said}: a difference that no point of stricter.py explains"
        if isinstance(case.expected, cases.Stricter) and case.expected.point not in points:
            return f"{said}: points {sorted(points)}, expected {case.expected.point}"
        differences.update(points if case.expected is None else [case.expected.point])
    elif status == 403 and not ({"JwtInvalidScopeError", "CognitoJwtInvalidGroupError"}
                                & {reference["error"]}):
        return f"{said}: 403 is for scopes and groups"
    return None


def refusals(case):
    """The statuses that may refuse such a token: HTTP itself forbids some bytes and sizes."""
    if len(case.token) > 60_000:
        return 431,
    if len(case.token) > 16 * 1024:
        return 401, 431
    if any(not " " <= c <= "~" for c in case.token):
        return 400, 401
    return 401, 403


def differs_in_claims(body, payload):
    """The claims that reached the target are those that AWS's verifier read. (How what is no text
    becomes a header is for the gateway's own tests.)"""
    received = collections.defaultdict(list)
    for name, value in json.loads(body):
        received[name].append(urllib.parse.unquote(value))
    for header, claim in (("x-auth-subject", "sub"), ("x-auth-client-id", "client_id"),
                          ("x-auth-scope", "scope")):
        value = payload.get(claim)
        wanted = [value] if value else []
        if isinstance(value, (str, type(None))) and received[header] not in (wanted, [value]):
            return f"{header} was {received[header]}, but {claim} is {value!r}"
    return None


def tell(count, accepted, differences):
    print(f"{count} questions; {accepted} accepted by both; refused on purpose, by point:")
    for point, meaning in stricter.POINTS.items():
        print(f"  {point:>2} {differences[point]:5}  {meaning}")
