#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# run-example.sh PROGRAM - runs an example in an empty directory, with the path of a pool that is yet to be made
#
# The directory lies in /dev/shm where that has room for a pool, so that examples need not wait for a disk.
set -euo pipefail
base=${TMPDIR:-/tmp}
if [ -w /dev/shm ] && [ "$(df -Pk /dev/shm | awk 'NR == 2 { print $4 }')" -gt $((2048 * 1024)) ]; then
    base=/dev/shm
fi
directory=$(mktemp -d "$base/superdb-example.XXXXXX")
trap 'rm -rf "$directory"' EXIT
cd "$directory"
"$1" "$directory/example.sdb"
