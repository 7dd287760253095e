#!/usr/bin/env python3
"""What got worse between two results of perf/run.sh:  perf/compare.py OLD.json NEW.json

Compared are ocsproxy's ratios to nginx of the same round, which hardly depend on the machine. A
difference counts when it is larger than the noise: half the spread of the rounds of both results,
and at least 5 %. Exit status: 0 nothing is worse, 1 something is, 2 the files cannot be compared.
"""
import json
import pathlib
import statistics
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from bench.report import ratios  # noqa: E402

LEAST_NOISE = 0.05
PEER = "ocsproxy"


def load(path):
    try:
        results = json.loads(pathlib.Path(path).read_text(encoding="utf-8"))
        results["rows"], results["rounds"]  # pylint: disable=pointless-statement
    except (OSError, ValueError, KeyError, TypeError) as error:
        print(f"compare.py: {path} is no result of perf/run.sh: {error!r}", file=sys.stderr)
        sys.exit(2)
    return results


def noise(values):
    return (max(values) - min(values)) / 2 / statistics.median(values)


def compared(old, new):
    """(workload, figure, old median, new median, noise) of all that both have."""
    workloads = dict.fromkeys(row["workload"] for row in new["rows"])
    for workload in workloads:
        for figure in ("cost", "p99_us"):
            before = ratios(old, workload, PEER, figure=figure)
            after = ratios(new, workload, PEER, figure=figure)
            if before and after:
                yield (workload, figure, statistics.median(before), statistics.median(after),
                       max(LEAST_NOISE, noise(before), noise(after)))


def main():
    if len(sys.argv) != 3:
        print(__doc__, file=sys.stderr)
        return 2
    rows = list(compared(load(sys.argv[1]), load(sys.argv[2])))
    if not rows:
        print("compare.py: the two results have no workload in common", file=sys.stderr)
        return 2
    worse = False
    for workload, figure, before, after, allowed in rows:
        change = after / before - 1
        verdict = "worse" if change > allowed else "better" if -change > allowed else "the same"
        worse = worse or verdict == "worse"
        print(f"{workload:20} {figure:7} {before:6.2f} -> {after:6.2f}  {change:+7.1%}  "
              f"(noise {allowed:.1%})  {verdict}")
    return 1 if worse else 0


if __name__ == "__main__":
    sys.exit(main())
