"""The command line of bench/run, and the order in which things happen."""
import argparse
import json
import os
import shlex
import shutil
import signal
import sys
from pathlib import Path

from . import disturbances, instructions, measure, places, prepare, report
from .cases import CASES
from .process import stop_all
from .subjects import SUBJECTS, start_backend

RELOADED = ("prefixes-10000", "hosts-10000")
COUNTED = {
    "c64": ("portcullis-plain", "portcullis-auth", "haproxy-plain", "haproxy-jwt", "nginx-plain", "nginx-lua"),
    "unseen": ("portcullis-auth", "haproxy-jwt"),
    "bad": ("portcullis-auth", "haproxy-jwt"),
}


def parse(arguments):
    parser = argparse.ArgumentParser(
        prog="bench/run", description="Portcullis beside HAProxy, nginx and Envoy; results in bench/RESULTS.md.")
    parser.add_argument("--quick", action="store_true", help="one round of 1 s: proves that everything works, measures nothing")
    parser.add_argument("--rounds", type=int, default=3, help="interleaved rounds (default 3)")
    parser.add_argument("--seconds", type=int, default=5, help="seconds a case and subject (default 5)")
    parser.add_argument("--only", metavar="SUBJECT,CASE", action="append", default=[],
                        help="subjects and cases to keep, by name; a name ending in - keeps all that begin so")
    parser.add_argument("--instructions", action="store_true",
                        help="count user instructions per request and nothing else (fewer cases)")
    parser.add_argument("--disturb", action="store_true",
                        help="good requests beside hanging key sets, floods, reloads, dead targets (a full run has it, too)")
    parser.add_argument("--binary", type=Path, help="measure this gateway instead of building --profile dist")
    parser.add_argument("--check", action="store_true", help="start each subject, prove that it judges tokens rightly, stop")
    parser.add_argument("--output", type=Path, help="where the results go (default bench/RESULTS.md for a full run, "
                        "else bench/work/RESULTS.md)")
    parser.add_argument("--list", action="store_true", help="print the names of subjects and cases")
    options = parser.parse_args(arguments)
    if options.quick:
        options.rounds = options.seconds = 1
    if not (1 <= options.rounds <= 20 and 1 <= options.seconds <= 600):
        parser.error("--rounds is 1 to 20, --seconds 1 to 600")
    options.subjects, options.cases = select(parser, options.only)
    return options


def select(parser, filters):
    """The subjects and cases that --only keeps; all of a kind when no name of that kind is given."""
    kinds = []
    asked = [name for text in filters for name in text.split(",") if name]
    for known in (SUBJECTS, CASES):
        kinds.append({name for name in known for want in asked
                      if name == want or want.endswith("-") and name.startswith(want)})
    for want in asked:
        if not any(name == want or want.endswith("-") and name.startswith(want) for name in (*SUBJECTS, *CASES)):
            parser.error(f"--only: no subject or case is named `{want}`; see --list")
    return [[name for name in known if name in kept or not kept]
            for known, kept in zip((SUBJECTS, CASES), kinds)]


def main():
    options = parse(sys.argv[1:])
    if options.list:
        print("subjects:", *SUBJECTS, sep="\n  ")
        print("cases:", *CASES, sep="\n  ")
        return 0
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    if os.cpu_count() < 2:
        print("bench/run needs two cores: one for the subject, one for its client", file=sys.stderr)
        return 1
    try:
        return run(options)
    except KeyboardInterrupt:
        return 130
    finally:
        stop_all()


def run(options):
    load = os.getloadavg()[0]
    places.RUN.mkdir(parents=True, exist_ok=True)
    prepare.packages()
    prepare.venv()
    ours = any(SUBJECTS[name].family == "portcullis" for name in options.subjects)
    if ours and not options.binary:
        prepare.gateway()
    token = prepare.tokens()
    if load > 0.5:
        prepare.say(f"load average is {load:.2f}: other work on this machine will show in the figures")
    backend = start_backend()
    settings = {
        "command": shlex.join(["bench/run", *sys.argv[1:]]), "rounds": options.rounds, "seconds": options.seconds,
        "load": load, "token_bytes": token["bytes"], "troubles": [],
    }
    try:
        if options.check:
            return check(options)
        figures, how = measure_all(options, settings["troubles"])
    finally:
        backend.stop()
    return write(options, figures, settings, how)


def check(options):
    """Starts every subject once; its start is its proof."""
    failed = 0
    for name in options.subjects:
        try:
            process = SUBJECTS[name].start(binary=options.binary)
            idle, _ = process.memory()
            process.stop()
            print(f"{name:18} good 200, bad {401 if SUBJECTS[name].authorizes else 200}, idle {idle:.1f} MB", flush=True)
        except (RuntimeError, OSError) as error:
            failed += 1
            print(f"{name:18} {error}", flush=True)
    return 1 if failed else 0


def is_whole(options):
    """Whether nothing is left out, so that the results may stand for all."""
    return not (options.only or options.quick or options.instructions)


def measure_all(options, troubles):
    samples, reloads, disturbed, counts, how = [], [], [], {}, ""
    if options.instructions or is_whole(options):
        counts, how = count_instructions(options, troubles)
    if options.instructions:
        return report.Figures(samples, reloads, counts), how
    for number in range(1, options.rounds + 1):
        prepare.say(f"round {number} of {options.rounds}")
        for case in (CASES[name] for name in options.cases):
            for subject in (name for name in case.subjects if name in options.subjects):
                one = guarded(troubles, f"{subject}, {case.name}, round {number}",
                              measure.sample, subject, case.name, number, options.seconds,
                              1 if options.seconds < 5 else 2, options.binary)
                if one:
                    samples.append(one)
                    print(f"    {case.name:18} {subject:18} {one.cpu_us:7.1f} us {one.per_second:9,.0f}/s "
                          f"p99 {one.p99:7.2f} ms  {one.rss_mb:6.1f} MB  {one.note}", flush=True)
        for name in (name for name in RELOADED if name in options.cases and "portcullis-auth" in options.subjects):
            one = guarded(troubles, f"reload, {name}, round {number}", measure.reload_under_load,
                          name, number, max(3, options.seconds), options.binary)
            if one:
                reloads.append(one)
                print(f"    reload {name:18} {one.milliseconds:7.0f} ms, {one.failed} failed", flush=True)
        if is_whole(options) or options.disturb:
            for one in guarded(troubles, f"disturbances, round {number}", disturbances.run,
                               number, max(5, options.seconds), options.binary) or ():
                disturbed.append(one)
                print(f"    {one.name}: p99 {one.quiet.p99:.2f} -> {one.disturbed.p99:.2f} ms, "
                      f"{one.disturbed.failed} failed", flush=True)
    return report.Figures(samples, reloads, counts, disturbed), how


def count_instructions(options, troubles):
    how, counts = instructions.method(), {}
    if how not in ("perf", "callgrind"):
        troubles.append(how)
        return counts, how
    named = [name for name in options.cases if name in COUNTED] if options.only else list(COUNTED)
    for case in named:
        subjects = options.subjects if options.only else COUNTED[case]
        for subject in (name for name in subjects if name in CASES[case].subjects):
            count = guarded(troubles, f"{subject}, {case}", instructions.per_request,
                            subject, case, options.seconds, how, options.binary)
            if count:
                counts[subject, case] = count
                print(f"    {case:18} {subject:18} {count:10,.0f} instructions", flush=True)
    return counts, how


def guarded(troubles, what, work, *arguments):
    """One failed measurement does not cost the others; it is told in the results."""
    try:
        return work(*arguments)
    except (RuntimeError, OSError) as error:
        text = " ".join(str(error).split())
        print(f"    {what}: {text}", file=sys.stderr, flush=True)
        troubles.append(f"Not measured: {what}: {text[:300]}")
        return None


def write(options, figures, settings, how):
    target = options.output or (places.RESULTS if is_whole(options) else places.WORK / "RESULTS.md")
    (places.WORK / "samples.json").write_text(json.dumps([sample.as_dict() for sample in figures.samples], indent=1))
    target.write_text(report.compose(figures, settings, how, options.binary))
    shutil.rmtree(places.RUN, ignore_errors=True)
    prepare.say(f"results are in {os.path.relpath(target)}")
    return 1 if settings["troubles"] else 0
