"""User instructions per request: the figure that repeats where microseconds drift.

With hardware counters, `perf stat` counts over a whole run of the case. Without them (most virtual
machines), the subject runs under Valgrind's callgrind, which counts while the case runs.
"""
import re
import shutil
import signal
import subprocess
import time

from . import places
from .cases import CASES
from .subjects import SUBJECTS

# One `rep movsb` counts as one instruction for a processor and as one per byte for Valgrind: long
# copies are made with vector instructions instead, for every subject.
NO_REP = "glibc.cpu.x86_rep_movsb_threshold=100000000:glibc.cpu.x86_rep_stosb_threshold=100000000"


def method():
    """`perf`, `callgrind`, or why neither works."""
    if shutil.which("perf"):
        done = subprocess.run(["perf", "stat", "-x,", "-e", "instructions:u", "true"],
                              capture_output=True, text=True)
        counted = [line for line in done.stderr.splitlines() if "instructions" in line]
        if done.returncode == 0 and counted and counted[0].split(",")[0].isdigit():
            return "perf"
    if shutil.which("callgrind_control"):
        return "callgrind"
    return "no hardware counters for perf, and Valgrind is not installed (apt-get install valgrind)"


def per_request(subject_name, case_name, seconds, how, binary=None):
    """User instructions a request."""
    subject, case = SUBJECTS[subject_name], CASES[case_name]
    counts = places.RUN / "callgrind"
    shutil.rmtree(counts, ignore_errors=True)
    counts.mkdir(parents=True)
    under = () if how == "perf" else (
        "env", f"GLIBC_TUNABLES={NO_REP}", "valgrind", "--tool=callgrind", "--instr-atstart=no",
        "--trace-children=yes", f"--callgrind-out-file={counts}/%p")
    process = subject.start(log=case.log, shape=case.shape, binary=binary, under=under)
    try:
        case.warm_up(2)
        if how == "perf":
            return with_perf(process, lambda: case.run(seconds))
        switch(process, "on")
        result = case.run(seconds)
        switch(process, "off")
    finally:
        process.stop()
    totals = [re.search(r"^totals: (\d+)", file.read_text(errors="replace"), re.MULTILINE)
              for file in counts.iterdir()]
    return sum(int(total[1]) for total in totals if total) / result.requests


def switch(process, state):
    """Callgrind's counting, in every process of the subject."""
    for pid in process.family():
        subprocess.run(["callgrind_control", "-i", state, str(pid)], check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=30)


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
