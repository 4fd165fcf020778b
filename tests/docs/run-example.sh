#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# run-example.sh PROGRAM [SERVER] - runs an example in an empty directory, with the path of a pool that is yet to be made; or, where a
# server is named, with the path of that server's socket
#
# The directory lies in /dev/shm where that has room for a pool, so that examples need not wait for a disk.
set -euo pipefail
base=${TMPDIR:-/tmp}
if [ -w /dev/shm ] && [ "$(df -Pk /dev/shm | awk 'NR == 2 { print $4 }')" -gt $((2048 * 1024)) ]; then
    base=/dev/shm
fi
directory=$(mktemp -d "$base/superdb-example.XXXXXX")
server=
# shellcheck disable=SC2317 # the trap calls it
cleanup()
{
    [ -z "$server" ] || { kill "$server" && wait "$server"; } || true
    rm -rf "$directory"
}
trap cleanup EXIT
cd "$directory"
if [ $# -eq 1 ]; then
    "$1" "$directory/example.sdb"
    exit
fi
"$2" --pool "$directory/example.sdb" --pool-size 64mb --port 0 --unixsocket "$directory/socket" >server.log 2>&1 &
server=$!
for _ in $(seq 400); do
    ! grep -q 'Ready to accept' server.log || break
    kill -0 "$server" || { cat server.log; exit 1; }
    sleep 0.05
done
"$1" "$directory/socket"
