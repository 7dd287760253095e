#!/usr/bin/env python3
"""Each header compiles alone: who includes it needs to include nothing before it.

usage: lone_headers.py COMPILE_COMMANDS_JSON   (its flags are taken from the first entry)
"""
import concurrent.futures
import json
import pathlib
import shlex
import subprocess
import sys

FOLDERS = ["base", "settings", "rules", "net", "tls", "proxy", "listeners", "check", "lab", "app"]


def flags_of(commands):
    """The flags of one of our own sources: its includes and definitions serve every header."""
    entry = next(e for e in commands if "/base/" in e["file"])
    words = entry["arguments"] if "arguments" in entry else shlex.split(entry["command"])
    kept, skip = [], False
    for word in words:
        if skip:
            skip = False
        elif word in ("-o", "-c", "-MF", "-MT", "-MQ"):
            skip = word != "-c"
        elif word.startswith("-") and word not in ("-MD", "-MMD"):
            kept.append(word)
    return kept


def failure(root, header, flags):
    # `-Wno-unused`: a header's inline function need not be called here.
    result = subprocess.run(
        ["g++", *flags, "-fsyntax-only", "-Wno-unused", "-x", "c++", "-include", header, "/dev/null"],
        cwd=root, capture_output=True, text=True, check=False)
    return None if result.returncode == 0 else f"{header} does not compile alone:\n{result.stderr}"


def main():
    root = pathlib.Path(__file__).resolve().parent.parent
    flags = flags_of(json.loads(pathlib.Path(sys.argv[1]).read_text(encoding="utf-8")))
    headers = [str(path.relative_to(root)) for folder in FOLDERS
               for path in sorted(root.glob(f"{folder}/**/*.h"))]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        failures = [f for f in pool.map(lambda header: failure(root, header, flags), headers) if f]
    for line in failures:
        print(line, file=sys.stderr)
    print(f"{len(headers)} headers, {len(failures)} do not compile alone")
    return 1 if failures or not headers else 0


if __name__ == "__main__":
    sys.exit(main())
