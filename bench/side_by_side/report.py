"""RESULTS.md: medians, ratios of the same round, and how they stand against what is demanded."""
import datetime
import os
import platform
import statistics

from .cases import CASES
from .demands import judge
from .subjects import SUBJECTS, versions

BASE = "portcullis-plain"


class Figures:
    """All samples of a run."""

    def __init__(self, samples, reloads=(), instructions=None, disturbed=()):
        self.samples, self.reloads, self.instructions = samples, reloads, instructions or {}
        self.disturbed = disturbed

    def of(self, subject, case):
        return [s for s in self.samples if s.subject == subject and s.case == case]

    def median(self, subject, case, field):
        """None when that was not measured."""
        values = [getattr(sample, field) for sample in self.of(subject, case)]
        return statistics.median(values) if values else None

    def ratio(self, one, other, field="cpu_us"):
        """Median over the rounds of ONE/OTHER, both taken in the same round; (subject, case) each."""
        by_round = {sample.round: getattr(sample, field) for sample in self.of(*other)}
        ratios = [getattr(sample, field) / by_round[sample.round]
                  for sample in self.of(*one) if by_round.get(sample.round)]
        return statistics.median(ratios) if ratios else None


def machine():
    model = memory = "unknown"
    with open("/proc/cpuinfo") as file:
        for line in file:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    with open("/proc/meminfo") as file:
        memory = f"{int(file.readline().split()[1]) / 1024 / 1024:.0f} GiB"
    return f"{os.cpu_count()} x {model}, {memory}, Linux {platform.release()}"


def number(value, digits=1):
    return "-" if value is None else f"{value:,.{digits}f}"


def case_table(figures, case):
    # Shapes are compared with the ten rules, everything else with our own plain forward.
    yield f"### {case.title} (`{case.name}`)"
    yield ""
    yield ("| subject | CPU us/request | user | system | to plain forward | requests/s | p50 ms | p99 ms "
           "| p99.9 ms | idle MB | RSS MB | peak MB | |")
    yield "| --- |" + " ---: |" * 11 + " --- |"
    for name in case.subjects:
        if not figures.of(name, case.name):
            continue
        notes = {sample.note for sample in figures.of(name, case.name)} - {""}
        base = figures.ratio((name, case.name), (BASE, case.name))
        cells = [SUBJECTS[name].title]
        cells += [number(figures.median(name, case.name, field)) for field in ("cpu_us", "user_us", "system_us")]
        cells.append(number(base, 2))
        cells.append(number(figures.median(name, case.name, "per_second"), 0))
        cells += [number(figures.median(name, case.name, field), 2) for field in ("p50", "p99", "p999")]
        cells += [number(figures.median(name, case.name, field)) for field in ("idle_mb", "rss_mb", "peak_mb")]
        cells.append("; ".join(sorted(notes)))
        yield "| " + " | ".join(cells) + " |"
    yield ""


def shape_table(figures):
    shapes = [case for case in CASES.values() if case.shape and figures.of("portcullis-auth", case.name)]
    if not shapes:
        return
    yield "### Rule shapes (Portcullis, authorized; every request hits the next rule)"
    yield ""
    yield "| rules | CPU us/request | to 10 rules | requests/s | p99 ms | RSS MB | |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: | --- |"
    for case in shapes:
        one = ("portcullis-auth", case.name)
        notes = {sample.note for sample in figures.of(*one)} - {""}
        yield "| " + " | ".join([
            case.title, number(figures.median(*one, "cpu_us")),
            number(figures.ratio(one, ("portcullis-auth", "rules-10")), 3),
            number(figures.median(*one, "per_second"), 0), number(figures.median(*one, "p99"), 2),
            number(figures.median(*one, "rss_mb")), "; ".join(sorted(notes))]) + " |"
    yield ""


def reload_table(figures):
    if not figures.reloads:
        return
    yield "### Reload under load (once a second)"
    yield ""
    yield "| rules | slowest reload ms | in force when answered | requests | failed | p99 ms |"
    yield "| --- | ---: | --- | ---: | ---: | ---: |"
    for name in dict.fromkeys(reload.shape for reload in figures.reloads):
        rounds = [reload for reload in figures.reloads if reload.shape == name]
        yield (f"| {CASES[name].title} | {number(max(r.milliseconds for r in rounds), 0)} "
               f"| {'yes' if all(r.visible for r in rounds) else 'no'} | {sum(r.requests for r in rounds):,} "
               f"| {sum(r.failed for r in rounds)} | {number(statistics.median(r.p99 for r in rounds), 2)} |")
    yield ""


def disturbance_table(figures):
    if not figures.disturbed:
        return
    yield "### Good requests while something is wrong"
    yield ""
    yield ("500 requests a second with a good token on one connection; p99 in ms, medians of the rounds, without and "
           "with the disturbance; the ratio is taken within a round.")
    yield ""
    yield "| disturbance | quiet | disturbed | ratio | worst | asked | failed |"
    yield "| --- | ---: | ---: | ---: | ---: | ---: | ---: |"
    for name, rounds in by_name(figures.disturbed):
        yield (f"| {name} | {number(statistics.median(r.quiet.p99 for r in rounds), 2)} "
               f"| {number(statistics.median(r.disturbed.p99 for r in rounds), 2)} "
               f"| {statistics.median(r.disturbed.p99 / r.quiet.p99 for r in rounds):.2f} "
               f"| {number(max(r.disturbed.worst for r in rounds), 1)} "
               f"| {sum(r.disturbed.answered + r.disturbed.failed for r in rounds):,} "
               f"| {sum(r.disturbed.failed for r in rounds)} |")
    yield ""


def by_name(disturbed):
    for name in dict.fromkeys(one.name for one in disturbed):
        yield name, [one for one in disturbed if one.name == name]


def instruction_table(figures, how):
    if not figures.instructions:
        return
    ways = {"perf": "`perf stat -e instructions:u` over a whole run",
            "callgrind": "by Valgrind's callgrind (no hardware counters here)"}
    yield f"### User instructions per request, {ways.get(how, how)}"
    yield ""
    yield "| subject | case | instructions |"
    yield "| --- | --- | ---: |"
    for (subject, case), count in figures.instructions.items():
        shown = f"{count:,.0f}" if isinstance(count, float) else count
        yield f"| {SUBJECTS[subject].title} | {CASES[case].title} | {shown} |"
    yield ""


def demand_table(figures):
    rows = list(judge(figures))
    if not rows:
        return
    yield "## What is demanded"
    yield ""
    yield "| demand | limit | measured | held |"
    yield "| --- | ---: | ---: | --- |"
    for row in rows:
        yield f"| {row.what} | {row.limit} | {row.measured} | {'yes' if row.held else '**no**'} |"
    yield ""


def compose(figures, settings, how="", binary=None):
    """The whole file."""
    lines = [
        "# Results of bench/run",
        "",
        f"Written by `{settings['command']}` on {datetime.date.today()}. {settings['rounds']} interleaved rounds of "
        f"{settings['seconds']} s each; tables show medians, ratios are taken within a round. "
        "What each figure means: [README.md](README.md).",
        "",
        f"Machine: {machine()}. Load average before the run: {settings['load']:.2f}. "
        f"Token: {settings['token_bytes']:,} bytes.",
        "",
        *(f"- {name}: {text}" for name, text in versions(binary).items()),
        "",
        *demand_table(figures),
        "## Figures",
        "",
    ]
    lines += instruction_table(figures, how)
    for case in CASES.values():
        if not case.shape and any(figures.of(name, case.name) for name in case.subjects):
            lines += case_table(figures, case)
    lines += shape_table(figures)
    lines += reload_table(figures)
    lines += disturbance_table(figures)
    lines += [f"- {text}" for text in settings["troubles"]]
    return "\n".join(lines).rstrip() + "\n"
