#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# flip-every-bit.sh [BUILD_DIR] - flips every bit in use of a small pool, one at a time, and asks it for every key
#
# What `unit_flips`, `unit_lane_flips` (the newest records of pools that were killed) and `unit_tree_damage` (large collections) do to
# samples. Takes half an hour; prints how many flips there were and what they led to, and fails where one gave an answer that was wrong
# in silence, or a crash.
set -euo pipefail
build=${1:-$(dirname "$0")/../build/ci}
for test in test_flips test_lane_flips test_tree_damage; do
    time "$build/tests/$test" all
done
