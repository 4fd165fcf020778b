#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# run.sh [CONFIG] [server options] - installs what is missing, builds, makes a pool where none is, and serves
#
# Everything on the command line goes to superdb-server as it stands. Where neither the command line nor the configuration
# file names a pool, one is kept in emulated persistent memory (scripts/emulate-pmem.sh). The server says what it mapped,
# which durability that gives and why, its threads, I/O backend and port.
set -euo pipefail
invoked_from=$PWD
cd "$(dirname "$0")/.."

scripts/install-deps.sh build
cmake --preset release -DBUILD_TESTING=OFF >/dev/null
cmake --build --preset release --target superdb-server superdb-pool
server=$PWD/build/release/superdb-server

names_a_pool=0
first=${1:-}
cd "$invoked_from"
if [ -n "$first" ] && [ "${first#-}" = "$first" ] && [ -r "$first" ] && grep -qiE '^[[:space:]]*pool[[:space:]]' "$first"; then
    names_a_pool=1
fi
for argument in "$@"; do
    case $argument in
    --pool | --pool=* | --help | -h | --version | -v) names_a_pool=1 ;;
    esac
done
if [ "$names_a_pool" -eq 0 ]; then
    directory=$("$OLDPWD/scripts/emulate-pmem.sh")
    set -- "$@" --pool "$directory/superdb.sdb"
fi
exec "$server" "$@"
