# shellcheck shell=bash disable=SC2154 # bench.sh sets what is used here
# SPDX-License-Identifier: BSD-3-Clause
#
# bench-curves.sh - the sections of scripts/bench.sh that become curves and their tables; bench.sh reads it
#
# size:        get, batched get, update, insert and delete from 10 K keys on, the medium's floor measured in the same runs over as
#              much memory as the keys take
# growth:      the SET of a new key from an empty store on, each call timed: in this process, through superdb-server, and through
#              redis-server, which rehashes, and forks where it saves
# bytes:       where each byte of a pool goes, for values of several sizes, beside what other servers take of memory
# lines:       the cache lines that operations share with other threads, and those that they write
# connections: 1 to 10,000 of them, and io_uring beside epoll

run_size()
{
    local count round pool_size operations
    for round in $(seq "$curve_rounds"); do
        for count in $sizes; do
            say "$count keys, round $round of $curve_rounds"
            pool_size=$((count * 64 > 536870912 ? count * 64 : 536870912))
            operations=$((count > 400000 ? 200000 : count / 2))
            noted "size" taskset -c "$generator_cpu" "$bench" embedded --path "$work/size.pool" --pool-size "$pool_size" --keys "$count" \
                --key-size 16 --operations "$operations" --slice 512
            taskset -c "$generator_cpu" "$bench" embedded --path "$work/size.pool" --pool-size "$pool_size" --keys "$count" \
                --key-size 16 --value-size 8 --operations "$operations" --slice 512 --seed "$round" \
                --floor-size "$((count * 44 < 4194304 ? 4194304 : count * 44 > 1073741824 ? 1073741824 : count * 44))" \
                --only get,get_batch,update,delete,reinsert --json "$results/size-$count-$round.json"
        done
    done
}

run_growth()
{
    local name round
    for round in $(seq "$curve_rounds"); do
        say "growth in this process, round $round of $curve_rounds"
        noted "growth" taskset -c "$generator_cpu" "$bench" growth --path "$work/grown.pool" --pool-size 4gb --keys "$grown" --value-size 8
        taskset -c "$generator_cpu" "$bench" growth --path "$work/grown.pool" --pool-size 4gb --keys "$grown" --value-size 8 \
            --json "$results/growth-embedded-$round.json"
        for name in superdb redis-off redis-fork; do
            say "growth of $name, round $round of $curve_rounds"
            start_server "$name" 4gb
            noted "growth of a server" taskset -c "$generator_cpu" "$bench" growth --port N --keys "$grown"
            taskset -c "$generator_cpu" "$bench" growth --port "${ports[$name]}" --server-pid "${pids[$name]}" --keys "$grown" \
                --json "$results/growth-$name-$round.json"
            end_server "$name"
            rm -rf "$(directory_of "$name")"
        done
    done
}

resident() { awk '/^VmRSS:/ { print $2 * 1024 }' "/proc/$1/status"; }

run_bytes()
{
    local size name before
    for size in 8 16 64 300 1000; do
        say "memory, values of $size bytes"
        noted "bytes" "$bench" embedded --path "$work/bytes.pool" --pool-size 4gb --keys "$keys" --key-size 16 --value-size N --only insert
        "$bench" embedded --path "$work/bytes.pool" --pool-size 4gb --keys "$keys" --key-size 16 --value-size "$size" \
            --floor-size 4mb --only insert --json "$results/bytes-superdb-$size.json"
        for name in redis-off memcached; do
            start_server "$name" 4gb
            before=$(resident "${pids[$name]}")
            "$bench" network --port "${ports[$name]}" --protocol "${protocols[$name]}" --keys "$keys" --key-size 16 --value-size "$size" \
                --preload --verify "$keys" --operation get --duration-ms 10 --warmup-ms 0 --json /dev/null
            echo "{\"bytes_per_key\": $((($(resident "${pids[$name]}") - before) / keys))}" >"$results/bytes-$name-$size.json"
            end_server "$name"
            rm -rf "$(directory_of "$name")"
        done
    done
}

run_lines()
{
    say "lines that threads share"
    noted "lines" scripts/shared-lines.py "$bench" POOLS
    scripts/shared-lines.py "$bench" "$work" --json "$results/lines.json"
}

run_connections()
{
    local names="superdb superdb-epoll redis-off memcached" name round count depths time
    for name in $names; do
        start_server "$name" 1gb
        load "$name" --preload --operation get --duration-ms 10 --warmup-ms 0 --json /dev/null
        kill -STOP "${pids[$name]}"
    done
    for round in $(seq "$curve_rounds"); do
        for count in 1 50 1000 10000; do
            depths=1,16
            [ "$count" != 50 ] || depths=1,16,64,256
            # Long enough for every connection to be served several times.
            time=$((count < 1000 ? duration : count < 10000 ? 1000 : 2000))
            for name in $names; do
                say "$count connections, round $round of $curve_rounds: $name"
                kill -CONT "${pids[$name]}"
                noted "connections" taskset -c "$generator_cpu" "$bench" network --port N --keys "$keys" --connections "$count" \
                    --operation get,set --pipeline "$depths" --prebuilt 100k
                load "$name" --connections "$count" --operation get,set --pipeline "$depths" --duration-ms "$time" \
                    --warmup-ms "$((time / 2))" --prebuilt 100k --seed "$((round * 10 + 1))" --json "$results/connections-$name-$count-$round.json"
                kill -STOP "${pids[$name]}"
            done
        done
    done
    for name in $names; do
        end_server "$name"
        rm -rf "$(directory_of "$name")"
    done
}
