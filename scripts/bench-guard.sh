#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# bench-guard.sh [options] - fails where a hot operation costs more than bench/baseline.txt says, beyond the tolerance there
#
# Compared are, for each operation (tests/guard): instructions, as callgrind counts them, fences, flushed lines and hits of the
# L1 cache, all of which are the same in every run; and ratios of times within one run, such as an update's to a bare store +
# flush + fence, the best of up to five tries, which are kept for each kind of CPU. A gain is only a notice.
#   --renew          writes the baseline anew from what is measured now; commit it with the change that explains it
#   --build-dir DIR  where tests/guard/guard is built already; without it the ci preset is built
#   --baseline FILE  other than bench/baseline.txt
#   --figures FILE   compares these ("KIND NAME VALUE" a line) and measures nothing
#   --keep DIR       leaves callgrind's dumps and the figures there
# Exit status 1: a loss; 2: it could not be measured.
set -euo pipefail
cd "$(dirname "$0")/.."

renew=0
build_dir=
baseline=bench/baseline.txt
figures=
keep=
while [ $# -gt 0 ]; do
    case $1 in
    --renew) renew=1; shift ;;
    -h | --help) sed -n '4,15s/^# \{0,1\}//p' "$0"; exit 0 ;;
    --build-dir | --baseline | --figures | --keep)
        [ $# -ge 2 ] || { echo "bench-guard.sh: $1 needs a value" >&2; exit 2; }
        case $1 in
        --build-dir) build_dir=$2 ;;
        --baseline) baseline=$2 ;;
        --figures) figures=$2 ;;
        --keep) keep=$2 ;;
        esac
        shift 2
        ;;
    *) echo "bench-guard.sh: unknown option '$1'" >&2; exit 2 ;;
    esac
done

base=/dev/shm
[ -w "$base" ] || base=${TMPDIR:-/tmp}
work=$(mktemp -d "$base/superdb-guard.XXXXXX")
trap 'rm -rf "$work"' EXIT

cpu=$(awk -F ': ' '/^vendor_id/ { v = $2 } /^cpu family/ { f = $2 } /^model\t/ { m = $2 }
    END { print (v == "" ? "unknown" : v "-" f "-" m) }' /proc/cpuinfo)

# ---- measuring -------------------------------------------------------------------------------------------------------
measure_counts()
{
    # The same code path everywhere: valgrind knows no AVX-512, and a CPU that has no AVX2 is told of in "made".
    SUPERDB_SIMD=avx2 valgrind -q --tool=callgrind --instr-atstart=no --compress-strings=no --compress-pos=no \
        --callgrind-out-file="$work/dump" "$guard" counts "$work" >"$work/counts" || {
        echo "bench-guard.sh: the operations did not run to their end" >&2
        return 2
    }
    sed -n 's/^made //p' "$work/counts" >"$work/made"
    # "totals", not "summary": the latter counts in what another thread had under way at the last dump.
    cat "$work"/dump.* | awk -v counts="$work/counts" '
        /^desc: Trigger: Client Request: / { name = $5 }
        /^totals: / { instructions[name] = $2 }
        END {
            while ((getline line <counts) > 0) {
                split(line, f, " ")
                if (f[1] == "made")
                    continue
                n = f[2]
                printf "instructions %s %.1f\nfences %s %.4f\nlines %s %.3f\n", f[1], instructions[f[1]] / n,
                    f[1], f[3] / n, f[1], f[4] / n
                if (f[5] > 0)
                    printf "hits %s %.3f\n", f[1], f[5] / n
            }
        }'
}

# The five tries' best, each ratio for itself.
measure_ratios()
{
    for _ in 1 2 3 4 5; do
        "$guard" ratios "$work" || return 2
    done | awk -v cpu="$cpu" '!($1 in best) || $2 < best[$1] { best[$1] = $2 }
        END { for (name in best) printf "ratio:%s %s %.2f\n", cpu, name, best[name] }' | sort
}

if [ -z "$figures" ]; then
    if ! command -v valgrind >/dev/null || [ -z "$build_dir" ]; then
        scripts/install-deps.sh build test
    fi
    if [ -z "$build_dir" ]; then
        cmake --preset ci >/dev/null
        cmake --build --preset ci --target guard
        build_dir=build/ci
    fi
    guard=$(cd "$build_dir" && pwd)/tests/guard/guard
    [ -x "$guard" ] || { echo "bench-guard.sh: $guard is not built" >&2; exit 2; }
    figures=$work/figures
    measure_counts >"$figures"
    measure_ratios >>"$figures"
    if [ -n "$keep" ]; then
        mkdir -p "$keep"
        cp "$work"/dump.* "$figures" "$keep"
    fi
else
    sed -n 's/^# made //p' "$figures" >"$work/made"
fi

# ---- a new baseline --------------------------------------------------------------------------------------------------
# A line keeps its tolerance. Ratios of other CPUs stay as they are.
if [ "$renew" -eq 1 ]; then
    touch "$baseline"
    {
        echo "# What the hot operations cost: KIND NAME VALUE TOLERANCE-IN-PERCENT. Compared by scripts/bench-guard.sh, written by"
        echo "# scripts/bench-guard.sh --renew. Per operation; a ratio is of times, within one run, on the CPU that it names."
        echo "# made $(cat "$work/made")"
        awk -v cpu="ratio:$cpu" '
            FILENAME == ARGV[1] { if ($1 !~ /^#/) tolerance[$1 " " $2] = $4; if ($1 ~ /^ratio:/ && $1 != cpu) others[++n] = $0; next }
            /^#/ { next }
            {
                t = tolerance[$1 " " $2]
                print $1, $2, $3, t != "" ? t : $1 ~ /^ratio:/ ? 100 : 3
            }
            END { for (i = 1; i <= n; i++) print others[i] }' "$baseline" "$figures"
    } >"$baseline.new"
    mv "$baseline.new" "$baseline"
    echo "bench-guard.sh: wrote $baseline"
    exit 0
fi

# ---- comparing -------------------------------------------------------------------------------------------------------
# The functions that an operation's instructions are in, for whoever has to look for the loss.
profile()
{
    local dump
    dump=$(grep -l "^desc: Trigger: Client Request: $1\$" "$work"/dump.* 2>/dev/null) || return 0
    echo "    instructions an operation, by function:"
    awk -v operations="$(awk -v name="$1" '$1 == name { print $2 }' "$work/counts")" '
        /^fn=/ { name = substr($0, 4) }
        /^calls=/ { inclusive = 1; next }
        /^[0-9]/ { if (inclusive) inclusive = 0; else cost[name] += $2 }
        END { for (name in cost) printf "%10.1f  %s\n", cost[name] / operations, name }' "$dump" | sort -rn | head -12
}

status=0
made=$(sed -n 's/^# made //p' "$baseline")
judged=1
if [ "$made" != "$(cat "$work/made")" ]; then
    judged=0
    echo "bench-guard.sh: the baseline was made with $made, this is $(cat "$work/made"): instructions are told, not judged"
fi
if ! grep -q "^ratio:$cpu " "$baseline"; then
    echo "bench-guard.sh: the baseline has no ratios for this CPU ($cpu): they are told, not judged"
fi
awk -v judged="$judged" '
    function shown(v) { return sprintf("%.10g", v) }
    FILENAME == ARGV[1] { if ($1 !~ /^#/) { value[$1 " " $2] = $3; tolerance[$1 " " $2] = $4 } next }
    /^#/ { next }
    {
        name = $1 " " $2
        seen[name] = 1
        if (!(name in value)) {
            print "notice: " name " is " shown($3) ", and the baseline does not have it"
            next
        }
        change = $3 - value[name]
        if ($1 == "hits")
            change = -change
        allowed = value[name] * tolerance[name] / 100 + 0.0005
        percent = value[name] > 0 ? sprintf(" (%+.1f%%, %g%% are allowed)", ($3 / value[name] - 1) * 100, tolerance[name]) : ""
        text = name " was " shown(value[name]) ", is " shown($3) percent
        if (change > allowed && ($1 != "instructions" || judged))
            print "LOSS: " text
        else if (change > allowed)
            print "notice: " text
        else if (change < -allowed)
            print "notice: a gain: " text
        compared++
    }
    END {
        for (name in value)
            if (!(name in seen) && name !~ /^ratio:/)
                print "LOSS: " name " is not measured any more"
        print compared + 0 " figures compared"
    }' "$baseline" "$figures" >"$work/verdict"
cat "$work/verdict"
grep "^ratio:" "$figures" || true
if grep -q '^LOSS: ' "$work/verdict"; then
    status=1
    sed -n 's/^LOSS: instructions \([^ ]*\) was .*/\1/p' "$work/verdict" | while read -r name; do
        echo "$name:"
        profile "$name"
    done
    echo "bench-guard.sh: it costs more than $baseline says. Where that is wanted, renew it: scripts/bench-guard.sh --renew"
elif grep -q '^0 figures' "$work/verdict"; then
    echo "bench-guard.sh: nothing was compared: $baseline is written by scripts/bench-guard.sh --renew"
    status=2
elif grep -q '^notice: ' "$work/verdict"; then
    echo "bench-guard.sh: no loss. To keep what is better or new: scripts/bench-guard.sh --renew"
else
    echo "bench-guard.sh: no loss"
fi
exit "$status"
