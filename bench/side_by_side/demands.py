"""What Portcullis demands of itself, judged on the figures of one run."""
import statistics
from dataclasses import dataclass

OURS, PLAIN = "portcullis-auth", "portcullis-plain"


@dataclass(frozen=True)
class Row:
    what: str
    limit: str
    measured: str
    held: bool


# (what, ours, theirs, limit): CPU per request of ours over theirs.
RATIOS = [
    ("Token seen before, to our plain forward", (OURS, "c64"), (PLAIN, "c64"), 1.15),
    ("Token seen before, to HAProxy jwt_verify", (OURS, "c64"), ("haproxy-jwt", "c64"), 0.60),
    ("Token seen before, to Envoy jwt_authn with cache", (OURS, "c64"), ("envoy-jwt-cache", "c64"), 0.40),
    ("10,000 tokens, to one token by the same client", (OURS, "tokens"), (OURS, "one-by-script"), 1.05),
    ("Token never seen, to HAProxy jwt_verify", (OURS, "unseen"), ("haproxy-jwt", "unseen"), 0.85),
    ("Bad signature, to HAProxy jwt_verify", (OURS, "bad"), ("haproxy-jwt", "bad"), 1.00),
    ("1 host, 10,000 prefixes, to 10 rules", (OURS, "prefixes-10000"), (OURS, "rules-10"), 1.10),
    ("10,000 hosts, to 10 rules", (OURS, "hosts-10000"), (OURS, "rules-10"), 1.10),
    ("The prize: token seen before, to nginx with a Lua token cache", (OURS, "c64"), ("nginx-lua", "c64"), 1.00),
]

INSTRUCTIONS = [
    ("User instructions, token seen before", (OURS, "c64"), 72_000),
    ("User instructions, token never seen", (OURS, "unseen"), 265_000),
]

IDLE_MB, LOADED_MB, FLAT_MB, RELOAD_MS = 25, 100, 2, 300

# p99 of good requests beside a disturbance; the faults themselves allow up to 1.5.
DISTURBED = 1.2


def judge(figures):
    """A row for each demand whose figures the run has."""
    for what, ours, theirs, limit in RATIOS:
        measured = figures.ratio(ours, theirs)
        if measured is not None:
            yield Row(what, f"{limit:.2f}", f"{measured:.2f}", measured <= limit)
    for what, which, limit in INSTRUCTIONS:
        measured = figures.instructions.get(which)
        if isinstance(measured, float):
            yield Row(what, f"{limit:,}", f"{measured:,.0f}", measured <= limit)
    yield from judge_memory(figures)
    yield from judge_reloads(figures)
    yield from judge_disturbances(figures)


def judge_memory(figures):
    for what, case, field, limit in (("Idle memory, MB", "c64", "idle_mb", IDLE_MB),
                                     ("Peak memory with 10,000 tokens, MB", "tokens", "peak_mb", LOADED_MB)):
        values = [getattr(sample, field) for sample in figures.of(OURS, case)]
        if values:
            yield Row(what, str(limit), f"{max(values):.1f}", max(values) <= limit)
    grown = [sample.rss_mb - sample.warm_mb for sample in figures.of(OURS, "bad")]
    if grown:
        yield Row("Memory grown under bad signatures, MB", str(FLAT_MB), f"{max(grown):.1f}",
                  max(grown) <= FLAT_MB)


def judge_reloads(figures):
    for reload in figures.reloads:
        held = reload.milliseconds <= RELOAD_MS and reload.failed == 0 and reload.visible
        yield Row(f"Reload under load, `{reload.shape}`, round {reload.round}: ms, requests failed",
                  f"{RELOAD_MS}, 0", f"{reload.milliseconds:.0f}, {reload.failed}", held)


def judge_disturbances(figures):
    for name in dict.fromkeys(one.name for one in figures.disturbed):
        rounds = [one for one in figures.disturbed if one.name == name]
        ratio = statistics.median(one.disturbed.p99 / one.quiet.p99 for one in rounds)
        failed = sum(one.disturbed.failed for one in rounds)
        yield Row(f"Good p99, {name}: to quiet, requests failed", f"{DISTURBED}, 0", f"{ratio:.2f}, {failed}",
                  ratio <= DISTURBED and failed == 0)
