#!/usr/bin/env python3
"""Puts perf/results into the README:  perf/readme.py [--check]

The text between the two marks is made from results.json. --check changes nothing and fails when it
is not what it would be made.
"""
import json
import pathlib
import re
import statistics
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))
from bench.report import compared, names, ratios  # noqa: E402

ROOT = pathlib.Path(__file__).resolve().parents[1]
BEGIN, END = "<!-- from perf/results, by perf/readme.py -->\n", "<!-- end of perf/results -->\n"
NUMBER = re.compile(r"\d+(\.\d+)+")
MEANING = {
    "1 KiB": "1 KiB answers, keep-alive, 64 clients",
    "16 KiB": "16 KiB answers, keep-alive, 64 clients",
    "1 MiB": "1 MiB downloads", "100 MiB": "100 MiB downloads", "100 KiB upload": "100 KiB uploads",
    "new connection": "new connection, full handshake",
    "resumed connection": "new connection, resumed",
    "1000 requests/s": "1,000 requests a second, spread out",
    "idle clients": "memory of an idle TLS client",
}


def cell(results, workload, peer):
    values = ratios(results, workload, peer)
    return f"{statistics.median(values):.2f}" if values else "–"


def section(results):
    peers = compared(results)
    versions = ", ".join(f"{peer} {NUMBER.search(results['versions'][peer])[0]}" for peer in peers)
    rows = ["| " + " | ".join([MEANING.get(workload, workload),
                               *(cell(results, workload, peer) for peer in peers)]) + " |"
            for workload in names(results, "workload")]
    return "\n".join([
        f"| {' | '.join(['', *peers])} |", "|---|" + "---|" * len(peers), *rows, "",
        "CPU time of the proxy for the same work, nginx = 1, lower is better: medians of "
        f"{results['rounds']} rounds, {results['date']}, commit", f"{results['commit'][:10]}; "
        f"{versions}.",
        "Spread, absolute figures, latency and what the log and a second worker cost: "
        "[perf/results/results.md](perf/results/results.md).", "",
        "![the same as a chart](perf/results/ratios.svg)", ""])


def main():
    results = json.loads((ROOT / "perf/results/results.json").read_text(encoding="utf-8"))
    readme = ROOT / "README.md"
    text = readme.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not end:
        print("readme.py: README.md has lost the marks around the results", file=sys.stderr)
        return 1
    made = before + BEGIN + "\n" + section(results) + "\n" + END + after
    if "--check" not in sys.argv[1:]:
        readme.write_text(made, encoding="utf-8")
    elif made != text:
        print("README.md does not say what perf/results says: run perf/readme.py", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
