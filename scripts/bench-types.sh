# shellcheck shell=bash disable=SC2154 # bench.sh sets what is used here
# SPDX-License-Identifier: BSD-3-Clause
#
# bench-types.sh - the section of scripts/bench.sh on lists, sets, hashes, sorted sets and what builds on them; bench.sh reads it
#
# commands:  each of bench/cases.c, beside redis-server; those that write also beside one that makes every write durable
# memory:    bytes of an element, in collections of 10 and in one of a million
# cost:      what an element costs in this process, in collections of 10 K to 10 M
# deletion:  what other clients wait while one of 10 M is deleted

run_commands()
{
    local names="superdb redis-off redis-always" name round options
    for name in $names; do
        start_server "$name" 2gb
        kill -STOP "${pids[$name]}"
    done
    for round in $(seq "$type_rounds"); do
        for name in $names; do
            say "commands of types, round $round of $type_rounds: $name"
            options=
            [ "$name" != redis-always ] || options=--writes
            kill -CONT "${pids[$name]}"
            noted "types" taskset -c "$generator_cpu" "$bench" types --port N --connections 50 --pipeline 1,16,64 --duration-ms "$type_duration"
            taskset -c "$generator_cpu" "$bench" types --port "${ports[$name]}" --server-pid "${pids[$name]}" --connections 50 \
                --pipeline 1,16,64 --duration-ms "$type_duration" --seed "$round" ${options:+"$options"} --json "$results/types-$name-$round.json"
            kill -STOP "${pids[$name]}"
        done
    done
    for name in $names; do
        end_server "$name"
        rm -rf "$(directory_of "$name")"
    done
}

run_type_memory()
{
    local name type
    for type in list set hash zset; do
        for name in superdb redis-off; do
            say "memory of elements of a $type: $name"
            start_server "$name" 1gb
            noted "memory of types" "$bench" types --port N --memory 1m --type "$type"
            "$bench" types --port "${ports[$name]}" --memory 1m --type "$type" --json "$results/elements-$name-$type.json"
            end_server "$name"
            rm -rf "$(directory_of "$name")"
        done
    done
}

run_type_cost()
{
    local type count
    for count in 10000 100000 1000000 10000000; do
        for type in list set hash zset; do
            noted "collections" taskset -c "$generator_cpu" "$bench" collections --type "$type" --elements N --path "$work/collection.pool"
            taskset -c "$generator_cpu" "$bench" collections --type "$type" --elements "$count" --path "$work/collection.pool" \
                --json "$results/collections-$type-$count.json"
        done
    done
}

# Of redis-server one type stands for all: its DEL frees every element before it replies, its UNLINK does so in another thread.
run_type_deletion()
{
    local which name type command
    for which in "superdb list del" "superdb set del" "superdb hash del" "superdb zset del" "redis-off hash del" "redis-off hash unlink"; do
        read -r name type command <<<"$which"
        say "deletion of a $type: $name, $command"
        start_server "$name" 4gb
        noted "deletion" taskset -c "$generator_cpu" "$bench" deletion --port N --type "$type" --elements 10m --command "$command"
        taskset -c "$generator_cpu" "$bench" deletion --port "${ports[$name]}" --type "$type" --elements 10m --command "$command" \
            --patience-ms 30000 --json "$results/deletion-$name-$type-$command.json"
        end_server "$name"
        rm -rf "$(directory_of "$name")"
    done
}

run_types()
{
    run_commands && run_type_memory && run_type_cost && run_type_deletion
}
