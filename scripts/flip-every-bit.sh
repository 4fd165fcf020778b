#!/bin/bash
# SPDX-License-Identifier: BSD-3-Clause
#
# flip-every-bit.sh [BUILD_DIR] - flips every bit in use of a small pool, one at a time, and asks it for every key
#
# What `unit_flips` does to a sample. Takes minutes; prints how many flips there were and what they led to, and fails where one
# gave an answer that was wrong in silence, or a crash.
set -euo pipefail
build=${1:-$(dirname "$0")/../build/ci}
time "$build/tests/test_flips" all
