"""The clients: wrk for HTTP/1.1, h2load for HTTP/2. Pinned, bounded, parsed."""
import os
import re
import subprocess
from dataclasses import dataclass

from . import places
from .subjects import first_token

PATIENCE = 60


@dataclass(frozen=True)
class Load:
    requests: int
    seconds: float
    p50: float  # milliseconds, as are the next two
    p99: float
    p999: float
    refused: int  # answers of 400 and above
    broken: int   # connections that failed


def pinned(command):
    return ["taskset", "-c", str(places.CLIENT_CORE), *map(str, command)]


def wrk_command(seconds, connections, script=("report.lua",), token=None, tls=False):
    port, scheme = (places.HTTPS, "https") if tls else (places.HTTP, "http")
    name, *arguments = script
    command = ["wrk", "-t", 1, "-c", connections, "-d", f"{seconds}s", "--timeout", "30s",
               "-s", places.CLIENT / name]
    if token:
        command += ["-H", f"Authorization: Bearer {token}"]
    command.append(f"{scheme}://127.0.0.1:{port}/")
    return pinned(command + (["--", *arguments] if arguments else []))


def wrk_environment():
    return os.environ | {"BENCH_CLIENT": str(places.CLIENT)}


def read_wrk(text):
    line = re.search(r"^BENCH (.*)$", text, re.MULTILINE)
    if not line:
        raise RuntimeError(f"wrk did not report:\n{text[-2000:]}")
    figure = {name: int(value) for name, value in (pair.split("=") for pair in line[1].split())}
    return Load(figure["requests"], figure["microseconds"] / 1e6, figure["p50"] / 1e3, figure["p99"] / 1e3,
                figure["p999"] / 1e3, figure["refused"], figure["broken"])


def wrk(seconds, connections, **more):
    done = subprocess.run(wrk_command(seconds, connections, **more), env=wrk_environment(),
                          capture_output=True, text=True, timeout=seconds + PATIENCE)
    return read_wrk(done.stdout + done.stderr)


def h2load(seconds, connections, streams, token=None):
    log = places.RUN / "h2load.log"
    log.unlink(missing_ok=True)
    command = ["h2load", "-t", 1, "-D", seconds, "-c", connections, "-m", streams, f"--log-file={log}"]
    if token:
        command += ["-H", f"authorization: Bearer {token}"]
    command.append(f"https://127.0.0.1:{places.HTTPS}/")
    done = subprocess.run(pinned(command), capture_output=True, text=True, timeout=seconds + PATIENCE)
    refused, took = 0, []
    with open(log) as file:
        for line in file:
            _, status, microseconds = line.split("\t")
            refused += int(status) >= 400
            took.append(int(microseconds))
    log.unlink()
    if not took:
        raise RuntimeError(f"h2load had no answer:\n{(done.stdout + done.stderr)[-2000:]}")
    took.sort()
    failed = re.search(r"(\d+) failed, (\d+) errored, (\d+) timeout", done.stdout)

    def at(part):
        return took[min(len(took) - 1, int(len(took) * part))] / 1e3

    return Load(len(took), float(seconds), at(0.5), at(0.99), at(0.999), refused,
                sum(map(int, failed.groups())) if failed else 0)


def one_token():
    return first_token("one")
