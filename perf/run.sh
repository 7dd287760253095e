#!/usr/bin/env bash
# Measures ocsproxy and its peers side by side on this machine; writes perf/results. About half an
# hour with the defaults. --help says what can be chosen.
set -eu -o pipefail
cd "$(dirname "$0")/.."
. scripts/packages.sh

ensure_packages build perf
[[ -e build/perf/build.ninja ]] || cmake --preset perf >/dev/null
built=$(cmake --build --preset perf --target app/ocsproxy loader) || {
  echo "$built" >&2
  exit 1
}
ulimit -n "$(ulimit -Hn)" # ten thousand clients need more than twice as many
exec /usr/bin/python3 perf/bench/run.py "$@"
