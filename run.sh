#!/usr/bin/env bash
# Builds ocsproxy and runs it with the shipped configuration in front of a stand-in pool; it prints
# what to try. Arguments replace "--lab conf/":  ./run.sh --check conf/
set -eu -o pipefail
cd "$(dirname "$0")"
. scripts/packages.sh

ensure_packages build run
[[ -e build/release/build.ninja ]] || cmake --preset release >/dev/null
cmake --build --preset release --target app/ocsproxy
(($#)) || set -- --lab conf/
exec build/release/app/ocsproxy "$@"
