"""User instructions per request: the figure that repeats where microseconds drift.

With hardware counters, `perf stat` counts over a whole run of the case. Without them (most virtual
machines), the thread that serves is stepped one instruction at a time while a few requests pass.
"""
import http.client
import os
import shutil
import signal
import statistics
import subprocess
import time

from . import load, places
from .cases import CASES
from .subjects import SUBJECTS

STEPPED_CONNECTIONS = 8
STEPS_ENOUGH = 2_000_000
STEPPED_WAVES = 4
WAVE_LIMIT = 900


def method():
    """`perf`, `step`, or why neither works."""
    if shutil.which("perf"):
        done = subprocess.run(["perf", "stat", "-x,", "-e", "instructions:u", "true"],
                              capture_output=True, text=True)
        counted = [line for line in done.stderr.splitlines() if "instructions" in line]
        if done.returncode == 0 and counted and counted[0].split(",")[0].isdigit():
            return "perf"
    if os.uname().machine == "x86_64" and shutil.which("cc"):
        return "step"
    return "no hardware counters for perf, and stepping needs x86-64 and a C compiler"


def per_request(subject_name, case_name, seconds, how, binary=None):
    """User instructions a request."""
    subject, case = SUBJECTS[subject_name], CASES[case_name]
    process = subject.start(log=case.log, shape=case.shape, binary=binary)
    try:
        case.warm_up(1)
        if how == "perf":
            return with_perf(process, lambda: case.run(seconds))
        return with_steps(process, case)
    finally:
        process.stop()


def with_perf(process, run):
    pids = ",".join(map(str, process.family()))
    counter = subprocess.Popen(["perf", "stat", "-x,", "-e", "instructions:u", "-p", pids],
                               stderr=subprocess.PIPE, text=True)
    try:
        time.sleep(0.3)
        result = run()
    finally:
        counter.send_signal(signal.SIGINT)
    _, text = counter.communicate(timeout=20)
    counted = next(line for line in text.splitlines() if "instructions" in line)
    return int(counted.split(",")[0]) / result.requests


class StepCounter:
    """The count of one thread."""

    def __init__(self, thread):
        self._popen = subprocess.Popen(
            ["taskset", "-c", str(places.SUBJECT_CORE), str(step_counter()), str(thread)],
            stdout=subprocess.PIPE, text=True)
        line = self._popen.stdout.readline().strip()
        if line != "ready":
            raise RuntimeError("count-steps could not trace the subject")

    def read(self):
        self._popen.send_signal(signal.SIGUSR1)
        return int(self._popen.stdout.readline())

    def stop(self):
        self._popen.terminate()
        try:
            self._popen.wait(5)
        except subprocess.TimeoutExpired:
            self._popen.kill()
            self._popen.wait(5)


def step_counter():
    """Builds the counter when it lacks or is older than its source."""
    source, program = places.BENCH / "count_steps.c", places.WORK / "count-steps"
    if not program.exists() or program.stat().st_mtime < source.stat().st_mtime:
        subprocess.run(["cc", "-O2", "-Wall", "-o", str(program), str(source)], check=True)
    return program


def with_steps(process, case):
    if case.streams or case.tls:
        raise RuntimeError("stepping covers plain HTTP/1.1 only")
    ticks = process.threads()
    thread = max(ticks, key=ticks.get)
    requests = wave_requests(case)
    connections = [http.client.HTTPConnection("127.0.0.1", places.HTTP, timeout=WAVE_LIMIT)
                   for _ in range(STEPPED_CONNECTIONS)]
    counter = None
    try:
        for _ in range(3):
            wave(connections, requests)
        counter = StepCounter(thread)
        waves, before = [], settled(counter)
        while len(waves) < STEPPED_WAVES and sum(waves) < STEPS_ENOUGH:
            wave(connections, requests)
            after = settled(counter)
            waves.append(after - before)
            before = after
        # The first wave also pays for waking up; drop it where there are others.
        return statistics.median(waves[1:] or waves) / STEPPED_CONNECTIONS
    finally:
        for connection in connections:
            connection.close()
        process.stop()
        if counter:
            counter.stop()


def settled(counter):
    """The count once the thread is asleep again, its work after the last answer included."""
    last = counter.read()
    while True:
        time.sleep(0.3)
        now = counter.read()
        if now - last < 200:
            return now
        last = now


def wave_requests(case):
    """An endless supply of (path, headers)."""
    if case.shape:
        token = load.one_token()
        pairs = [line.split(" ") for line in case.shape.requests()]
        while True:
            for host, path in pairs:
                yield path, {"host": host, "authorization": f"Bearer {token}"}
    with open(places.TOKENS / f"{case.tokens}.txt") as file:
        tokens = file.read().split()
    while True:
        for token in tokens:
            yield "/", {"authorization": f"Bearer {token}"}


def wave(connections, requests):
    """One request on each connection, all in flight together."""
    for connection in connections:
        path, headers = next(requests)
        connection.request("GET", path, headers=headers)
    for connection in connections:
        connection.getresponse().read()
