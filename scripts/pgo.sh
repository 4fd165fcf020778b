#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# pgo.sh [--build-dir DIR] - builds the pgo preset: once to count what runs, then a training run, then by what was counted
#
# Trained is what the server and the library are mostly asked for: reads and writes by key and by handle, alone and in batches, with
# values inline and in blobs; GET, SET, MGET and INCR at several depths of pipeline. The programs are in build/pgo then.
set -euo pipefail
cd "$(dirname "$0")/.."

build_dir=build/pgo
if [ "${1:-}" = --build-dir ]; then
    [ $# -ge 2 ] || { echo "pgo.sh: --build-dir needs a value" >&2; exit 2; }
    build_dir=$2
fi
scripts/install-deps.sh build
base=/dev/shm
[ -w "$base" ] || base=${TMPDIR:-/tmp}
work=$(mktemp -d "$base/superdb-pgo.XXXXXX")
server=

# shellcheck disable=SC2317 # the trap calls it
cleanup()
{
    if [ -n "$server" ]; then
        kill -TERM "$server" 2>/dev/null || true
        wait "$server" 2>/dev/null || true
    fi
    rm -rf "$work"
}
trap cleanup EXIT

# build PGO-MODE: the programs that are trained, and then those that are used
build()
{
    cmake --preset pgo -B "$build_dir" -DSUPERDB_PGO="$1" >/dev/null
    cmake --build "$build_dir" --target superdb-server superdb-bench superdb-pool superdb superdb_static
}

embedded()
{
    "$build_dir/superdb-bench" embedded --path "$work/table.sdb" --pool-size 256mb --keys 100000 --operations 100000 \
        --floor-size 16mb --json /dev/null "$@" 2>/dev/null
}

serve()
{
    local port tries=0
    port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
    "$build_dir/superdb-server" --port "$port" --bind 127.0.0.1 --threads 1 --pool "$work/server.sdb" --pool-size 256mb \
        "$@" >"$work/server.log" 2>&1 &
    server=$!
    until (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; do
        tries=$((tries + 1))
        [ "$tries" -lt 400 ] || { cat "$work/server.log" >&2; exit 1; }
        sleep 0.05
    done
    "$build_dir/superdb-bench" network --port "$port" --keys 100000 --preload --operation get,set,mget,incr,mixed \
        --pipeline 1,16,256 --duration-ms 300 --warmup-ms 0 --prebuilt 50k --json /dev/null 2>/dev/null
    # It writes what it counted when it ends by itself.
    kill -TERM "$server"
    wait "$server" || true
    server=
    rm -f "$work/server.sdb"
}

rm -rf "$build_dir/profile"
build generate
echo "pgo.sh: training"
embedded
embedded --key-size 24 --value-size 300
serve
serve --io-backend epoll
build use
echo "pgo.sh: built in $build_dir"
