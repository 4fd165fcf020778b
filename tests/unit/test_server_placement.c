/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_server_placement.c - workers take the CPUs near their pool first, on machines of every shape that are made up here
 */
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "placement.h"

static struct topology machine;
static struct placement placement;

/* nodes of `cpus` CPUs each, numbered through; the second half of a node's CPUs are the second threads of its cores. */
static void make_machine(int nodes, int cpus, int threads_a_core)
{
    memset(&machine, 0, sizeof(machine));
    memset(&placement, 0, sizeof(placement));
    machine.node_count = nodes;
    for (int i = 0; i < nodes; i++) {
        machine.nodes[i].number = i;
        for (int j = 0; j < nodes; j++)
            machine.nodes[i].distances[j] = i == j ? 10 : 21;
        for (int j = 0; j < cpus; j++)
            machine.cpus[machine.cpu_count++] = (struct topology_cpu){i * cpus + j, i, j * threads_a_core / cpus};
    }
}

static void expect_cpus(const char *expected)
{
    char text[256] = "";

    for (int i = 0; i < machine.cpu_count; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%d", i > 0 ? " " : "", placement_cpu(&placement, (unsigned)i));
    assert_string_equal(text, expected);
}

static void the_pools_node_comes_first(void **state)
{
    (void)state;
    make_machine(2, 4, 1);
    placement_prepare(&placement, &machine, 0, 0);
    expect_cpus("0 1 2 3 4 5 6 7");
    placement_prepare(&placement, &machine, 1, 0);
    assert_int_equal(placement.pool_node, 1);
    expect_cpus("4 5 6 7 0 1 2 3");
}

static void nearer_nodes_come_before_further_ones(void **state)
{
    /* A ring of four: the opposite node is two steps away. */
    static const int ring[4][4] = {{10, 21, 31, 21}, {21, 10, 21, 31}, {31, 21, 10, 21}, {21, 31, 21, 10}};

    (void)state;
    make_machine(4, 2, 1);
    for (int i = 0; i < 4; i++) {
        for (int j = 0; j < 4; j++)
            machine.nodes[i].distances[j] = ring[i][j];
    }
    placement_prepare(&placement, &machine, 2, 0);
    expect_cpus("4 5 2 3 6 7 0 1");
}

static void every_core_of_a_node_is_used_before_a_second_thread(void **state)
{
    (void)state;
    make_machine(2, 4, 2);
    placement_prepare(&placement, &machine, 1, 0);
    expect_cpus("4 5 6 7 0 1 2 3");
    /* Siblings numbered 0+1, 2+3, as on some machines. */
    for (int i = 0; i < machine.cpu_count; i++)
        machine.cpus[i].sibling = machine.cpus[i].number % 2;
    placement_prepare(&placement, &machine, 1, 0);
    expect_cpus("4 6 5 7 0 2 1 3");
}

static void a_node_of_memory_alone_is_served_from_the_nearest_cpus(void **state)
{
    (void)state;
    make_machine(2, 2, 1);
    machine.nodes[2].number = 4; /* persistent memory behind node 1, as the kernel numbers it */
    machine.nodes[2].distances[0] = 28;
    machine.nodes[2].distances[1] = 17;
    machine.nodes[2].distances[2] = 10;
    machine.node_count = 3;
    assert_int_equal(topology_find_node(&machine, 4), 2);
    assert_int_equal(topology_find_node(&machine, 2), TOPOLOGY_UNKNOWN);
    placement_prepare(&placement, &machine, 2, 0);
    assert_int_equal(placement.pool_node, 4);
    expect_cpus("2 3 0 1");
}

static void only_cpus_that_the_process_may_use_are_taken(void **state)
{
    (void)state;
    make_machine(2, 4, 1);
    machine.cpu_count = 2;
    machine.cpus[0] = (struct topology_cpu){3, 0, 0};
    machine.cpus[1] = (struct topology_cpu){6, 1, 0};
    placement_prepare(&placement, &machine, 1, 0);
    expect_cpus("6 3");
}

static void more_workers_than_cpus_begin_anew(void **state)
{
    (void)state;
    make_machine(2, 2, 1);
    placement_prepare(&placement, &machine, 1, 0);
    assert_int_equal(placement_cpu(&placement, 4), 2);
    assert_int_equal(placement_cpu(&placement, 7), 1);
}

static void an_unknown_node_leaves_the_kernels_order(void **state)
{
    (void)state;
    make_machine(2, 2, 1);
    placement_prepare(&placement, &machine, TOPOLOGY_UNKNOWN, 0);
    assert_int_equal(placement.pool_node, TOPOLOGY_UNKNOWN);
    expect_cpus("0 1 2 3");
}

static void a_machine_with_one_node_is_left_to_the_kernel_unless_asked(void **state)
{
    cpu_set_t before, after;

    (void)state;
    make_machine(1, 2, 1);
    placement_prepare(&placement, &machine, 0, 0);
    assert_false(placement.is_pinned);
    assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
    assert_int_equal(placement_bind(&placement, 1), 0);
    assert_int_equal(sched_getaffinity(0, sizeof(after), &after), 0);
    assert_true(CPU_EQUAL(&before, &after));
    placement_prepare(&placement, &machine, 0, 1);
    assert_true(placement.is_pinned);
}

static void a_machine_whose_cpus_are_not_told_is_left_to_the_kernel(void **state)
{
    (void)state;
    make_machine(2, 0, 1);
    placement_prepare(&placement, &machine, 1, 1);
    assert_int_equal(placement_bind(&placement, 0), 0);
}

static void a_bound_thread_may_use_its_cpu_alone(void **state)
{
    cpu_set_t before, after;

    (void)state;
    topology_read(&machine);
    assert_true(machine.cpu_count > 0);
    assert_int_equal(sched_getaffinity(0, sizeof(before), &before), 0);
    assert_int_equal(CPU_COUNT(&before), machine.cpu_count);
    placement_prepare(&placement, &machine, TOPOLOGY_UNKNOWN, 1);
    for (unsigned worker = 0; worker < (unsigned)machine.cpu_count; worker++) {
        assert_int_equal(placement_bind(&placement, worker), 1);
        assert_int_equal(sched_getaffinity(0, sizeof(after), &after), 0);
        assert_int_equal(CPU_COUNT(&after), 1);
        assert_true(CPU_ISSET((unsigned)placement_cpu(&placement, worker), &after));
    }
    assert_int_equal(sched_setaffinity(0, sizeof(before), &before), 0);
}

static void the_order_is_told_in_words(void **state)
{
    char text[64], small[8];

    (void)state;
    make_machine(2, 4, 1);
    placement_prepare(&placement, &machine, 1, 0);
    placement_describe(&placement, text, sizeof(text));
    assert_string_equal(text, "pool on node 1; CPUs 4-7,0-3");
    placement_describe(&placement, small, sizeof(small));
    assert_string_equal(small, "pool on");
    placement_prepare(&placement, &machine, TOPOLOGY_UNKNOWN, 0);
    placement_describe(&placement, text, sizeof(text));
    assert_string_equal(text, "pool on an unknown node; CPUs 0-7");
    make_machine(1, 4, 1);
    placement_prepare(&placement, &machine, 0, 0);
    placement_describe(&placement, text, sizeof(text));
    assert_string_equal(text, "left to the kernel");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_pools_node_comes_first),
        cmocka_unit_test(nearer_nodes_come_before_further_ones),
        cmocka_unit_test(every_core_of_a_node_is_used_before_a_second_thread),
        cmocka_unit_test(a_node_of_memory_alone_is_served_from_the_nearest_cpus),
        cmocka_unit_test(only_cpus_that_the_process_may_use_are_taken),
        cmocka_unit_test(more_workers_than_cpus_begin_anew),
        cmocka_unit_test(an_unknown_node_leaves_the_kernels_order),
        cmocka_unit_test(a_machine_with_one_node_is_left_to_the_kernel_unless_asked),
        cmocka_unit_test(a_machine_whose_cpus_are_not_told_is_left_to_the_kernel),
        cmocka_unit_test(a_bound_thread_may_use_its_cpu_alone),
        cmocka_unit_test(the_order_is_told_in_words),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
