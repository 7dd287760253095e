#!/usr/bin/env python3
"""No coroutine has a frame that g++ 12 lays out wrong.

In a coroutine without any variable of its own, a co_await in a condition (`if (co_await x) ...`)
makes g++ 12 put that condition's temporary in front of the frame's resume function. Whoever resumes
it hands over an address that is off by it, and the program crashes or worse. A named variable
(`const bool done = co_await x;`) avoids it. This compiles every source with coroutines to assembly,
without optimisation, and looks where the resume function is stored.

usage: coroutine_frames.py COMPILE_COMMANDS_JSON
"""
import concurrent.futures
import json
import pathlib
import re
import subprocess
import sys

from lone_headers import FOLDERS, flags_of

FUNCTION = re.compile(r"^(_Z\w+):")
ADDRESS = re.compile(r"Frame\.actor\(%rip\), (%r\w+)")
STORE = re.compile(r"\bmovq\s+(%r\w+), (\d*)\(%r\w+\)")


def wrong_frames(assembly):
    """Mangled names of the coroutines whose resume function is not the first of the frame."""
    found, function, register = [], "", None
    for line in assembly.splitlines():
        if name := FUNCTION.match(line):
            function, register = name[1], None
        elif address := ADDRESS.search(line):
            register = address[1]
        elif register and (store := STORE.search(line)) and store[1] == register:
            if store[2] not in ("", "0"):
                found.append(function)
            register = None
    return found


def check(root, source, flags):
    result = subprocess.run(["g++", *flags, "-O0", "-g0", "-S", "-o", "-", source], cwd=root,
                            capture_output=True, text=True, check=False)
    if result.returncode:
        return [f"{source} does not compile:\n{result.stderr[-2000:]}"]
    names = subprocess.run(["c++filt"], input="\n".join(wrong_frames(result.stdout)), text=True,
                           capture_output=True, check=True).stdout.split("\n")
    return [f"{source}: g++ 12 lays out the frame of {name} wrong; give it a named variable"
            for name in names if name]


def main():
    root = pathlib.Path(__file__).resolve().parent.parent
    flags = [flag for flag in flags_of(json.loads(pathlib.Path(sys.argv[1]).read_text()))
             if not flag.startswith(("-O", "-g", "-fsanitize"))]
    sources = [str(path.relative_to(root)) for folder in FOLDERS
               for path in sorted(root.glob(f"{folder}/*.cpp"))
               if re.search(r"\bco_(await|return)\b", path.read_text(encoding="utf-8"))]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        findings = [line for lines in pool.map(lambda source: check(root, source, flags), sources)
                    for line in lines]
    for line in findings:
        print(line, file=sys.stderr)
    print(f"{len(sources)} sources with coroutines, {len(findings)} findings")
    return 1 if findings or not sources else 0


if __name__ == "__main__":
    sys.exit(main())
