"""Runs the suites that are named, or all of them."""

import importlib
import sys
import time

ALL = ["differential", "issuers", "files", "metrics", "traces", "clients", "mutual_tls", "smuggling", "imports",
       "sign_in", "admin_page", "signatures", "openapi_clients", "deployment", "package"]


def main(names):
    unknown = [name for name in names if name not in ALL]
    if unknown:
        sys.exit(f"no such suite: {', '.join(unknown)}; there are {', '.join(ALL)}")
    good = True
    for name in names or ALL:
        started = time.monotonic()
        try:
            good &= importlib.import_module(name).run()
        except Exception as fault:
            good = False
            print(f"FAILED {name}: it could not be run: {fault}\n0 passed, 1 failed", flush=True)
        print(f"    ({time.monotonic() - started:.0f} s)", flush=True)
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
