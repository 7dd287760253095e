#!/usr/bin/env python3
"""The project speaks of itself alone: what tracked text files may not contain.

`--self-test` plants each kind and checks that it is seen, and that ordinary text is let through.
"""
import pathlib
import re
import subprocess
import sys

# Spelled in pieces where this file would otherwise be its own first finding.
RULES = [
    ("a mark of unfinished work", re.compile(r"\b(TO" r"DO|FIX" r"ME|XX" r"X|HA" r"CK)\b")),
    ("a path of one machine", re.compile(r"(?<![\w.$}])/(work|farm|root|home)/[\w.]")),
    ("a build folder of one machine", re.compile(r"/tmp/(build-|briefs|bash_jobs)")),
    ("a package registry's address", re.compile(r"\b(deb|security|registry|index|proxy|files|static)"
                                               r"\.[a-z-]+\.(org|io|com)\b")),
    ("a tracker's number", re.compile(r"\b(issue|ticket) #?\d", re.IGNORECASE)),
    ("a conflict mark", re.compile(r"^(<{7} |>{7} |={7}$)")),
]
# Text that is data: byte strings for the abuse tests, corpora, and names that belong to fixtures.
DATA = re.compile(r"^test/(abuse/.*\.json|fuzz/corpus/.*)$")


def findings(text):
    for number, line in enumerate(text.splitlines(), 1):
        for what, pattern in RULES:
            if found := pattern.search(line):
                yield number, f"{what}: {found[0].strip()}"


def tracked_findings(root):
    names = subprocess.run(["git", "ls-files", "-z"], cwd=root, check=True, capture_output=True)
    for name in names.stdout.decode().split("\0"):
        path = root / name
        if not name or DATA.match(name) or not path.is_file():
            continue
        data = path.read_bytes()
        if b"\0" in data:
            continue  # a picture or another binary
        try:
            text = data.decode("utf-8")
        except UnicodeDecodeError as error:
            yield f"{name}: not UTF-8: {error}"
            continue
        for number, what in findings(text):
            yield f"{name}:{number}: {what}"


PLANTED = ["// TO" + "DO later", "# FIX" + "ME", "see /wo" + "rk/main/x.h", "cp /ro" + "ot/x y",
           "in /tmp/" + "build-e2e", "https://reg" + "istry.npmjs.org/ws", "fixes Issue" + " #12",
           "<<<<<<" + "< HEAD"]
ORDINARY = ["net/work/x.h", "the root/child pair", "GET /homepage HTTP/1.1", "a ticket resumes once",
            "proxy.contoso.local", "$HOME/x", "a hacksaw", "${root}/root/x"]


def self_test():
    missed = [f"not seen: {line}" for line in PLANTED if not list(findings(line))]
    false = [f"wrongly seen: {line}" for line in ORDINARY if list(findings(line))]
    return missed + false


def main():
    if sys.argv[1:] == ["--self-test"]:
        found = self_test()
    else:
        found = list(tracked_findings(pathlib.Path(__file__).resolve().parent.parent))
    for line in found:
        print(line, file=sys.stderr)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
