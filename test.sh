#!/usr/bin/env bash
# Builds and tests everything. The last line is "N passed, N failed"; the exit status is 0 only when
# nothing failed. What each suite is and how long it takes: test/README.md.
set -u -o pipefail
cd "$(dirname "$0")"
. scripts/packages.sh

usage() {
  cat <<'TXT'
usage: ./test.sh [--fast | --full] [-k TEXT] [SUITE...]
  --fast    style, optimised build, unit tests, end-to-end tests without the slow ones
  (none)    all of it with AddressSanitizer + UBSan, what only the optimised program can show, and
            where clang++ is there, fuzzing for 15 seconds a target
  --full    everything with both builds, ThreadSanitizer, clang-tidy, lone headers, fuzzing for a
            minute a target, the browser, TLS scanners, a soak of a minute, the benchmarks in short
  -k TEXT   only tests whose name contains TEXT
  SUITE     only these: style unit-release e2e-release unit-asan e2e-asan unit-tsan e2e-tsan
            headers tidy fuzz soak perf
Logs are kept in build/test-logs. Environment: PYTEST_ARGS is passed on to pytest.
TXT
}

mode=default text="" chosen=()
while (($#)); do
  case $1 in
    --fast) mode=fast ;;
    --full) mode=full ;;
    -k) text=${2:?-k needs a text}; shift ;;
    -h | --help) usage; exit 0 ;;
    -*) usage >&2; exit 2 ;;
    *) chosen+=("$1") ;;
  esac
  shift
done

readonly python=/usr/bin/python3 # Debian's, which is the one that has Debian's pytest
readonly jobs=2
# End to end much of the time is waiting. In full two are enough, and disturb each other less.
clients=4
[[ $mode != full ]] || clients=2
readonly logs=$PWD/build/test-logs
declare -A suites=(
  [fast]="style unit-release e2e-release"
  [default]="style e2e-release unit-asan e2e-asan"
  [full]="style unit-release e2e-release unit-asan e2e-asan unit-tsan e2e-tsan headers tidy fuzz soak perf"
)
! command -v clang++ >/dev/null || suites[default]+=" fuzz"
read -ra planned <<<"${suites[$mode]}"
((${#chosen[@]} == 0)) || planned=("${chosen[@]}")
for suite in "${planned[@]}"; do
  [[ " ${suites[full]} " == *" $suite "* ]] || { echo "no suite is called '$suite'" >&2; usage >&2; exit 2; }
done

purposes=(build test)
[[ " ${planned[*]} " =~ \ (e2e-tsan|headers|tidy|perf)\  || $mode == full ]] && purposes+=(full perf)
[[ " ${planned[*]} " == *" fuzz "* ]] && ! command -v clang++ >/dev/null && purposes+=(full)
ensure_packages "${purposes[@]}" || exit 1

# Nothing that an earlier run left may be counted.
mkdir -p "$logs"
find "$logs" -mindepth 1 -delete

build() { # preset, targets...
  local preset=$1
  shift
  [[ -e build/$preset/build.ninja ]] || cmake --preset "$preset" || return 1
  # Once in some thousand times g++ 12 crashes on a precompiled header. What is wrong is so again.
  cmake --build --preset "$preset" -j $jobs ${@:+--target "$@"} ||
    cmake --build --preset "$preset" -j $jobs ${@:+--target "$@"}
}

node_modules() { # the WebSocket peer of the end-to-end tests
  [[ -d test/e2e/node_modules/ws ]] ||
    (cd test/e2e && npm install --no-package-lock --no-audit --no-fund --loglevel=error)
}

style() {
  local failed=0
  git ls-files -z -- '*.cpp' '*.h' | xargs -0r clang-format --dry-run --Werror || failed=1
  $python test/include_direction.py --self-test && $python test/include_direction.py || failed=1
  $python test/project_speaks.py --self-test && $python test/project_speaks.py || failed=1
  $python perf/readme.py --check || failed=1
  return $failed
}

unit() { # preset
  local targets=() which=.
  if [[ $1 == tsan ]]; then # the folders that have threads
    for folder in proxy listeners lab; do targets+=("${folder}_test"); done
    which="^(proxy|listeners|lab)$"
  fi
  build "$1" "${targets[@]}" || return 1
  GTEST_OUTPUT="xml:$logs/unit-$1/" GTEST_FILTER="${text:+*}$text*" \
    ASAN_OPTIONS=detect_stack_use_after_return=1:strict_string_checks=1 \
    UBSAN_OPTIONS=print_stacktrace=1 TSAN_OPTIONS=second_deadlock_stack=1 \
    ctest --test-dir "build/$1" -R "$which" --output-on-failure -j $jobs --no-tests=error
}

end_to_end() { # preset, pytest's marker expression
  local targets=(app/ocsproxy lab/lab_pool)
  [[ $1 != release ]] || targets+=(count_costs fail_allocations fail_calls)
  build "$1" "${targets[@]}" && node_modules || return 1
  OCSPROXY_BINARY=$PWD/build/$1/app/ocsproxy LAB_POOL_BINARY=$PWD/build/$1/lab/lab_pool \
    OCSPROXY_BUILD=$1 \
    $python -m pytest test/e2e -n $clients --dist loadgroup -m "$2" ${text:+-k "$text"} \
    --junitxml="$logs/e2e-$1/results.xml" ${PYTEST_ARGS:-}
}

headers() {
  local failed=0
  build release || return 1
  $python test/lone_headers.py build/release/compile_commands.json || failed=1
  $python test/coroutine_frames.py build/release/compile_commands.json || failed=1
  return $failed
}

tidy() {
  build release || return 1
  git ls-files -- '*.cpp' ':!test' ':!perf' ':!precompiled.cpp' |
    xargs run-clang-tidy -quiet -p build/release -j $jobs
}

perf() { # that the benchmarks run, not what they find
  build perf algebra_bench app/ocsproxy loader proxy_bench replay_bench rules_bench || return 1
  build/perf/perf/proxy_bench --benchmark_min_time=0.001 &&
    build/perf/perf/rules_bench --benchmark_min_time=0.001 --benchmark_filter='rules:1000/' &&
    build/perf/perf/algebra_bench --benchmark_min_time=0.001 --benchmark_filter='rules:1000$' &&
    build/perf/perf/replay_bench --benchmark_min_time=0.001 --benchmark_filter='rules:100$' &&
    ulimit -n "$(ulimit -Hn)" &&
    $python perf/bench/run.py --rounds 1 --seconds 1 --clients 200 --results "$logs/perf/first" &&
    $python perf/compare.py "$logs/perf/first/results.json" "$logs/perf/first/results.json"
}

fuzz() { # every target for a quarter of a minute or a whole one, from its kept corpus
  local seconds=15
  [[ $mode != full ]] || seconds=60
  build fuzz fuzz_targets || return 1
  $python test/run_fuzz.py build/fuzz --seconds $seconds
}

soak() { # for a minute; the long form is run by hand
  build release app/ocsproxy || return 1
  OCSPROXY_BINARY=$PWD/build/release/app/ocsproxy $python test/soak.py --minutes 1
}

run_suite() {
  local suite=$1
  case $suite in
    unit-*) unit "${suite#unit-}" ;;
    e2e-release)
      if [[ $mode == fast ]]; then end_to_end release "not slow and not browser"
      elif [[ $mode == full ]]; then end_to_end release ""
      elif ((${#chosen[@]})); then end_to_end release "not browser and not scanners and (optimised or not slow)"
      else end_to_end release "optimised and not browser and not scanners"; fi ;;
    e2e-asan) end_to_end asan "not browser and not scanners and not optimised" ;;
    e2e-tsan) end_to_end tsan "concurrency" ;;
    *) "$suite" ;;
  esac
}

passed=0 failed=0 skipped=0
for suite in "${planned[@]}"; do
  begun=$SECONDS
  log=$logs/$suite.log
  mkdir -p "$logs/$suite"
  run_suite "$suite" >"$log" 2>&1
  status=$?
  read -r p f s < <($python test/tally.py "$logs/$suite" --status $status)
  passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
  printf '%-12s %5d passed %3d failed %3d skipped  %4d s\n' "$suite" "$p" "$f" "$s" $((SECONDS - begun))
  if ((f)); then
    printf -- '---- the end of %s\n' "${log#"$PWD"/}"
    tail -n 60 "$log"
    printf -- '----\n'
  fi
done

summary="$passed passed, $failed failed"
((skipped == 0)) || summary+=", $skipped skipped"
echo "$summary"
((failed == 0))
