/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * placement.c - CPUs by their distance from the pool
 */
#include "placement.h"

#include <sched.h>
#include <stdio.h>

/* Less is better: distance, then threads that share a core with a better one, then the kernel's order. */
static long rank(const struct topology *topology, int pool_node, int index)
{
    const struct topology_cpu *cpu = &topology->cpus[index];
    long distance = pool_node == TOPOLOGY_UNKNOWN ? 0 : topology->nodes[pool_node].distances[cpu->node];

    return ((distance * TOPOLOGY_NODES_MAX + cpu->node) * 16 + cpu->sibling) * TOPOLOGY_CPUS_MAX + index;
}

void placement_order(const struct topology *topology, int pool_node, int order[TOPOLOGY_CPUS_MAX])
{
    for (int i = 0; i < topology->cpu_count; i++) {
        long own = rank(topology, pool_node, i);
        int at = i;

        for (; at > 0 && rank(topology, pool_node, order[at - 1]) > own; at--)
            order[at] = order[at - 1];
        order[at] = i;
    }
}

void placement_prepare(struct placement *placement, const struct topology *topology, int pool_node, int always)
{
    int order[TOPOLOGY_CPUS_MAX];

    placement->node_count = topology->node_count;
    placement->cpu_count = topology->cpu_count;
    placement->pool_node = pool_node == TOPOLOGY_UNKNOWN ? TOPOLOGY_UNKNOWN : topology->nodes[pool_node].number;
    placement->is_pinned = topology->cpu_count > 0 && (always || topology->node_count > 1);
    placement_order(topology, pool_node, order);
    for (int i = 0; i < topology->cpu_count; i++)
        placement->cpus[i] = topology->cpus[order[i]].number;
}

int placement_cpu(const struct placement *placement, unsigned worker)
{
    return placement->cpus[worker % (unsigned)placement->cpu_count];
}

int placement_bind(const struct placement *placement, unsigned worker)
{
    cpu_set_t set;

    if (!placement->is_pinned)
        return 0;
    CPU_ZERO(&set);
    CPU_SET((unsigned)placement_cpu(placement, worker), &set);
    return sched_setaffinity(0, sizeof(set), &set) == 0;
}

void placement_describe(const struct placement *placement, char *text, int size)
{
    int used;

    if (!placement->is_pinned) {
        snprintf(text, (size_t)size, "left to the kernel");
        return;
    }
    used = placement->pool_node == TOPOLOGY_UNKNOWN ? snprintf(text, (size_t)size, "pool on an unknown node; CPUs ")
                                                    : snprintf(text, (size_t)size, "pool on node %d; CPUs ", placement->pool_node);
    for (int i = 0; i < placement->cpu_count && used < size;) {
        int last = i;

        while (last + 1 < placement->cpu_count && placement->cpus[last + 1] == placement->cpus[last] + 1)
            last++;
        used += last > i ? snprintf(text + used, (size_t)(size - used), "%s%d-%d", i > 0 ? "," : "", placement->cpus[i], placement->cpus[last])
                         : snprintf(text + used, (size_t)(size - used), "%s%d", i > 0 ? "," : "", placement->cpus[i]);
        i = last + 1;
    }
}
