"""One subject, one case, one round: what a request costs and how long it takes."""
import threading
import time
from dataclasses import asdict, dataclass

from . import gateway_file, load, places
from .cases import CASES
from .subjects import SUBJECTS, ask


@dataclass(frozen=True)
class Sample:
    subject: str
    case: str
    round: int
    requests: int
    cpu_us: float      # user and system, of the subject and its children, per request
    user_us: float
    system_us: float
    per_second: float
    p50: float
    p99: float
    p999: float
    idle_mb: float     # before the first request of the load
    warm_mb: float     # after the warm-up
    rss_mb: float      # after the run
    peak_mb: float
    note: str = ""

    def as_dict(self):
        return asdict(self)


def sample(subject_name, case_name, round_number, seconds, warm_seconds, binary=None):
    """Starts the subject, warms it up, loads it, ends it."""
    subject, case = SUBJECTS[subject_name], CASES[case_name]
    process = subject.start(log=case.log, shape=case.shape, binary=binary)
    try:
        idle, _ = process.memory()
        case.warm_up(warm_seconds)
        warm, _ = process.memory()
        before = process.cpu_seconds()
        result = case.run(seconds)
        after = process.cpu_seconds()
        rss, peak = process.memory()
    finally:
        process.stop()
        for log in (places.RUN / subject_name).glob("*.log"):
            log.unlink()
    note = "" if case.is_as_expected(result) else (
        f"{result.refused} of {result.requests} refused, {result.broken} broken")
    count = max(result.requests, 1)
    user, system = ((late - early) * 1e6 / count for late, early in zip(after, before))
    return Sample(subject_name, case_name, round_number, result.requests, user + system, user, system,
                  result.requests / result.seconds, result.p50, result.p99, result.p999,
                  idle, warm, rss, peak, note)


@dataclass(frozen=True)
class Reload:
    shape: str
    round: int
    milliseconds: float   # the slowest POST /reload of the round
    visible: bool         # whether the new file was in force when the answer came
    requests: int
    failed: int
    p99: float


def reload_under_load(case_name, round_number, seconds, binary=None):
    """Reloads the long rule list once a second while it serves; counts what failed."""
    subject, case = SUBJECTS["portcullis-auth"], CASES[case_name]
    process = subject.start(shape=case.shape, binary=binary)
    file = places.RUN / subject.name / "routes.yaml"
    results = []
    try:
        case.warm_up(1)
        client = threading.Thread(target=lambda: results.append(case.run(seconds)))
        client.start()
        slowest, visible = 0.0, True
        for revision in range(1, max(2, seconds)):
            time.sleep(0.5)
            took, in_force = reload_once(file, case.shape, revision)
            slowest, visible = max(slowest, took), visible and in_force
            time.sleep(0.5)
        client.join()
    finally:
        process.stop()
    if not results:
        raise RuntimeError("the client of the reload case failed")
    done = results[0]
    return Reload(case_name, round_number, slowest * 1e3, visible, done.requests,
                  done.refused + done.broken, done.p99)


def reload_once(file, shape, revision):
    """Puts a changed file in place, asks for a reload; returns (seconds, was it in force then)."""
    took = replace(file, gateway_file.text(True, shape=shape, revision=revision))
    _, page = ask("/nowhere")
    return took, page == f"revision {revision}".encode()


def replace(file, text):
    """Puts a changed file in place and asks for a reload; returns the seconds it took."""
    fresh = file.with_suffix(".new")
    fresh.write_text(text)
    fresh.rename(file)
    start = time.monotonic()
    status, answer = ask("/reload", gateway_file.ADMIN_TOKEN, port=places.ADMIN, method="POST")
    took = time.monotonic() - start
    if not 200 <= status < 300:
        raise RuntimeError(f"POST /reload answered {status}: {answer[:300]!r}")
    return took
