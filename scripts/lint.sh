#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# lint.sh [file...] - clang-tidy and cppcheck over all sources of the layers, tools and bench, or over those named
#
# Uses the compile commands of the clang preset. Findings are errors. Ends with a line for each of the two.
set -uo pipefail
cd "$(dirname "$0")/.."

scripts/install-deps.sh build lint || exit 1
cmake --preset clang >/dev/null || exit 1
if [ $# -gt 0 ]; then
    sources=("$@")
else
    mapfile -t sources < <(find src pmem bench -name '*.c' | sort)
fi
if [ ${#sources[@]} -eq 0 ]; then
    echo "lint: no sources"
    exit 1
fi
logs=$(mktemp -d)
trap 'rm -rf "$logs"' EXIT
failed=0

# The analyser follows so many states of a function at most: with its own limit, a file of many inlined ones takes it a minute.
xclang=--extra-arg=-Xclang
export bounds="$xclang --extra-arg=-analyzer-config $xclang --extra-arg=max-nodes=10000"

# A file of its own for each source's findings, so that those of two at a time do not mix.
export logs
printf '%s\0' "${sources[@]}" | xargs -0 -P "$(nproc)" -n 1 sh -c '
    clang-tidy --quiet -p build/clang $bounds "$0" >"$logs/$(echo "$0" | tr / _)" 2>&1 || : >"$logs/failed"'
if [ -e "$logs/failed" ]; then
    cat "$logs"/*.c | grep -vE '^[0-9]+ warnings? (generated|treated)|^Suppressed |^Use -header-filter'
    echo "lint: clang-tidy found something"
    failed=1
else
    echo "lint: clang-tidy is clean (${#sources[@]} files)"
fi

if cppcheck --quiet --std=c11 --language=c --enable=warning,performance,portability --inline-suppr -j "$(nproc)" \
    --suppress=unknownMacro:bench/pmemobj_map.c \
    --suppress=missingInclude --suppress=missingIncludeSystem --suppress=unmatchedSuppression \
    --error-exitcode=1 -D__x86_64__=1 -D__GNUC__=12 -D_GNU_SOURCE=1 -DSUPERDB_DEBUG=1 \
    -Isrc/base -Ipmem -Isrc/store -Isrc/resp -Isrc/wire -Isrc/client -Isrc/server -Iinclude "${sources[@]}"; then
    echo "lint: cppcheck is clean (${#sources[@]} files)"
else
    echo "lint: cppcheck found something"
    failed=1
fi
exit "$failed"
