#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# test_bench_guard.sh - scripts/bench-guard.sh fails on a loss of any kind, beyond its tolerance, and on nothing else
set -euo pipefail

guard=$SUPERDB_SOURCE_DIR/scripts/bench-guard.sh
work=$(mktemp -d "${TMPDIR:-/tmp}/superdb-guard-test.XXXXXX")
trap 'rm -rf "$work"' EXIT
fail() { echo "FAILED: $*" >&2; cat "$work/said" >&2; exit 1; }
cpu=$(awk -F ': ' '/^vendor_id/ { v = $2 } /^cpu family/ { f = $2 } /^model\t/ { m = $2 }
    END { print (v == "" ? "unknown" : v "-" f "-" m) }' /proc/cpuinfo)

# figures [SED]: a run's figures, changed
figures()
{
    sed "${1:-}" >"$work/figures" <<EOT
# made gcc 1 avx2
instructions get 100.0
fences get 0.0000
hits get 1.000
fences set 1.0000
ratio:$cpu update 2.00
EOT
}

# expect STATUS TEXT WHAT: the figures compared with the baseline
expect()
{
    local status=0
    "$guard" --baseline "$work/baseline" --figures "$work/figures" >"$work/said" 2>&1 || status=$?
    [ "$status" -eq "$1" ] || fail "$3: status $status, not $1"
    grep -q -- "$2" "$work/said" || fail "$3: it does not say '$2'"
}

figures
"$guard" --renew --baseline "$work/baseline" --figures "$work/figures" >"$work/said" || fail "renewing"
expect 0 "5 figures compared" "the same figures"
figures 's/get 100.0/get 102.0/'
expect 0 "no loss" "more instructions within the tolerance"
figures 's/get 100.0/get 104.0/'
expect 1 "LOSS: instructions get was 100, is 104" "more instructions"
figures 's/get 0.0000/get 0.0100/'
expect 1 "LOSS: fences get" "a fence where there was none"
figures 's/hits get 1.000/hits get 0.900/'
expect 1 "LOSS: hits get" "fewer hits"
figures 's/update 2.00/update 3.80/'
expect 0 "no loss" "a ratio within its tolerance"
figures 's/update 2.00/update 4.20/'
expect 1 "LOSS: ratio:$cpu update" "a ratio beyond it"
figures '/fences set/d'
expect 1 "LOSS: fences set is not measured any more" "a figure that is gone"
figures 's/get 100.0/get 80.0/'
expect 0 "notice: a gain: instructions get" "a gain"
figures 's/get 100.0/get 104.0/; s/made gcc 1/made gcc 2/'
expect 0 "told, not judged" "instructions of another compiler"
figures 's/set 1.0000/set 2.0000/; s/made gcc 1/made gcc 2/'
expect 1 "LOSS: fences set" "fences, whatever the compiler"
: >"$work/baseline"
expect 2 "nothing was compared" "an empty baseline"

# A line's tolerance, and another CPU's ratios, outlive a renewal.
figures
"$guard" --renew --baseline "$work/baseline" --figures "$work/figures" >"$work/said"
sed -i 's/get 100.0 3/get 100.0 7/' "$work/baseline"
echo "ratio:Other-1-2 update 9.00 60" >>"$work/baseline"
figures 's/get 100.0/get 106.0/'
expect 0 "no loss" "within the line's own tolerance"
"$guard" --renew --baseline "$work/baseline" --figures "$work/figures" >"$work/said"
grep -q '^instructions get 106.0 7$' "$work/baseline" || fail "the tolerance is lost"
grep -q '^ratio:Other-1-2 update 9.00 60$' "$work/baseline" || fail "the other CPU's ratio is lost"
echo "every loss is found, and nothing else"
