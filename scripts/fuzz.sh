#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# fuzz.sh [TARGET|all] [SECONDS]   builds the fuzz targets and lets libFuzzer run them: one, or all in turn (the default)
# fuzz.sh --minimise [TARGET|all]  writes what was found so far, minimised, over the corpora in the tree
#
# SECONDS (60) are for all together. What grows the coverage gathers in build/fuzz/corpus/TARGET and is used again; an input
# that fails goes to build/fuzz/findings/, its trace to build/fuzz/TARGET.log, and the exit status is 1. The last lines say how
# many inputs each target ran. SUPERDB_FUZZ_BUILD names another build directory.
set -euo pipefail
cd "$(dirname "$0")/.."

minimise=
if [ "${1:-}" = --minimise ]; then
    minimise=1
    shift
fi
wanted=${1:-all}
seconds=${2:-60}
build=${SUPERDB_FUZZ_BUILD:-build/fuzz}
input_size_max=4096
kept_input_size_max=1024 # of the corpora in the tree

scripts/install-deps.sh build test lint
cmake --preset fuzz -B "$build" >/dev/null
cmake --build "$build" --target fuzz-targets

targets=()
for source in tests/fuzz/fuzz_*.c; do
    name=$(basename "$source" .c)
    targets+=("${name#fuzz_}")
done
if [ "$wanted" != all ]; then
    [ -f "tests/fuzz/fuzz_$wanted.c" ] || { echo "fuzz.sh: no target $wanted; there are: ${targets[*]}" >&2; exit 2; }
    targets=("$wanted")
fi

# The sanitizers' own checks of leaks cost more than the rest: ctest looks for them on the same inputs (preset asan).
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=0:allocator_may_return_null=1:quarantine_size_mb=16}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1:halt_on_error=1}
mkdir -p "$build/findings"

minimise_one()
{
    local target=$1 kept=tests/fuzz/corpus/$1 fresh
    fresh=$(mktemp -d)
    mkdir -p "$build/corpus/$target" "$kept"
    "$build/tests/fuzz/fuzz_$target" -merge=1 -use_counters=0 -max_len=$kept_input_size_max -timeout=20 -rss_limit_mb=4096 "$fresh" "$kept" \
        "$build/corpus/$target" >"$build/$target.log" 2>&1
    rm -rf "$kept"
    mkdir -p "$kept"
    cp "$fresh"/* "$kept/"
    rm -rf "$fresh"
    echo "$target: $(find "$kept" -type f | wc -l) inputs, $(du -sb "$kept" | cut -f1) bytes"
}

found=0
fuzz_one()
{
    local target=$1 status=0 dictionary=() log=$build/$1.log
    mkdir -p "$build/corpus/$target" "tests/fuzz/corpus/$target"
    [ ! -f "tests/fuzz/$target.dict" ] || dictionary=("-dict=tests/fuzz/$target.dict")
    "$build/tests/fuzz/fuzz_$target" -max_total_time="$2" -timeout=20 -rss_limit_mb=4096 -malloc_limit_mb=2048 -len_control=0 \
        -max_len=$input_size_max -print_final_stats=1 -artifact_prefix="$build/findings/$target-" "${dictionary[@]}" \
        "$build/corpus/$target" "tests/fuzz/corpus/$target" >"$log" 2>&1 || status=$?
    local runs rate
    runs=$(sed -n 's/^stat::number_of_executed_units: *//p' "$log" | tail -1)
    rate=$(sed -n 's/^stat::average_exec_per_sec: *//p' "$log" | tail -1)
    printf '%-10s %12s executions %8s a second  %s\n' "$target" "${runs:-?}" "${rate:-?}" \
        "$([ $status -eq 0 ] && echo ok || echo "FAILED, see $log")"
    if [ $status -ne 0 ]; then
        found=1
        grep -aE -m 20 'does not hold|ERROR|runtime error|^ *#[0-9]+ |Test unit written' "$log" || tail -20 "$log"
    fi
}

for target in "${targets[@]}"; do
    if [ -n "$minimise" ]; then
        minimise_one "$target"
    else
        fuzz_one "$target" $(((seconds + ${#targets[@]} - 1) / ${#targets[@]}))
    fi
done
exit $found
