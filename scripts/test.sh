#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# test.sh [--preset NAME] [ctest options] - installs what is missing, builds, and runs the tests through ctest
#
# Without a preset: release, every test but those labelled long. `--preset long` runs those, too: on the release build.
# Other options go to ctest: scripts/test.sh -R unit_ --repeat until-fail:10
set -euo pipefail
cd "$(dirname "$0")/.."

preset=release
if [ "${1:-}" = --preset ]; then
    [ $# -ge 2 ] || { echo "test.sh: --preset needs a name" >&2; exit 2; }
    preset=$2
    shift 2
fi
build_preset=$preset
[ "$preset" != long ] || build_preset=release

scripts/install-deps.sh build test
cmake --preset "$build_preset" -DBUILD_TESTING=ON >/dev/null
cmake --build --preset "$build_preset"

# ThreadSanitizer needs the address space that it expects: newer kernels randomise more bits of it than it can bear.
wrapper=()
if [ "$preset" = tsan ] && setarch -R true 2>/dev/null; then
    wrapper=(setarch -R)
fi
export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=1:detect_stack_use_after_return=1}
export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1:halt_on_error=1}
export TSAN_OPTIONS=${TSAN_OPTIONS:-halt_on_error=1:second_deadlock_stack=1}
exec "${wrapper[@]}" ctest --preset "$preset" -j "$(nproc)" "$@"
