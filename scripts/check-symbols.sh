#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# check-symbols.sh BUILD_DIR - libsuperdb shows exactly the functions of the public header; libsuperdb_crashtest those of both
#
# Fails where the shared or the static library defines a global symbol that does not begin with sdb_, and where a function
# that the header declares is missing from either.
set -euo pipefail
build=$1
header=$(dirname "$0")/../include/superdb/superdb.h

declared=$(tr '\n' ' ' <"$header" | sed 's,/\*,\n/*,g; s,\*/,*/\n,g' | grep -v '^/\*' |
    grep -oE 'SDB_API[^;(]*\(' | grep -oE 'sdb_[a-z0-9_]+ *\($' | tr -d ' (' | sort -u)
shared=$(nm -D --defined-only "$build/libsuperdb.so" | awk '$2 != "A" { sub(/@.*/, "", $3); print $3 }' | sort -u)
static=$(nm -g --defined-only "$build/libsuperdb.a" | awk 'NF == 3 { print $3 }' | sort -u)

# The crash harness' library shows the functions of both headers.
crashing=$(nm -g --defined-only "$build/libsuperdb_crashtest.a" | awk 'NF == 3 { print $3 }' | sort -u)
crashing_declared=$( (echo "$declared"
    tr '\n' ' ' <"${header%/*}/crashtest.h" | sed 's,/\*,\n/*,g; s,\*/,*/\n,g' | grep -v '^/\*' |
        grep -oE 'SDB_API[^;(]*\(' | grep -oE 'sdb_[a-z0-9_]+ *\($' | tr -d ' (') | sort -u)

failed=0
complain()
{
    if [ -n "$2" ]; then
        echo "$1:" $2
        failed=1
    fi
}
[ -n "$declared" ] || { echo "no function found in $header"; exit 1; }
complain "the shared library shows more than sdb_ symbols" "$(grep -v '^sdb_' <<<"$shared" || true)"
complain "the static library shows more than sdb_ symbols" "$(grep -v '^sdb_' <<<"$static" || true)"
complain "declared, but not in the shared library" "$(comm -23 <(echo "$declared") <(echo "$shared"))"
complain "declared, but not in the static library" "$(comm -23 <(echo "$declared") <(echo "$static"))"
complain "in the shared library, but not declared" "$(comm -13 <(echo "$declared") <(echo "$shared"))"
complain "in the static library, but not declared" "$(comm -13 <(echo "$declared") <(echo "$static"))"
complain "declared, but not in the crash harness' library" "$(comm -23 <(echo "$crashing_declared") <(echo "$crashing"))"
complain "in the crash harness' library, but not declared" "$(comm -13 <(echo "$crashing_declared") <(echo "$crashing"))"
[ "$failed" -eq 1 ] || echo "$(wc -l <<<"$declared") functions declared and shown, nothing else"
exit "$failed"
