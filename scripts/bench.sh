#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-3-Clause
#
# bench.sh [quick|full|types] [options] - measures SuperDB beside what people run today, and writes docs/BENCHMARKS.md
#
# In one run on one machine: SuperDB, redis-server (persistence off, appendfsync everysec, always), memcached, and a hash map
# on libpmemobj. All servers are up and filled from the start; those that are not being measured are stopped by signal. They
# take turns, round after round, and a figure is the median over the rounds: other guests' noise so hits all alike.
#   quick            about twenty minutes: 1 M keys, 3 rounds, curves with 2                   (the default)
#   full             about an hour: 5 rounds, curves with 3; 10 M keys, too, and 100 M on the curves where memory allows
#   types            less than ten minutes: only the section on collections, which it puts into the document that is there
#   --rounds N       other than the mode's
#   --only LIST      sections, comma-separated: medium, network, binary, connections, restart, embedded,
#                    hot, cache, size, growth, bytes, lines, types
#   --report         measures nothing: writes the document anew from what --results holds
#   --build-dir DIR  programs built already; without it the release preset is built
#   --dir DIR        where pools and logs go, instead of an emulated persistent memory
#   --disk DIR       where redis-server's log goes in the row "on disk"                      (/var/tmp)
#   --results DIR    keeps the JSON results there
#   --out FILE       instead of docs/BENCHMARKS.md
set -euo pipefail
cd "$(dirname "$0")/.."

mode=quick
rounds=
sections=medium,network,binary,connections,restart,embedded,hot,cache,size,growth,bytes,lines,types
part=
report=0
build_dir=
dir=
disk=/var/tmp
results=
out=docs/BENCHMARKS.md
while [ $# -gt 0 ]; do
    case $1 in
    quick | full) mode=$1; shift ;;
    types) sections=types; part=types; shift ;;
    --report) report=1; shift ;;
    -h | --help) sed -n '4,22s/^# \{0,1\}//p' "$0"; exit 0 ;;
    --rounds | --only | --build-dir | --dir | --disk | --results | --out)
        [ $# -ge 2 ] || { echo "bench.sh: $1 needs a value" >&2; exit 2; }
        case $1 in
        --rounds) rounds=$2 ;;
        --only) sections=$2 ;;
        --build-dir) build_dir=$2 ;;
        --dir) dir=$2 ;;
        --disk) disk=$2 ;;
        --results) results=$2 ;;
        --out) out=$2 ;;
        esac
        shift 2
        ;;
    *) echo "bench.sh: unknown option '$1'" >&2; exit 2 ;;
    esac
done

type_rounds=${rounds:-2}
type_duration=200
keys=1000000
value_size=16
curve_rounds=${rounds:-2}
sizes="10000 100000 1000000"
grown=1000000
if [ "$mode" = full ]; then
    curve_rounds=${rounds:-3}
    sizes="10000 100000 1000000 10000000"
    [ "$(awk '/^MemAvailable/ { print $2 }' /proc/meminfo)" -lt 12000000 ] || sizes="$sizes 100000000"
    grown=10000000
    type_rounds=${rounds:-3}
    type_duration=500
    rounds=${rounds:-5}
    duration=1000
    table_keys="1000000 10000000"
    restart_keys="1000000 10000000"
else
    rounds=${rounds:-3}
    duration=300
    table_keys=1000000
    restart_keys=1000000
fi

if [ "$report" = 1 ]; then
    [ -n "$results" ] || { echo "bench.sh: --report needs --results" >&2; exit 2; }
    exec python3 scripts/bench-report.py "$results" "$out" ${part:+"$part"}
fi

# ---- what is needed --------------------------------------------------------------------------------------------------
if [ -z "$build_dir" ]; then
    scripts/install-deps.sh build test
    cmake --preset release >/dev/null
    cmake --build --preset release --target superdb-server superdb-pool superdb-bench superdb-bench-pmemobj superdb-bench-cache \
        superdb-bench-medium
    build_dir=build/release
fi
build_dir=$(cd "$build_dir" && pwd)
bench=$build_dir/superdb-bench
bench_pmemobj=$(find "$build_dir" -name superdb-bench-pmemobj -type f | head -1)
[ -x "$bench" ] || bench=$(find "$build_dir" -name superdb-bench -type f | head -1)
server=$build_dir/superdb-server

# The server has CPU 0 to itself, the load generator CPU 1.
server_cpu=0
generator_cpu=$(($(nproc) > 1 ? 1 : 0))

mounted=
if [ -z "$dir" ]; then
    dir=$(scripts/emulate-pmem.sh --dir /mnt/superdb-bench)
    mounted=$dir
fi
work=$(mktemp -d "$dir/bench.XXXXXX")
disk_work=$(mktemp -d "$disk/superdb-bench.XXXXXX")
if [ -n "$results" ]; then
    mkdir -p "$results"
    results=$(cd "$results" && pwd)
else
    results=$work/results
    mkdir "$results"
fi
rm -f "$results"/*.json "$results"/commands.txt

declare -A pids=() ports=() protocols=()

end_server()
{
    local pid=${pids[$1]:-}
    [ -n "$pid" ] || return 0
    kill -CONT "$pid" 2>/dev/null || true
    kill -TERM "$pid" 2>/dev/null || true
    wait "$pid" 2>/dev/null || true
    unset "pids[$1]"
}

# shellcheck disable=SC2317 # the trap calls it
cleanup()
{
    local name
    for name in "${!pids[@]}"; do
        end_server "$name"
    done
    rm -rf "$work" "$disk_work"
    [ "$mounted" != /mnt/superdb-bench ] || scripts/emulate-pmem.sh --remove --dir "$mounted" || true
}
trap cleanup EXIT
trap 'exit 1' INT TERM

wanted() { case ",$sections," in *",$1,"*) return 0 ;; *) return 1 ;; esac; }
say() { echo "bench.sh: $*" >&2; }

# Runs a command that the report shall name; only the first one of each kind is noted.
noted()
{
    local kind=$1
    shift
    if ! grep -q "^$kind: " "$results/commands.txt" 2>/dev/null; then
        local line="$*"
        line=${line//$build_dir\//}
        line=${line//$disk_work/DISK}
        line=${line//$work/POOLS}
        line=${line//$results/RESULTS}
        echo "$kind: $line" >>"$results/commands.txt"
    fi
}

free_port()
{
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

await_port()
{
    local tries=0
    until (exec 3<>"/dev/tcp/127.0.0.1/$1") 2>/dev/null; do
        tries=$((tries + 1))
        [ "$tries" -lt 1200 ] || { say "no server on port $1"; return 1; }
        sleep 0.05
    done
}

# The command line of each server, for a port and a directory of its own.
command_of()
{
    local name=$1 port=$2 at=$3 size=$4
    local redis="redis-server --port $port --bind 127.0.0.1 --save '' --maxclients 10100 --dir $at --daemonize no"
    local superdb="$server --port $port --bind 127.0.0.1 --threads 1 --maxclients 10100 --pool $at/pool.sdb --pool-size $size"
    case $name in
    superdb) echo "$superdb" ;;
    superdb-epoll) echo "$superdb --io-backend epoll" ;;
    redis-off) echo "$redis --appendonly no" ;;
    redis-fork) echo "redis-server --port $port --bind 127.0.0.1 --save '5 1000' --dir $at --daemonize no --appendonly no" ;;
    redis-everysec) echo "$redis --appendonly yes --appendfsync everysec --auto-aof-rewrite-percentage 0" ;;
    redis-always | redis-always-disk) echo "$redis --appendonly yes --appendfsync always --auto-aof-rewrite-percentage 0" ;;
    redis-rdb) echo "redis-server --port $port --bind 127.0.0.1 --save '3600 1' --dir $at --daemonize no --appendonly no" ;;
    memcached) echo "memcached -u $(id -un) -l 127.0.0.1 -p $port -U 0 -t 1 -m 4096 -c 10100 -R 1000" ;;
    esac
}

directory_of()
{
    case $1 in
    redis-always-disk) echo "$disk_work/$1" ;;
    *) echo "$work/$1" ;;
    esac
}

start_server()
{
    local name=$1 size=$2 at command
    at=$(directory_of "$name")
    mkdir -p "$at"
    ports[$name]=$(free_port)
    protocols[$name]=resp
    [ "$name" != memcached ] || protocols[$name]=meta
    command=$(command_of "$name" "${ports[$name]}" "$at" "$size")
    noted "server $name" taskset -c "$server_cpu" "$command"
    # exec: the process that is stopped, measured and ended is the server itself, not a shell around it.
    eval "exec taskset -c $server_cpu $command" >"$results/$name.log" 2>&1 &
    pids[$name]=$!
    await_port "${ports[$name]}" || { tail -5 "$results/$name.log" >&2; return 1; }
}

# ---- sections --------------------------------------------------------------------------------------------------------
run_medium()
{
    local job=("--name=floor" "--filename=$work/fio" --size=256m --ioengine=libpmem --direct=1 --iodepth=1 --numjobs=1
               --time_based --runtime=2 --output-format=json)
    local kind
    for kind in "randwrite 256" "write 4096" "randread 256" "read 4096"; do
        # shellcheck disable=SC2086
        set -- $kind
        noted "fio $1" fio "${job[@]}" "--rw=$1" "--bs=$2" --sync=1
        PMEM_IS_PMEM_FORCE=1 taskset -c "$generator_cpu" fio "${job[@]}" "--rw=$1" "--bs=$2" --sync=1 \
            >"$results/fio-$1-$2.json" 2>/dev/null || rm -f "$results/fio-$1-$2.json"
    done
    rm -f "$work/fio"
}

load()
{
    local name=$1
    shift
    taskset -c "$generator_cpu" "$bench" network --port "${ports[$name]}" --protocol "${protocols[$name]}" --keys "$keys" \
        --value-size "$value_size" --server-pid "${pids[$name]}" "$@"
}

# What a server takes of DRAM and of the pool, noted under a label.
record_memory()
{
    local name=$1 label=$2
    awk -v name="$name" '/^(VmRSS|RssAnon|RssShmem|RssFile):/ { sub(":", "", $1); out = out ", \"" $1 "\": " $2 * 1024 }
        END { print "{\"server\": \"" name "\"" out "}" }' "/proc/${pids[$name]}/status" >"$results/memory-$label.json"
}

run_network()
{
    local names="superdb redis-off redis-everysec redis-always redis-always-disk memcached"
    local name round seed=0
    for name in $names; do
        say "starting and filling $name"
        start_server "$name" 1gb
        load "$name" --preload --verify "$keys" --operation get --duration-ms 100 --json "$results/fill-$name.json"
        record_memory "$name" "$name"
        kill -STOP "${pids[$name]}"
    done
    for round in $(seq "$rounds"); do
        for name in $names; do
            say "round $round of $rounds: $name"
            seed=$((seed + 100))
            kill -CONT "${pids[$name]}"
            noted "load" taskset -c "$generator_cpu" "$bench" network --port N --keys "$keys" --value-size "$value_size" \
                --connections 50 --operation get,set --pipeline 1,16,64,256 --duration-ms "$duration"
            load "$name" --connections 50 --operation get,set --pipeline 1,16,64,256 --duration-ms "$duration" \
                --warmup-ms 100 --seed "$((seed + 1))" --json "$results/net-$name-$round.json"
            load "$name" --connections 1 --operation get,set --pipeline 1 --duration-ms "$duration" --warmup-ms 50 \
                --prebuilt 100k --seed "$((seed + 2))" --json "$results/one-$name-$round.json"
            load "$name" --connections 1 --operation get,set --pipeline 1 --duration-ms "$duration" --warmup-ms 50 --spin \
                --prebuilt 100k --seed "$((seed + 3))" --json "$results/spin-$name-$round.json"
            noted "open loop" taskset -c "$generator_cpu" "$bench" network --port N --keys "$keys" \
                --connections 50 --operation get,set --rate 20000 --duration-ms "$duration"
            load "$name" --connections 50 --operation get,set --pipeline 1 --rate 20000 --duration-ms "$duration" \
                --warmup-ms 100 --prebuilt 100k --seed "$((seed + 4))" --json "$results/open-$name-$round.json"
            kill -STOP "${pids[$name]}"
        done
    done
    for name in $names; do
        kill -CONT "${pids[$name]}"
        load "$name" --verify "$keys" --operation get --duration-ms 50 --json "$results/verify-$name.json"
        end_server "$name"
    done
    rm -rf "$disk_work/redis-always-disk"
}

# Fills a server with count keys, ends it, and times the next start.
time_restart()
{
    local name=$1 count=$2 size=$3 at command port fill_keys=$keys
    at=$(directory_of "$name")
    rm -rf "$at"
    say "restart of $name with $count keys"
    start_server "$name" "$size"
    keys=$count
    load "$name" --preload --operation ping --duration-ms 10 --warmup-ms 0 --json "$results/fill-$name-$count.json"
    keys=$fill_keys
    record_memory "$name" "$name-$count"
    port=${ports[$name]}
    end_server "$name"
    command=$(command_of "$name" "$port" "$at" "$size")
    noted "restart" "$bench" first-reply --port N --key "$((count - 1))" -- taskset -c "$server_cpu" SERVER...
    for attempt in 1 2 3; do
        eval "$bench first-reply --port $port --key $((count - 1)) --log $results/restart-$name.log \
            --json $results/restart-$name-$count-$attempt.json -- taskset -c $server_cpu $command" || return 1
        [ "$count" -le 1000000 ] || [ "$name" = superdb ] || break
    done
    rm -rf "$at"
}

# Both protocols of one server, in turns: one key a request, and many.
run_binary()
{
    local round seed=0
    say "starting and filling superdb for both protocols"
    start_server superdb 1gb
    load superdb --preload --verify "$keys" --operation ping --duration-ms 10 --warmup-ms 0 --json "$results/fill-binary.json"
    for round in $(seq "$rounds"); do
        say "round $round of $rounds: both protocols"
        seed=$((seed + 100))
        for protocol in resp binary; do
            local operations=get,set
            [ "$protocol" = resp ] || operations=get,set,geth,seth
            protocols[superdb]=$protocol
            noted "load $protocol" taskset -c "$generator_cpu" "$bench" network --port N --protocol "$protocol" --keys "$keys" \
                --value-size "$value_size" --connections 50 --operation "$operations" --pipeline 1,16,64,256 --duration-ms "$duration"
            load superdb --connections 50 --operation "$operations" --pipeline 1,16,64,256 --duration-ms "$duration" --warmup-ms 100 \
                --seed "$((seed + 1))" --json "$results/protocol-$protocol-$round.json"
            operations=mget,mset
            [ "$protocol" = resp ] || operations=mget,mset,mgeth
            noted "load $protocol, many" taskset -c "$generator_cpu" "$bench" network --port N --protocol "$protocol" --keys "$keys" \
                --value-size "$value_size" --connections 50 --operation "$operations" --mget-keys 64 --pipeline 1,4 \
                --prebuilt 20k --duration-ms "$duration"
            load superdb --connections 50 --operation "$operations" --mget-keys 64 --pipeline 1,4 --prebuilt 20k --duration-ms "$duration" \
                --warmup-ms 100 --seed "$((seed + 2))" --json "$results/many-$protocol-$round.json"
        done
    done
    protocols[superdb]=resp
    end_server superdb
    rm -rf "$(directory_of superdb)"
}

run_restart()
{
    local count
    for count in $restart_keys; do
        local size=1gb
        [ "$count" -le 1000000 ] || size=4gb
        time_restart superdb "$count" "$size"
        time_restart redis-everysec "$count" "$size"
        time_restart redis-rdb "$count" "$size"
    done
}

run_embedded()
{
    local count round pool_size
    for count in $table_keys; do
        pool_size=1gb
        local table_rounds=$rounds
        if [ "$count" -gt 1000000 ]; then
            pool_size=4gb
            table_rounds=1
        fi
        for round in $(seq "$table_rounds"); do
            say "tables with $count keys, round $round of $table_rounds"
            noted "table" taskset -c "$generator_cpu" "$bench" embedded --path "$work/table.pool" --pool-size "$pool_size" --keys "$count"
            taskset -c "$generator_cpu" "$bench" embedded --path "$work/table.pool" --pool-size "$pool_size" --keys "$count" \
                --seed "$round" --json "$results/table-superdb-$count-$round.json"
            noted "libpmemobj table" taskset -c "$generator_cpu" "$bench_pmemobj" embedded --path "$work/table.pool" \
                --pool-size "$pool_size" --keys "$count"
            taskset -c "$generator_cpu" "$bench_pmemobj" embedded --path "$work/table.pool" --pool-size "$pool_size" \
                --keys "$count" --seed "$round" --json "$results/table-libpmemobj-$count-$round.json"
        done
        taskset -c "$generator_cpu" "$bench" embedded --path "$work/table.pool" --pool-size "$pool_size" --keys "$count" \
            --key-size 16 --value-size 8 --only verify --json "$results/size-superdb-$count.json"
        taskset -c "$generator_cpu" "$bench_pmemobj" embedded --path "$work/table.pool" --pool-size "$pool_size" \
            --keys "$count" --key-size 16 --value-size 8 --only verify --json "$results/size-libpmemobj-$count.json"
    done
    taskset -c "0-$(($(nproc) - 1))" "$bench" embedded --path "$work/table.pool" --pool-size 1gb --keys 1000000 \
        --threads "$(nproc)" --only get,update,get_batch --json "$results/threads-superdb.json"
}

# Reads of a few keys that lie in the CPU's caches, with each kind of vector instructions; batches of keys that do not.
run_hot()
{
    local round simd
    local count=${table_keys##* }
    for round in $(seq "$rounds"); do
        for simd in avx512 avx2 plain; do
            say "hot reads with $simd, round $round of $rounds"
            noted "hot" "SUPERDB_SIMD=$simd" taskset -c "$generator_cpu" "$bench" embedded --path "$work/table.pool" --keys 200000 \
                --hot 1024 --operations 4m --only get_hot,get_batch_hot,get_handle_hot,get_handle_batch_hot
            SUPERDB_SIMD=$simd taskset -c "$generator_cpu" "$bench" embedded --path "$work/table.pool" --keys 200000 \
                --hot 1024 --operations 4m --only get_hot,get_batch_hot,get_handle_hot,get_handle_batch_hot \
                --seed "$round" --json "$results/hot-$simd-$round.json"
        done
        taskset -c "$generator_cpu" "$bench" embedded --path "$work/table.pool" --pool-size "$((count / 1000000 * 64 + 256))mb" \
            --keys "$count" --only get,get_batch,get_handle,get_handle_batch --seed "$round" --json "$results/hot-cold-$round.json"
    done
}

# The hot-handle cache: what it hits, and what that buys on a slower medium.
run_cache()
{
    local count=${table_keys##* }
    local hits medium
    hits=$(find "$build_dir" -name superdb-bench-cache -type f | head -1)
    medium=$(find "$build_dir" -name superdb-bench-medium -type f | head -1)
    say "hit rates of the cache with $count keys"
    noted "cache" "$hits" --keys "$count" --accesses "$((2 * count))" --cache-size "$((count / 100 * 64))"
    taskset -c "$generator_cpu" "$hits" --keys "$count" --accesses "$((2 * count))" --cache-size "$((count / 100 * 64))" \
        --json "$results/cache.json"
    say "a slower medium"
    noted "slower medium" taskset -c "$generator_cpu" "$medium" --path "$work/medium.pool" --keys 1000000
    taskset -c "$generator_cpu" "$medium" --path "$work/medium.pool" --keys 1000000 --json "$results/slower.json"
}

# shellcheck source=scripts/bench-curves.sh
. scripts/bench-curves.sh
# shellcheck source=scripts/bench-types.sh
. scripts/bench-types.sh

describe()
{
    {
        echo "mode: $mode, $rounds rounds, $duration ms each"
        echo "types: $type_rounds rounds, $type_duration ms each"
        echo "pools: $(stat -f -c %T "$work")$(awk -v dir="$dir" '$2 == dir { print " (" $4 ")" }' /proc/mounts)"
        echo "disk: $(stat -f -c %T "$disk_work")"
        echo "redis-server: $(redis-server --version)"
        echo "memcached: $(memcached --version)"
        echo "libpmemobj: $(dpkg-query -W -f '${Version}' libpmemobj1 2>/dev/null || echo unknown)"
        echo "fio: $(fio --version)"
        echo "superdb: $("$server" --version 2>/dev/null | head -1 || true)"
        echo "cpu: $(lscpu | sed -n 's/^Model name: *//p'), $(nproc) CPUs, L2 $(lscpu | sed -n 's/^L2 cache: *//p'), L3 $(lscpu | sed -n 's/^L3 cache: *//p')"
        echo "virtual: $(lscpu | sed -n 's/^Hypervisor vendor: *//p')"
        echo "kernel: $(uname -r)"
        echo "load average before: $(cut -d ' ' -f 1-3 /proc/loadavg)"
        echo "memory: $(awk '/^MemTotal/ { printf "%.1f GiB", $2 / 1048576 }' /proc/meminfo)"
    } >"$results/facts.txt"
}

describe
failed=0
report_failure() { say "section $1 failed"; failed=1; }
if wanted medium; then run_medium || report_failure medium; fi
if wanted network; then run_network || report_failure network; fi
if wanted connections; then run_connections || report_failure connections; fi
if wanted binary; then run_binary || report_failure binary; fi
if wanted restart; then run_restart || report_failure restart; fi
if wanted embedded; then run_embedded || report_failure embedded; fi
if wanted hot; then run_hot || report_failure hot; fi
if wanted cache; then run_cache || report_failure cache; fi
if wanted size; then run_size || report_failure size; fi
if wanted growth; then run_growth || report_failure growth; fi
if wanted bytes; then run_bytes || report_failure bytes; fi
if wanted lines; then run_lines || report_failure lines; fi
if wanted types; then run_types || report_failure types; fi
echo "load average after: $(cut -d ' ' -f 1-3 /proc/loadavg)" >>"$results/facts.txt"
python3 scripts/bench-report.py "$results" "$out" ${part:+"$part"}
say "wrote $out"
exit "$failed"
