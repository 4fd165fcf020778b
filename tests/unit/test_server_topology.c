/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_server_topology.c - the node of a pool's file, as sysfs tells it (a made-up one here), or its pages
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "topology.h"

static char directory[64], pool[96], device[160];

static void run(const char *format, const char *argument)
{
    char command[512];

    snprintf(command, sizeof(command), format, argument);
    assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c): a test's own directory */
}

static int setup(void **state)
{
    struct stat status;
    FILE *file;

    (void)state;
    snprintf(directory, sizeof(directory), "/dev/shm/superdb-topology-XXXXXX");
    if (mkdtemp(directory) == NULL)
        return -1;
    snprintf(pool, sizeof(pool), "%s/pool", directory);
    file = fopen(pool, "w");
    if (file == NULL || ftruncate(fileno(file), 8192) != 0 || fclose(file) != 0 || stat(pool, &status) != 0)
        return -1;
    snprintf(device, sizeof(device), "%s/dev/block/%u:%u", directory, major(status.st_dev), minor(status.st_dev));
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    run("rm -rf %s", directory);
    return 0;
}

static void the_device_tells_its_node(void **state)
{
    (void)state;
    run("mkdir -p %s/device", device);
    run("echo 3 >%s/device/numa_node", device);
    assert_int_equal(topology_node_of_file(pool, directory), 3);
}

static void a_partition_has_the_node_of_its_disk(void **state)
{
    char partition[200];

    (void)state;
    run("mkdir -p %s/disk/part", directory);
    run("mkdir -p %s/dev/block", directory);
    run("mkdir -p %s/disk/device", directory);
    run("echo 1 >%s/disk/device/numa_node", directory);
    snprintf(partition, sizeof(partition), "%s/disk/part", directory);
    assert_int_equal(symlink(partition, device), 0);
    assert_int_equal(topology_node_of_file(pool, directory), 1);
}

static void *map_pool(void)
{
    int fd = open(pool, O_RDONLY | O_CLOEXEC);
    void *mapped = mmap(NULL, 4096, PROT_READ, MAP_SHARED, fd, 0);

    assert_true(mapped != MAP_FAILED);
    close(fd);
    return mapped;
}

/* tmpfs has no device, and a device that does not know says -1: then the pages are asked, on this machine's own nodes. */
static void without_a_device_the_first_page_is_asked(void **state)
{
    static struct topology machine;
    void *mapped = map_pool();
    int node = topology_node_of_file(pool, directory);

    (void)state;
    topology_read(&machine);
    assert_true(machine.node_count >= 1);
    assert_true(node == TOPOLOGY_UNKNOWN || topology_find_node(&machine, node) >= 0);
    if (access("/sys/devices/system/node/node0", F_OK) == 0)
        assert_int_not_equal(node, TOPOLOGY_UNKNOWN);
    run("mkdir -p %s/device", device);
    run("echo -1 >%s/device/numa_node", device);
    assert_int_equal(topology_node_of_file(pool, directory), node);
    assert_int_equal(munmap(mapped, 4096), 0);
    assert_int_equal(topology_node_of_file(pool, directory), TOPOLOGY_UNKNOWN);
}

/* Whoever opens and closes a file gives up every lock that its process has on it. */
static void the_lock_that_names_the_pool_s_owner_is_kept(void **state)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = 1, .l_len = 1};
    int fd = open(pool, O_RDWR | O_CLOEXEC), status;
    void *mapped = map_pool();
    pid_t child;

    (void)state;
    assert_true(fd >= 0);
    assert_int_equal(fcntl(fd, F_SETLK, &lock), 0);
    (void)topology_node_of_file(pool, directory);
    child = fork();
    if (child == 0)
        _exit(fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type == F_WRLCK ? 0 : 1);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_int_equal(munmap(mapped, 4096), 0);
    close(fd);
}

static void a_file_that_is_not_there_or_empty_has_no_node(void **state)
{
    (void)state;
    run("mkdir -p %s/device", device);
    run("echo 3 >%s/device/numa_node", device);
    assert_int_equal(truncate(pool, 0), 0);
    assert_int_equal(topology_node_of_file(pool, directory), TOPOLOGY_UNKNOWN);
    assert_int_equal(unlink(pool), 0);
    assert_int_equal(topology_node_of_file(pool, directory), TOPOLOGY_UNKNOWN);
}

static void every_cpu_is_on_a_node_that_is_there(void **state)
{
    static struct topology machine;

    (void)state;
    topology_read(&machine);
    assert_true(machine.cpu_count >= 1);
    for (int i = 0; i < machine.cpu_count; i++) {
        assert_in_range(machine.cpus[i].node, 0, machine.node_count - 1);
        assert_true(i == 0 || machine.cpus[i].number > machine.cpus[i - 1].number);
    }
    for (int i = 0; i < machine.node_count; i++)
        assert_int_equal(machine.nodes[i].distances[i], 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(the_device_tells_its_node, setup, teardown),
        cmocka_unit_test_setup_teardown(a_partition_has_the_node_of_its_disk, setup, teardown),
        cmocka_unit_test_setup_teardown(without_a_device_the_first_page_is_asked, setup, teardown),
        cmocka_unit_test_setup_teardown(the_lock_that_names_the_pool_s_owner_is_kept, setup, teardown),
        cmocka_unit_test_setup_teardown(a_file_that_is_not_there_or_empty_has_no_node, setup, teardown),
        cmocka_unit_test(every_cpu_is_on_a_node_that_is_there),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
