"""The JSON Schema and `portcullis check` judge the same files; check-jsonschema knows draft-07."""

import json
import os
import pathlib
import subprocess
import sys
import tempfile

import edits
from gateway import BINARY, ROOT, Suite

HERE = ROOT / "tests/oracles"
#: How many edited files are judged.
EDITS = 500
SCHEMA = ROOT / "schema/routes.schema.json"


def run():
    suite = Suite("schema", "files judged by check-jsonschema and by `portcullis check`")
    suite.equal("the schema is a valid one", *passes(schema("--check-metaschema", SCHEMA)))
    suite.equal("the committed schema is the one that is printed",
                subprocess.run([BINARY, "schema"], capture_output=True, check=True).stdout,
                SCHEMA.read_bytes())
    good = [ROOT / "routes.yaml", *sorted((HERE / "good").glob("*.yaml"))]
    bad = sorted((HERE / "bad").glob("*.yaml"))
    suite.check("there are files to judge", len(good) >= 4 and len(bad) >= 50,
                f"{len(good)} good, {len(bad)} bad")
    refused = refused_by_schema(good + bad)
    for file in good:
        suite.equal(f"{file.name} by the schema", refused.get(str(file)), None)
        suite.equal(f"{file.name} by check",
                    [finding for finding in check(file) if finding["severity"] == "error"], [])
    for file in bad:
        suite.check(f"bad/{file.name} by the schema", str(file) in refused, "it passes")
        found = [f"{finding['code']} at {finding['line']}:{finding['column']}"
                 for finding in check(file) if finding["severity"] == "error"]
        suite.check(f"bad/{file.name} by check", expected(file) in found,
                    f"{found}, expected {expected(file)!r} among them")
    judge_edits(suite, good)
    return suite.tell()


def judge_edits(suite, good):
    """What `portcullis check` accepts, the schema accepts."""
    with tempfile.TemporaryDirectory(prefix="portcullis-oracles-") as folder:
        accepted = []
        for number, text in enumerate(edits.edited(good, EDITS)):
            file = pathlib.Path(folder, f"edit-{number}.yaml")
            file.write_text(text)
            if all(finding["severity"] != "error" for finding in check(file)):
                accepted.append(file)
        suite.check("some edits leave a file good", EDITS // 20 < len(accepted) < EDITS,
                    f"{len(accepted)} of {EDITS}")
        refused = refused_by_schema(accepted)
        for file in accepted:
            suite.check(f"{file.name} by the schema", str(file) not in refused,
                        refused.get(str(file)))


def expected(file):
    """The first line of a bad file says which error is in it, and where."""
    return file.read_text().splitlines()[0].removeprefix("# expect: ")


def schema(*arguments):
    command = os.path.join(os.path.dirname(sys.executable), "check-jsonschema")
    return subprocess.run([command, *map(str, arguments)], capture_output=True, text=True,
                          check=False, timeout=60)


def refused_by_schema(files):
    """The files that the schema refuses, with what it says of each."""
    told = json.loads(schema("--schemafile", SCHEMA, "--output-format", "json", *files).stdout)
    if told.get("parse_errors"):
        raise RuntimeError(f"not YAML: {told['parse_errors']}")
    if told["status"] == "ok":
        return {}
    return {fault["filename"]: f"{fault['path']}: {fault['message']}" for fault in told["errors"]}


def check(file):
    """The findings of `portcullis check`, whose exit code must tell whether there is an error."""
    done = subprocess.run([BINARY, "check", "--portable", "--json", file], capture_output=True,
                          text=True, check=False, timeout=60)
    findings = json.loads(done.stdout)
    has_error = any(finding["severity"] == "error" for finding in findings)
    if done.returncode != int(has_error):
        raise RuntimeError(f"exit code {done.returncode} for {file}: {done.stdout}{done.stderr}")
    return findings


def passes(done):
    """What was found, and what should have been."""
    return (0, "") if done.returncode == 0 else (done.returncode, done.stdout + done.stderr), (0, "")
