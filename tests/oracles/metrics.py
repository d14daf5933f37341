"""What `/metrics` says is read by Prometheus's own parsers."""

import json
import shutil
import subprocess
import tempfile

from prometheus_client.parser import text_string_to_metric_families

import cases
from gateway import ROOT, TARGET, Client, Gateway, Server, Suite
from differential import routes
from tokens import access_token

#: Where `run` unpacks Debian's package, so that no Prometheus server is installed for it.
UNPACKED = TARGET / "oracles/prometheus/usr/bin/promtool"


def run():
    suite = Suite("metrics", "a live scrape read by Prometheus's own parsers")
    documents = {f"/{name}.json": pool.jwks for name, pool in cases.POOLS.items()}
    with Server(documents) as server, Gateway(routes(server.address)) as gateway:
        client = Client(gateway.address)
        good = access_token(cases.ACCESS).spell()
        for path, token, expected in [("/access", good, 200), ("/access", "x", 401),
                                      ("/nowhere", good, 404), ("/scoped", good, 200)]:
            suite.equal(f"{path} before the scrape",
                        client.get(path, b"Bearer " + token.encode())[0], expected)
        client.close()
        text = gateway.ask_admin("/metrics")
    families = list(text_string_to_metric_families(text))
    samples = [sample for family in families for sample in family.samples]
    suite.check("there are metrics", len(families) >= 20, f"{len(families)} families")
    own = [family for family in families if family.name.startswith("portcullis_")]
    suite.check("most are ours", len(own) >= 15, [family.name for family in own])
    suite.equal("every family has a type",
                [family.name for family in families if family.type in ("unknown", "untyped")], [])
    suite.equal("every family has a text",
                [family.name for family in families if not family.documentation], [])
    series = [(sample.name, tuple(sorted(sample.labels.items()))) for sample in samples]
    suite.equal("no series is there twice", len(series), len(set(series)))
    suite.check("no token is in it", good not in text and good[-40:] not in text)
    for family in families:
        if family.type == "histogram":
            suite.equal(f"{family.name}: buckets add up", wrong_buckets(family), [])
    judge_with_promtool(suite, text)
    return suite.tell()


def wrong_buckets(family):
    """The series of a histogram whose buckets fall, or whose last is not its count."""
    buckets, counts = {}, {}
    for sample in family.samples:
        labels = tuple(sorted((n, v) for n, v in sample.labels.items() if n != "le"))
        if sample.name.endswith("_bucket"):
            bound = float(sample.labels["le"].replace("+Inf", "inf"))
            buckets.setdefault(labels, []).append((bound, sample.value))
        elif sample.name.endswith("_count"):
            counts[labels] = sample.value
    return [labels for labels, values in buckets.items()
            if [v for _, v in sorted(values)] != sorted(v for _, v in values)
            or max(values) != (float("inf"), counts.get(labels))]


def judge_with_promtool(suite, text):
    promtool = shutil.which("promtool") or (UNPACKED if UNPACKED.exists() else None)
    if promtool is None:
        print("not judged by promtool: it is not here, and Debian's package could not be fetched")
        return
    checked = subprocess.run([promtool, "check", "metrics"], input=text, text=True,
                             capture_output=True, timeout=60, check=False)
    complaints = (checked.stdout + checked.stderr).strip()
    suite.equal("promtool check metrics", (checked.returncode, complaints), (0, ""))
    for words in (["check", "rules", "alerts.yaml"], ["test", "rules", "alerts_test.yaml"]):
        judged = subprocess.run([promtool, *words], cwd=ROOT / "deploy/prometheus", text=True,
                                capture_output=True, timeout=60, check=False)
        suite.equal("promtool " + " ".join(words), (judged.returncode, judged.stderr.strip()), (0, ""))
    judge_dashboard(suite, promtool)


def judge_dashboard(suite, promtool):
    """Every query of the dashboard is PromQL: promtool reads them as rules."""
    dashboard = json.loads((ROOT / "deploy/grafana/dashboard.json").read_text())
    queries = [target["expr"] for panel in dashboard["panels"] for target in panel.get("targets", [])]
    rules = [{"record": f"query{number}", "expr": query.replace("$__rate_interval", "1m")}
             for number, query in enumerate(queries)]
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        # JSON is YAML.
        json.dump({"groups": [{"name": "dashboard", "rules": rules}]}, file)
        file.flush()
        judged = subprocess.run([promtool, "check", "rules", file.name], text=True,
                                capture_output=True, timeout=60, check=False)
    suite.equal("queries of the dashboard", (judged.returncode, judged.stderr.strip()), (0, ""))
    suite.check("the dashboard has queries", len(queries) > 30, str(len(queries)))
