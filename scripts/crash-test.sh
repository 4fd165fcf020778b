#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# crash-test.sh [--minutes N] [--preset NAME] [scenario...] - crash images with fresh seeds and full bounds, for hours
#
# Each round runs every scenario with a seed of its own, at every fence: all images where they are up to 4,096, else each line for
# itself and 512 at random; and every section of the commands (commands/hashes and so on), with kills, on ADR, on eADR or in class
# msync: all images up to 256, else 64 lines and 128 at random. Ends with the first image that fails, and says how to see it again; or
# after N minutes (60). "crash-test.sh --minutes 0" runs one round.
set -euo pipefail
cd "$(dirname "$0")/.."
minutes=60
preset=release
scenarios=()
while [ $# -gt 0 ]; do
    case $1 in
    --minutes) minutes=$2; shift 2 ;;
    --preset) preset=$2; shift 2 ;;
    -*) sed -n 's/^# \{0,1\}//p' "$0" | sed -n '2,9p'; exit 2 ;;
    *) scenarios+=("$1"); shift ;;
    esac
done

scripts/install-deps.sh build test
cmake --preset "$preset" >/dev/null
cmake --build "build/$preset" --target crash_images crash_harness crash_commands >/dev/null
images_of=build/$preset/tests/crash_images
commands=build/$preset/tests/crash_commands
"build/$preset/tests/crash_harness" >/dev/null 2>&1
[ ${#scenarios[@]} -gt 0 ] || mapfile -t scenarios < <("$images_of" --list; "$commands" --list | sed 's,^,commands/,')

domains=(adr eadr pages)
deadline=$((SECONDS + minutes * 60))
round=0
images=0
while :; do
    round=$((round + 1))
    for scenario in "${scenarios[@]}"; do
        seed=$(od -An -N4 -tu4 /dev/urandom | tr -d ' ')
        seed=$((seed + 1))
        call=("$images_of" --seed "$seed" --every 1 --states 4096 --random 512 --lines 64 "$scenario")
        [ "${scenario#commands/}" = "$scenario" ] ||
            call=("$commands" --seed "$seed" --domain "${domains[RANDOM % 3]}" --states 256 --random 128 --lines 64 --kills 4
                  "${scenario#commands/}")
        if ! output=$("${call[@]}" 2>&1); then
            echo "$output"
            echo "again: ${call[*]}"
            exit 1
        fi
        echo "$output"
        images=$((images + $(sed -nE 's/.* ([0-9]+) images .*/\1/p' <<<"$output" | head -1)))
        [ "$minutes" -eq 0 ] || [ $SECONDS -lt $deadline ] || break 2
    done
    [ "$minutes" -gt 0 ] || break
done
echo "$round rounds, $images images, $SECONDS s: nothing found"
