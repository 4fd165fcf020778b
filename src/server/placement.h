/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * placement.h - which CPU each worker runs on
 *
 * A pool's shards lie where its file lies: on one node. So workers take the CPUs of that node first, then those of the nodes
 * nearest to it; on each node one thread of every core before the second ones. A node without CPUs (persistent memory or CXL
 * memory that is a node of its own) is served from the nearest that has some.
 */
#ifndef SDB_SERVER_PLACEMENT_H
#define SDB_SERVER_PLACEMENT_H

#include "topology.h"

/*
 * The CPUs' indexes in topology->cpus, the best first, to order[0 .. cpu_count). pool_node: an index, or TOPOLOGY_UNKNOWN, which
 * leaves the nodes in their order.
 */
void placement_order(const struct topology *topology, int pool_node, int order[TOPOLOGY_CPUS_MAX]);

/* What the server does. Immutable after placement_prepare. */
struct placement {
    int is_pinned;      /* workers are bound to CPUs */
    int pool_node;      /* the kernel's number, or TOPOLOGY_UNKNOWN */
    int node_count;
    int cpu_count;
    int cpus[TOPOLOGY_CPUS_MAX]; /* the kernel's numbers, in the order in which workers take them; more workers begin anew */
};

/* always: pinned on a machine with one node, too; such a machine gains nothing by it and is left to the kernel otherwise. */
void placement_prepare(struct placement *placement, const struct topology *topology, int pool_node, int always);

/* The CPU of a worker. */
int placement_cpu(const struct placement *placement, unsigned worker);

/*
 * Binds the calling thread to its worker's CPU where that is wanted, before it allocates: what it touches first is near to it then.
 * A kernel that refuses leaves the thread where it is. Returns 1 where it is bound.
 */
int placement_bind(const struct placement *placement, unsigned worker);

/* "node 1: 4-7,0-3" as far as it fits: the order of the CPUs, for the log and INFO. */
void placement_describe(const struct placement *placement, char *text, int size);

#endif
