#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# check-symbols.sh BUILD_DIR - libsuperdb shows exactly the functions of superdb.h and of the headers that it includes, libsuperdb_client those
# of client.h, and libsuperdb_crashtest those of crashtest.h, too
#
# Fails where a shared or a static library defines a global symbol that does not begin with sdb_, one that its header does not declare, or
# where a function that the header declares is missing from it.
set -euo pipefail
build=$1
headers=$(dirname "$0")/../include/superdb
failed=0

# The functions that headers declare.
declared()
{
    local header
    for header in "$@"; do
        tr '\n' ' ' <"$headers/$header" | sed 's,/\*,\n/*,g; s,\*/,*/\n,g' | grep -v '^/\*' |
            grep -oE 'SDB_API[^;(]*\(' | grep -oE 'sdb_[a-z0-9_]+ *\($' | tr -d ' ('
    done | sort -u
}

shown_by_shared() { nm -D --defined-only "$1" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' | sort -u; }
shown_by_static() { nm -g --defined-only "$1" | awk 'NF == 3 { print $3 }' | sort -u; }

complain()
{
    if [ -n "$2" ]; then
        echo "$1:" $2
        failed=1
    fi
}

# check LIBRARY SYMBOLS FUNCTIONS
check()
{
    complain "$1 shows more than sdb_ symbols" "$(grep -v '^sdb_' <<<"$2" || true)"
    complain "declared, but not in $1" "$(comm -13 <(echo "$2") <(echo "$3"))"
    complain "in $1, but not declared" "$(comm -23 <(echo "$2") <(echo "$3"))"
}

engine=$(cd "$headers" && printf '%s\n' *.h | grep -vxE 'client.h|crashtest.h')
embedded=$(declared $engine)
client=$(declared client.h)
[ -n "$embedded" ] && [ -n "$client" ] || { echo "no function found in $headers"; exit 1; }
check libsuperdb.so "$(shown_by_shared "$build/libsuperdb.so")" "$embedded"
check libsuperdb.a "$(shown_by_static "$build/libsuperdb.a")" "$embedded"
check libsuperdb_client.so "$(shown_by_shared "$build/libsuperdb_client.so")" "$client"
check libsuperdb_client.a "$(shown_by_static "$build/libsuperdb_client.a")" "$client"
check libsuperdb_crashtest.a "$(shown_by_static "$build/libsuperdb_crashtest.a")" "$(declared $engine crashtest.h)"
[ "$failed" -eq 1 ] || echo "$(wc -l <<<"$embedded") and $(wc -l <<<"$client") functions declared and shown, nothing else"
exit "$failed"
