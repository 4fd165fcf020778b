/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * topology.c - libnuma and sysfs
 */
#include "topology.h"

#include <limits.h>
#include <numa.h>
#include <numaif.h>
#include <sched.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#define PAGE 4096u

/* The number that a file holds in its first line, or `missing`. */
static int read_number(const char *path, int missing)
{
    FILE *file = fopen(path, "re");
    int number;

    if (file == NULL)
        return missing;
    if (fscanf(file, "%d", &number) != 1)
        number = missing;
    fclose(file);
    return number;
}

/* 1 for a core's threads behind its first: the kernel lists them in order, "0,64" or "0-1". */
static int sibling_of(int cpu)
{
    char path[128];

    snprintf(path, sizeof(path), "/sys/devices/system/cpu/cpu%d/topology/thread_siblings_list", cpu);
    return read_number(path, cpu) < cpu;
}

static void read_nodes(struct topology *topology)
{
    for (int number = 0; number <= numa_max_node() && topology->node_count < TOPOLOGY_NODES_MAX; number++) {
        if (numa_bitmask_isbitset(numa_all_nodes_ptr, (unsigned)number) || numa_node_size64(number, NULL) > 0)
            topology->nodes[topology->node_count++].number = number;
    }
    for (int i = 0; i < topology->node_count; i++) {
        for (int j = 0; j < topology->node_count; j++)
            topology->nodes[i].distances[j] = numa_distance(topology->nodes[i].number, topology->nodes[j].number);
    }
}

void topology_read(struct topology *topology)
{
    int has_numa = numa_available() != -1;
    cpu_set_t allowed;

    memset(topology, 0, sizeof(*topology));
    if (has_numa)
        read_nodes(topology);
    if (topology->node_count == 0) {
        topology->node_count = 1;
        topology->nodes[0].distances[0] = 10;
    }
    if (sched_getaffinity(0, sizeof(allowed), &allowed) != 0)
        return;
    for (int cpu = 0; cpu < TOPOLOGY_CPUS_MAX && cpu < CPU_SETSIZE; cpu++) {
        int node = has_numa ? topology_find_node(topology, numa_node_of_cpu(cpu)) : 0;

        if (CPU_ISSET((unsigned)cpu, &allowed))
            topology->cpus[topology->cpu_count++] = (struct topology_cpu){cpu, node < 0 ? 0 : node, sibling_of(cpu)};
    }
}

int topology_find_node(const struct topology *topology, int number)
{
    for (int i = 0; i < topology->node_count; i++) {
        if (topology->nodes[i].number == number)
            return i;
    }
    return TOPOLOGY_UNKNOWN;
}

/* A partition has its device in the directory above. */
static int node_of_device(dev_t device, const char *system)
{
    static const char *const places[] = {"device/numa_node", "../device/numa_node"};
    char path[512];

    for (size_t i = 0; i < sizeof(places) / sizeof(places[0]); i++) {
        int node;

        snprintf(path, sizeof(path), "%s/dev/block/%u:%u/%s", system, major(device), minor(device), places[i]);
        node = read_number(path, TOPOLOGY_UNKNOWN);
        if (node >= 0)
            return node;
    }
    return TOPOLOGY_UNKNOWN;
}

/* Where the file's beginning is mapped in this process. NULL: nowhere. */
static void *mapped_beginning(const struct stat *status)
{
    FILE *maps = fopen("/proc/self/maps", "re");
    char line[PATH_MAX + 128];
    void *found = NULL;

    if (maps == NULL)
        return NULL;
    while (found == NULL && fgets(line, sizeof(line), maps) != NULL) {
        unsigned long start, offset, inode;
        unsigned major_number, minor_number;

        if (sscanf(line, "%lx-%*x %*s %lx %x:%x %lu", &start, &offset, &major_number, &minor_number, &inode) == 5 && offset == 0 &&
            makedev(major_number, minor_number) == status->st_dev && inode == status->st_ino)
            found = (void *)start;
    }
    (void)fclose(maps);
    return found;
}

static int node_of_page(const volatile char *page)
{
    int node = TOPOLOGY_UNKNOWN;

    (void)page[0]; /* it has no node before it is there */
    if (get_mempolicy(&node, NULL, 0, (void *)(uintptr_t)page, MPOL_F_NODE | MPOL_F_ADDR) != 0)
        return TOPOLOGY_UNKNOWN;
    return node;
}

/* The file is not opened: to close it again would give up every lock of this process on it, that of the open pool among them. */
int topology_node_of_file(const char *path, const char *system)
{
    int node = TOPOLOGY_UNKNOWN;
    struct stat status;
    void *page;

    if (stat(path, &status) != 0 || status.st_size < (off_t)PAGE)
        return TOPOLOGY_UNKNOWN;
    node = node_of_device(status.st_dev, system);
    if (node == TOPOLOGY_UNKNOWN && (page = mapped_beginning(&status)) != NULL)
        node = node_of_page(page);
    return node;
}
