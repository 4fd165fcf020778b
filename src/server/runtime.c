/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * runtime.c - the facts that can be had without the workers
 */
#include "runtime.h"

#include <stdio.h>
#include <sys/random.h>
#include <unistd.h>

#include "clock.h"

struct runtime runtime;

int runtime_init(void)
{
    unsigned char random[20];
    ssize_t size;

    if (getrandom(random, sizeof(random), 0) != (ssize_t)sizeof(random))
        return -1;
    for (size_t i = 0; i < sizeof(random); i++)
        (void)snprintf(runtime.run_id + 2 * i, 3, "%02x", random[i]);
    size = readlink("/proc/self/exe", runtime.executable, sizeof(runtime.executable) - 1);
    runtime.executable[size > 0 ? size : 0] = '\0';
    runtime.started_ms = clock_ms();
    return 0;
}
