# SPDX-License-Identifier: BSD-3-Clause
"""bench_types.py - the section of docs/BENCHMARKS.md on collections; bench-report.py calls it

The section stands between two comments, so that a run of its own (scripts/bench.sh types) replaces it and leaves the rest.
"""
import re
from statistics import median

from bench_curves import block, cell, head, row, short

BEGIN, END = "<!-- types: written by scripts/bench.sh types -->", "<!-- end of types -->"
TYPES = [("list", "list"), ("set", "set"), ("hash", "hash"), ("zset", "sorted set")]
COLOURS = {"list": "#1f77b4", "set": "#2ca02c", "hash": "#ff7f0e", "zset": "#d62728"}
OPERATIONS = [("add_many", "added, 100 in a call"), ("insert", "inserted, one in a call"), ("insert_grouped", "inserted, 64 calls to a fence"),
              ("find", "found"), ("rank", "ranked"), ("range", "shown, 100 in a call"), ("update", "updated"), ("pop", "popped")]
DEPTHS = [1, 16, 64]
FEWEST = 200  # requests of a run that say anything
GROWTH_MAX = 3.0  # from 10 K to 10 M a tree gets about twice as deep, and all of it leaves the CPU's caches


# What profiles (callgrind under scripts/bench-guard.sh, perf on the server) say of those that lose.
REASONS = [
    ("lpush|rpush|lpop", "the leaf and the inner node above it are read whole and verified before they change, at most of the cost; each push then "
                         "stages, logs and flushes about 8 lines of its own (1.3 where 64 share a fence), where redis-server writes into a block "
                         "that no crash has to find whole"),
    ("zadd|zadd_new|zincrby|zpopmin", "two trees change, the order and the members': 19 to 25 lines are flushed, half of them slots of the leaf that move up"),
    ("zscore|hset|hset_new|hincrby|sadd_new|hget|sismember", "each node on the way is verified: a leaf's slots are summed up, and the element's check is computed"),
    ("hset_small|zadd_small|lset_small", "a packed collection is one blob, which every change writes anew"),
    ("pfadd", "the string of registers is one blob, which every change writes anew"),
    ("bytes an element of a list of 1 M", "an element of 12 bytes takes two words and a slot; redis-server packs it with two bytes around it"),
    ("10 M, ", "what a call reads of a tree of 4 or 5 levels leaves the CPU's caches: each level is a miss or more, and a leaf is read whole to be verified"),
]


def explain(losses):
    names = "\n".join(losses)
    for pattern, reason in REASONS:
        if re.search(rf"^({pattern})[, :]" if "|" in pattern or pattern == "pfadd" else re.escape(pattern), names, re.M):
            print(f"- {pattern.strip(', ').replace('|', ', ')}: {reason}")


class Commands:
    """What the runs on commands measured, medians over the rounds."""

    def __init__(self, curves):
        self.rows = {}
        self.types = {}
        self.writes = {}
        for name in ("superdb", "redis-off", "redis-always"):
            for run in curves.documents(f"types-{name}-[0-9]*.json"):
                for entry in run["results"]:
                    self.types[entry["operation"]] = entry["type"]
                    self.writes[entry["operation"]] = entry["writes"]
                    if entry["requests"] >= FEWEST and not entry["failure"]:
                        self.rows.setdefault((name, entry["operation"], entry["pipeline"]), []).append(entry)

    def figure(self, name, operation, depth, field):
        entries = self.rows.get((name, operation, depth), [])
        values = [entry["latency_ns"][field] / 1000 if field.startswith("p") else entry.get(field) for entry in entries]
        values = [value for value in values if value]
        return median(values) if values else None


def ratio(ours, theirs):
    return f"{ours / theirs:.2f}" if ours and theirs else "-"


def print_rates(commands):
    print("### Commands, beside redis-server: thousand a second\n")
    print("\"Always\": redis-server with appendfsync always, which SuperDB's every write compares with; its log is in memory, too.\n")
    head(["command"] + [f"SuperDB P{depth}" for depth in DEPTHS] + [f"/ off P{depth}" for depth in DEPTHS] +
         [f"/ always P{depth}" for depth in DEPTHS])
    for operation in commands.types:
        ours = [commands.figure("superdb", operation, depth, "requests_per_second") for depth in DEPTHS]
        cells = [cell(value / 1000 if value else None, 1 if value and value < 1e5 else 0) for value in ours]
        for other in ("redis-off", "redis-always"):
            cells += [ratio(value, commands.figure(other, operation, depth, "requests_per_second")) for value, depth in zip(ours, DEPTHS)]
        row([operation] + cells)
    print()


def print_commands(curves, losses, quiet):
    commands = Commands(curves)
    if not commands.types:
        return
    print("50 connections (4 of SINTER and GEOSEARCH), elements of 12 bytes, values of 16; collections of 1,000 elements, of 10 and 20 where "
          "the name ends in\n_small or _20, of 500,000 where elements are taken away, 200,000 of streams.\n")
    if quiet:
        print_rates(commands)
    print("### Commands: CPU time of the server for each, ns" + (", and latency at pipeline 1, us\n" if quiet else "\n"))
    head(["command"] + [f"SuperDB P{depth}" for depth in DEPTHS] + [f"redis-server, persistence off, P{depth}" for depth in DEPTHS] +
         [f"redis-server / SuperDB P{depth}" for depth in DEPTHS] + ["SuperDB p50 / p99", "redis-server p50 / p99"] * quiet)
    for operation in commands.types:
        ours = [commands.figure("superdb", operation, depth, "server_cpu_ns_per_request") for depth in DEPTHS]
        theirs = [commands.figure("redis-off", operation, depth, "server_cpu_ns_per_request") for depth in DEPTHS]
        latencies = [" / ".join(cell(commands.figure(name, operation, 1, field)) for field in ("p50", "p99"))
                     for name in ("superdb", "redis-off") if quiet]
        row([operation] + [cell(value) for value in ours + theirs] + [ratio(their, our) for our, their in zip(ours, theirs)] + latencies)
        behind = [f"{our:,.0f} against {their:,.0f} ns at pipeline {depth}" for our, their, depth in zip(ours, theirs, DEPTHS)
                  if our and their and our > their]
        if behind:
            losses.append(f"{operation}, CPU beside redis-server without persistence: {', '.join(behind)}")
    print()


def print_memory(curves, losses):
    found = {(name, kind): {entry["collections"] > 1: entry["bytes_per_element"] for entry in run["memory"]}
             for name in ("superdb", "redis-off") for kind, _ in TYPES for run in curves.documents(f"elements-{name}-{kind}.json")}
    if not found:
        return
    print("### Bytes an element\n")
    print("How used_memory grew; of SuperDB that is the pool's pages in use and the server's DRAM. Elements of 12 bytes, a hash's values of 16.\n")
    head(["type", "SuperDB, 10 each", "redis-server, 10 each", "SuperDB, one of 1 M", "redis-server, one of 1 M"])
    for kind, words in TYPES:
        cells = []
        for small in (True, False):
            ours, theirs = (found.get((name, kind), {}).get(small) for name in ("superdb", "redis-off"))
            cells += [cell(ours, 1), cell(theirs, 1)]
            if ours and theirs and ours > theirs:
                losses.append(f"bytes an element of a {words} of {'10' if small else '1 M'}: {ours:.1f} against {theirs:.1f}")
        row([words] + cells)
    print()


def read_costs(curves):
    """{(kind, size): the document}"""
    return {(kind, size): curves.documents(f"collections-{kind}-{size}.json")[0]
            for kind, _ in TYPES for size in curves.numbers(f"collections-{kind}-(N).json")
            if curves.documents(f"collections-{kind}-{size}.json")}


def plot_costs(curves, costs, sizes, name, operation):
    ticks = ", ".join(f"'{short(size)}' {size}" for size in sizes)
    axes = f"set logscale x\nset xlabel 'elements'\nset ylabel 'ns an element, {operation}'\nset yrange [0:*]\nset xtics ({ticks})\n"
    data, lines = "", []
    for kind, words in TYPES:
        points = [(size, value) for size in sizes for value in [cost(costs, kind, size, operation)] if value]
        data += block(kind, points)
        lines.append(f"${kind} using 1:2 with linespoints lw 2 pt 7 ps 0.6 lc rgb '{COLOURS[kind]}' title '{words}'")
    curves.gnuplot(name, data + axes + "plot " + ", ".join(lines) + "\n")


def cost(costs, kind, size, operation):
    return next((entry["ns"] for entry in costs.get((kind, size), {}).get("results", []) if entry["operation"] == operation), None)


def print_costs(curves, losses):
    costs = read_costs(curves)
    if not costs:
        return
    sizes = sorted({size for _, size in costs})
    print("### What an element costs, by how many there are\n")
    print("In one process, one collection, one thread; ns of its CPU time for an element, medians over 40 slices of calls. Between 10 K and "
          "10 M a tree\ngrows from 2 or 3 levels to 4 or 5, and what a call reads leaves the CPU's caches. A list finds by position; a hash pops by "
          "name; sets and\nhashes are shown in the order of a scan.\n")
    for operation in ("insert", "find", "pop"):
        plot_costs(curves, costs, sizes, f"types-{operation}", operation)
    head(["type, an element"] + [short(size) for size in sizes] + [f"{short(sizes[-1])} / {short(sizes[0])}", "fences", "lines"])
    for kind, words in TYPES:
        for operation, done in OPERATIONS:
            values = [cost(costs, kind, size, operation) for size in sizes]
            if not any(values):
                continue
            entry = next(entry for entry in costs[kind, sizes[-1]]["results"] if entry["operation"] == operation)
            row([f"{words}, {done}"] + [cell(value) for value in values] + [ratio(values[-1], values[0]), cell(entry["fences"], 3),
                                                                        cell(entry["lines"], 1)])
            if values[0] and values[-1] and values[-1] / values[0] > GROWTH_MAX:
                losses.append(f"an element of a {words} {done}: {values[-1]:,.0f} ns of {short(sizes[-1])}, {values[-1] / values[0]:.1f} times "
                              f"the cost of {short(sizes[0])}")
    print("\nOpening, and deleting. The answer is the call's own time; a step is a call of sdb_maintain as the server makes it.\n")
    head(["type, elements", "bytes an element", "open, ms", "open after a kill, ms", "delete answers, us", "reclaimed, ns an element",
          "a step p99, us", "longest step, us"])
    for kind, words in TYPES:
        for size in sizes:
            document = costs.get((kind, size))
            if document and "deletion" in document:
                deletion = document["deletion"]
                row([f"{words}, {short(size)}", cell(document["bytes_per_element"], 1), cell(document["open_ms"], 2),
                     cell(document["open_killed_ms"], 2), cell(deletion["answer_us"], 1), cell(deletion["reclaim_ns"], 1),
                     cell(deletion["step_ns"]["p99"] / 1000, 1), cell(deletion["step_ns"]["max"] / 1000)])
    print()


def print_deletion(curves, losses):
    runs = [(name, run) for name in ("superdb", "redis-off") for run in curves.documents(f"deletion-{name}-*.json") if "deleting_ns" in run]
    if not runs:
        return
    print(f"### Other clients while a collection of {short(runs[0][1]['elements'])} is deleted\n")
    print("Round trips of another connection's SET and GET, one at a time, us: before, and from the deletion's sending until the memory is back "
          "(30 s at most).\n")
    head(["server", "answer, ms", "memory back, s", "of MB", "before: p50", "p99.99", "longest", "meanwhile: p50", "p99.99", "longest"])
    for server, run in runs:
        name = "SuperDB" if server == "superdb" else "redis-server"
        row([f"{name}, {dict(TYPES)[run['type']]}, {run['deletion'].upper()}", cell(run["answer_ms"], 2),
             cell(run["back_ms"] / 1000 if run["back_ms"] else None, 1), cell(run["bytes"] / 1e6)] +
            [cell(run[part][field] / 1000, 1) for part in ("calm_ns", "deleting_ns") for field in ("p50", "p99.99", "max")])
        if name == "SuperDB" and not run["back_ms"]:
            losses.append(f"the memory of a {dict(TYPES)[run['type']]} of {short(run['elements'])} was not back 30 s after its DEL: "
                          f"{run['bytes_left'] / 1e6:,.0f} of {run['bytes'] / 1e6:,.0f} MB left")
    print()


def busy(facts):
    """Whether somebody else used the cores: the load generator and the server together are no more than two."""
    load = [float(facts[name].split()[0]) for name in ("load average before", "load average after") if facts.get(name)]
    return any(value > 3 for value in load)


def print_types(curves, facts):
    if not any(curves.documents(pattern) for pattern in ("types-*.json", "collections-*.json", "deletion-*.json", "elements-*.json")):
        return
    losses = []
    print(BEGIN)
    print("## Collections\n")
    print(f"Of a run of its own (`scripts/bench.sh types`): {facts.get('types', '-')}; load average before {facts.get('load average before', '-')}, after "
          f"{facts.get('load average after', '-')}.")
    if busy(facts):
        print("**Measured on a busy machine**: its cores ran much else besides. Rates and latencies of commands are left out; what is CPU time says "
              "something,\nwith much noise at pipeline 1. To be measured anew on a quiet one.")
    if facts.get("types note"):
        print(facts["types note"])
    print()
    print_commands(curves, losses, not busy(facts))
    print_memory(curves, losses)
    print_costs(curves, losses)
    print_deletion(curves, losses)
    print("### Where collections lose, or grow dearer than their tree\n")
    print("\n".join(f"- {loss}" for loss in losses) if losses else "Nowhere in this run.")
    if losses:
        print("\nWhy:\n")
        explain(losses)
    print(END)
    print()
