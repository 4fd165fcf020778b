/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * topology.h - the machine's NUMA nodes and the CPUs that this process may use, and the node that a file's memory is on
 */
#ifndef SDB_SERVER_TOPOLOGY_H
#define SDB_SERVER_TOPOLOGY_H

#define TOPOLOGY_NODES_MAX 64
#define TOPOLOGY_CPUS_MAX 1024
#define TOPOLOGY_UNKNOWN (-1) /* a node: nobody says which */

struct topology_cpu {
    int number;  /* the kernel's */
    int node;    /* index in nodes */
    int sibling; /* 0: the first thread of its core, 1: another */
};

struct topology_node {
    int number;                       /* the kernel's; a node may have no CPUs (persistent memory, CXL) */
    int distances[TOPOLOGY_NODES_MAX]; /* by index: 10 to itself, more to those further away */
};

struct topology {
    int node_count;
    int cpu_count;
    struct topology_node nodes[TOPOLOGY_NODES_MAX];
    struct topology_cpu cpus[TOPOLOGY_CPUS_MAX]; /* by their numbers */
};

/* Asks the kernel (libnuma, sched_getaffinity). Without NUMA there is one node with every CPU. */
void topology_read(struct topology *topology);

/* The index of a node by its number, TOPOLOGY_UNKNOWN where there is none. */
int topology_find_node(const struct topology *topology, int number);

/*
 * The number of the node that a file's pages are on: of the block device that holds it, as `system` ("/sys") says, else, as on
 * tmpfs, of its first page. TOPOLOGY_UNKNOWN where neither is told.
 */
int topology_node_of_file(const char *path, const char *system);

#endif
