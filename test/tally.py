#!/usr/bin/env python3
"""Adds up one suite's result files (JUnit XML, as GoogleTest and pytest write it).

Prints "PASSED FAILED SKIPPED". A suite that ended badly without naming a failed test (it did not
build, or a test program crashed before it could write) counts as one failure, and a suite that
writes no result files counts as one test.
"""
import argparse
import pathlib
import sys
import xml.etree.ElementTree as ElementTree


def outcome(case):
    """One <testcase>: GoogleTest says status="notrun" for what a filter left out."""
    if case.find("failure") is not None or case.find("error") is not None:
        return "failed"
    if case.get("status") == "notrun":
        return "left out"
    return "skipped" if case.find("skipped") is not None else "passed"


def tally(folder, status):
    counts = {"passed": 0, "failed": 0, "skipped": 0, "left out": 0}
    files = sorted(pathlib.Path(folder).rglob("*.xml"))
    for file in files:
        try:
            cases = list(ElementTree.parse(file).iter("testcase"))
        except ElementTree.ParseError:
            counts["failed"] += 1
            continue
        for case in cases:
            counts[outcome(case)] += 1
    if not files:
        counts["failed" if status else "passed"] += 1
    elif status and not counts["failed"]:
        counts["failed"] += 1
    return counts["passed"], counts["failed"], counts["skipped"]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("--status", type=int, required=True, help="the suite's exit status")
    arguments = parser.parse_args()
    print(*tally(arguments.folder, arguments.status))
    return 0


if __name__ == "__main__":
    sys.exit(main())
