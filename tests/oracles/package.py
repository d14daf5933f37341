"""The Debian package and its list of crates, judged by lintian, by dpkg, by CycloneDX' own schema, and by cargo."""

import json
import os
import re
import subprocess
import tempfile
from pathlib import Path

from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from gateway import ROOT, TARGET, Suite

CONFFILE = "etc/portcullis/routes.yaml"
SBOM = "usr/share/doc/portcullis/portcullis.cdx.json"
#: What the package is nothing without.
SHIPPED = ["usr/bin/portcullis", "usr/lib/systemd/system/portcullis.service", CONFFILE, SBOM,
           "usr/share/man/man1/portcullis.1.gz", "usr/share/bash-completion/completions/portcullis",
           "usr/share/zsh/vendor-completions/_portcullis", "usr/share/fish/vendor_completions.d/portcullis.fish",
           "usr/share/doc/portcullis/copyright", "usr/share/doc/portcullis/changelog.Debian.gz"]
#: They only build or test, so a list of what is linked has none of them.
NEVER_LINKED = {"cc", "cmake", "autocfg", "syn", "serde_derive", "proptest", "insta", "criterion", "rcgen"}


def run():
    suite = Suite("package", "the Debian package judged by lintian, dpkg, CycloneDX' schema and cargo")
    package = build()
    judge_package(suite, package)
    with tempfile.TemporaryDirectory(prefix="portcullis-root-") as folder:
        judge_installed(suite, package, Path(folder))
    judge_paths(suite)
    return suite.tell()


def build():
    """Of the program that the other suites judge; how it is packed does not depend on how it is optimized."""
    told = tool("env", "PROFILE=dev", ROOT / "scripts/package")
    if told.returncode != 0:
        raise RuntimeError(told.stderr[-2000:])
    return TARGET / "debian" / re.search(r"\S+  \./(\S+)", (TARGET / "debian/SHA256SUMS").read_text())[1]


def judge_package(suite, package):
    judged = tool("lintian", "--fail-on", "error", "--allow-root", package)
    errors = [line for line in judged.stdout.splitlines() if line.startswith("E:")]
    suite.equal("lintian has no error", (judged.returncode, errors), (0, []))
    summed = tool("sha256sum", "--check", "--strict", "SHA256SUMS", cwd=package.parent)
    suite.equal("SHA256SUMS is right", summed.returncode, 0)
    suite.equal("nothing of it runs as root at an install", scripts(package), set())


def scripts(package):
    """Programs that dpkg would run as root when it installs or removes the package."""
    told = tool("sh", "-c", f"dpkg-deb --ctrl-tarfile '{package}' | tar --list")
    files = {name.removeprefix("./") for name in told.stdout.split()}
    return files & {"preinst", "postinst", "prerm", "postrm", "config"}


def judge_installed(suite, package, root):
    """dpkg itself installs it, into a root of its own."""
    for name in ("info", "updates", "triggers"):
        (root / "var/lib/dpkg" / name).mkdir(parents=True)
    (root / "var/lib/dpkg/status").touch()
    installed = dpkg(root, "--install", package)
    suite.equal("dpkg installs it", installed.returncode, 0)
    suite.equal("what it ships", [name for name in SHIPPED if not (root / name).is_file()], [])
    program = root / "usr/bin/portcullis"
    version = tool(program, "--version").stdout.split()[-1]
    suite.check("the program is the version of the package", package.name.startswith(f"portcullis_{version}-"))
    suite.equal("the program takes the shipped file", tool(program, "check", root / CONFFILE).returncode, 0)
    manual = tool("man", "--warnings", "--local-file", root / "usr/share/man/man1/portcullis.1.gz")
    suite.equal("the manual page has no warning", (manual.returncode, manual.stderr), (0, ""))
    completion = tool("bash", "-n", root / "usr/share/bash-completion/completions/portcullis")
    suite.equal("bash takes the completion", completion.returncode, 0)
    judge_upgrade(suite, package, root)
    judge_list(suite, json.loads((root / SBOM).read_text()), (root / SBOM).read_text())
    suite.equal("dpkg removes it", dpkg(root, "--purge", "portcullis").returncode, 0)
    suite.check("and nothing is left", not (root / "usr/bin/portcullis").exists() and not (root / CONFFILE).exists())


def judge_upgrade(suite, package, root):
    written = "# written by somebody\n" + (root / CONFFILE).read_text()
    (root / CONFFILE).write_text(written)
    again = dpkg(root, "--force-confold", "--install", package)
    suite.equal("an upgrade keeps a file that was written",
                (again.returncode, (root / CONFFILE).read_text()), (0, written))


def dpkg(root, *words):
    return tool("dpkg", f"--root={root}", "--force-not-root", "--force-depends", "--force-architecture", *words)


def judge_list(suite, listed, text):
    fault = JsonStrictValidator(SchemaVersion.from_version(listed["specVersion"])).validate_str(text)
    suite.equal("the list of crates by CycloneDX' schema", fault and str(fault), None)
    crates = {(one["name"], one["version"]) for one in listed["components"]}
    suite.check("the list has crates", len(crates) > 100)
    suite.equal("each has a digest and a licence",
                [one["name"] for one in listed["components"] if not (one.get("hashes") and one.get("licenses"))], [])
    suite.equal("no crate is in it twice", len(listed["components"]), len(crates))
    # By the names that the program itself holds, in what it says when it panics.
    held = set(re.findall(rb"/registry/src/[\w.-]+/([\w-]+?)-(\d+\.\d+\.\d+[\w.+-]*)", built().read_bytes()))
    held = {(name.decode(), version.decode()) for name, version in held}
    suite.check("the program holds names of crates", len(held) > 50)
    suite.equal("each crate that the program names is in the list", sorted(held - crates), [])
    # By what cargo compiled as a library. It is built by now.
    suite.equal("each crate in the list was compiled for it", sorted(crates - compiled()), [])
    suite.equal("no crate is in it that only builds or tests", sorted(NEVER_LINKED & {name for name, _ in crates}), [])
    refs = {one["bom-ref"] for one in listed["components"]} | {listed["metadata"]["component"]["bom-ref"]}
    told = {ref for one in listed["dependencies"] for ref in [one["ref"], *one["dependsOn"]]}
    suite.equal("who needs whom is told of those in the list", told, refs)
    suite.check("no path of this machine is in it", str(ROOT) not in text and os.environ.get("HOME", "-") + "/" not in text)


def compiled():
    told = tool("cargo", "build", "--locked", "--message-format=json", cwd=ROOT)
    messages = [json.loads(line) for line in told.stdout.splitlines() if line.startswith("{")]
    units = [one for one in messages if one["reason"] == "compiler-artifact"
             and not {"proc-macro", "custom-build"} & set(one["target"]["kind"])]
    return {named(one["package_id"]) for one in units}


def named(identity):
    """Name and version from cargo's `registry+...#name@1.0`, or from `path+.../name#1.0`."""
    folder, _, fragment = identity.rpartition("#")
    name, is_there, version = fragment.partition("@")
    return (name, version) if is_there else (folder.rpartition("/")[2], fragment)


def judge_paths(suite):
    """What makes `make dist` fail; the program for tests has such paths, so the judge is judged here."""
    judge = ROOT / "scripts/holds-no-path"
    suite.equal("a program with the path of its checkout is refused", tool(judge, built(), ROOT).returncode, 1)
    suite.equal("one without is taken", tool(judge, built(), "/no/such/path/anywhere").returncode, 0)


def built():
    return TARGET / "debug/portcullis"


def tool(*words, cwd=None):
    return subprocess.run([str(word) for word in words], text=True, capture_output=True, timeout=300, check=False, cwd=cwd)
