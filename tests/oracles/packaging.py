"""The systemd unit that we ship is judged by systemd's own tool; no manager need be running."""

import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from gateway import ROOT, Suite

UNIT = ROOT / "deploy/systemd/portcullis.service"
#: `systemd-analyze security` goes from 0 (nothing is exposed) to 10; a unit without hardening has 9.6.
EXPOSURE = 2.0


def run():
    suite = Suite("packaging", "the systemd unit judged by systemd-analyze")
    text = UNIT.read_text()
    suite.check("the unit serves and checks the same file",
                set(re.findall(r"/usr/bin/portcullis (?:run|check) (\S+)", text))
                == {"/etc/portcullis/routes.yaml"})
    tool = shutil.which("systemd-analyze")
    if tool is None:
        print("not judged by systemd-analyze: it is not here")
        return suite.tell()
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
    return suite.tell()


def judge(tool, *words):
    return subprocess.run([tool, *words], text=True, capture_output=True, timeout=60, check=False)
