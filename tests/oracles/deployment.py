"""What we ship to run the gateway with, judged by systemd's own tool, by Kubernetes' schemas, and by hadolint."""

import os
import re
import shutil
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

import kubernetes_validate
import yaml

from gateway import BINARY, ROOT, Suite

DEPLOY = ROOT / "deploy"
UNIT = DEPLOY / "systemd/portcullis.service"
#: `systemd-analyze security` goes from 0 (nothing is exposed) to 10; a unit without hardening has 9.6.
EXPOSURE = 2.0
#: The oldest and the newest that are judged.
KUBERNETES = ["1.29", "1.33"]
KINDS = {"ConfigMap", "Deployment", "Service", "PodDisruptionBudget", "HorizontalPodAutoscaler",
         "NetworkPolicy"}


def run():
    suite = Suite("deployment", "unit, image and manifests judged by systemd-analyze, hadolint and schemas")
    judge_unit(suite)
    judge_manifests(suite)
    judge_image(suite)
    return suite.tell()


def judge_unit(suite):
    """No manager need be running."""
    text = UNIT.read_text()
    suite.check("the unit serves and checks the same file",
                set(re.findall(r"/usr/bin/portcullis (?:run|check) (\S+)", text))
                == {"/etc/portcullis/routes.yaml"})
    accepted(suite, "the file beside the unit", (UNIT.parent / "routes.yaml").read_text())
    packed = tomllib.loads((ROOT / "Cargo.toml").read_text())["package"]["metadata"]["deb"]["assets"]
    missing = [name for name, *_ in packed
               if not name.startswith("target/") and not list(ROOT.glob(name))]
    suite.equal("what the package is made of is there", missing, [])
    tool = shutil.which("systemd-analyze")
    if tool is None:
        print("not judged by systemd-analyze: it is not here")
        return
    with tempfile.TemporaryDirectory() as folder:
        # The program need not be installed to be judged; some program must be where the unit says.
        unit = Path(folder) / UNIT.name
        unit.write_text(text.replace("/usr/bin/portcullis", "/bin/true"))
        verified = judge(tool, "verify", str(unit))
    ours = [line for line in verified.stderr.splitlines() if UNIT.name in line]
    suite.equal("systemd-analyze verify", (verified.returncode, ours), (0, []))
    told = judge(tool, "security", "--offline=true", str(UNIT)).stdout
    level = re.search(r"Overall exposure level for \S+ ([0-9.]+)", told)
    suite.check(f"systemd-analyze security: {EXPOSURE} or less",
                level is not None and float(level[1]) <= EXPOSURE, told[-200:])


def judge_manifests(suite):
    folder = DEPLOY / "kubernetes"
    listed = yaml.safe_load((folder / "kustomization.yaml").read_text())["resources"]
    suite.equal("kustomization.yaml lists every manifest", {*listed, "kustomization.yaml"},
                {file.name for file in folder.iterdir()})
    manifests = {}
    for name in listed:
        manifest = yaml.safe_load((folder / name).read_text())
        manifests[manifest["kind"]] = manifest
        for version in KUBERNETES:
            try:
                kubernetes_validate.validate(manifest, version, strict=True)
                fault = None
            except kubernetes_validate.ValidationError as why:
                fault = why.message
            suite.equal(f"{name} by Kubernetes {version}", fault, None)
    suite.equal("all kinds are there", set(manifests), KINDS)
    # What must be said in two places is the same in both.
    config = manifests["ConfigMap"]["data"]["routes.yaml"]
    accepted(suite, "the file in configmap.yaml", config)
    config = yaml.safe_load(config)
    pod = manifests["Deployment"]["spec"]["template"]["spec"]
    drain = sum(int(config["shutdown"][key].removesuffix("s"))
                for key in ("pre_stop_wait", "drain_limit"))
    suite.check("a pod is given the time to drain", drain < pod["terminationGracePeriodSeconds"])
    container = pod["containers"][0]
    ports = {port["containerPort"] for port in container["ports"]}
    addresses = [config["admin"]["address"], *(one["address"] for one in config["listeners"].values())]
    suite.equal("the ports of the pod are those of the file",
                {int(address.rpartition(":")[2]) for address in addresses}, ports)
    suite.check("the config map is mounted as a folder, which alone is seen to change",
                all("subPath" not in mount for mount in container["volumeMounts"]))


def judge_image(suite):
    accepted(suite, "the file of compose.yaml", (DEPLOY / "docker/config/routes.yaml").read_text())
    services = yaml.safe_load((DEPLOY / "compose.yaml").read_text())["services"]
    volume = services["portcullis"]["volumes"][0].split(":")
    suite.check("compose mounts the folder of the file", (DEPLOY / volume[0] / "routes.yaml").is_file())
    tool = Path(os.path.dirname(sys.executable), "hadolint")
    judged = judge(str(tool), "--failure-threshold", "style", str(DEPLOY / "docker/Dockerfile"))
    suite.equal("hadolint", (judged.returncode, judged.stdout + judged.stderr), (0, ""))


def accepted(suite, name, text):
    with tempfile.NamedTemporaryFile("w", suffix=".yaml") as file:
        file.write(text)
        file.flush()
        judged = judge(str(BINARY), "check", "--portable", "--strict", file.name)
    suite.equal(f"{name} by check", (judged.returncode, judged.stderr), (0, ""))


def judge(tool, *words):
    return subprocess.run([tool, *words], text=True, capture_output=True, timeout=60, check=False)
