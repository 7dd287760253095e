#!/usr/bin/env python3
"""Runs every fuzz target of a build for some seconds, each from its kept corpus.

usage: run_fuzz.py BUILD_FOLDER [--seconds N]
A target is an executable BUILD_FOLDER/test/fuzz/NAME_fuzz; its corpus is test/fuzz/corpus/NAME. New
inputs go to a temporary folder, so that a run leaves the tree as it was; an input that breaks a
property stays in BUILD_FOLDER/test/fuzz/crashes.
"""
import argparse
import concurrent.futures
import os
import pathlib
import subprocess
import sys
import tempfile


def run(target, corpus, seconds, crashes):
    with tempfile.TemporaryDirectory() as grown:
        command = [target, grown, f"-max_total_time={seconds}", "-timeout=10", "-rss_limit_mb=2048",
                   "-print_final_stats=1", f"-artifact_prefix={crashes}/{target.name}-"]
        if corpus.is_dir():
            command.insert(2, corpus)
        result = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    tail = "\n".join(result.stderr.splitlines()[-30 if result.returncode else -6:])
    print(f"== {target.name}: exit status {result.returncode}\n{tail}", flush=True)
    return result.returncode == 0


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("build", type=pathlib.Path)
    parser.add_argument("--seconds", type=int, default=60)
    arguments = parser.parse_args()
    folder = arguments.build.resolve() / "test" / "fuzz"
    corpora = pathlib.Path(__file__).resolve().parent / "fuzz" / "corpus"
    crashes = folder / "crashes"
    targets = [path for path in sorted(folder.glob("*_fuzz")) if os.access(path, os.X_OK)]
    if not targets:
        print(f"no fuzz target in {folder}", file=sys.stderr)
        return 1
    crashes.mkdir(exist_ok=True)
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        outcomes = list(pool.map(lambda target: run(target, corpora / target.name.removesuffix("_fuzz"),
                                                    arguments.seconds, crashes), targets))
    print(f"{sum(outcomes)} of {len(outcomes)} targets found nothing")
    return 0 if all(outcomes) else 1


if __name__ == "__main__":
    sys.exit(main())
