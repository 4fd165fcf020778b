/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * timing.c - calibration of the tick counter, medians, and another process' CPU time
 */
#include "timing.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static double ns_per_tick = 1.0;

void ticks_calibrate(void)
{
    struct timespec pause = {0, 20000000};
    uint64_t clock = now_ns();
    uint64_t count = ticks();

    nanosleep(&pause, NULL);
    count = ticks() - count;
    clock = now_ns() - clock;
    ns_per_tick = count ? (double)clock / (double)count : 1.0;
}

uint64_t ticks_to_ns(uint64_t interval)
{
    return (uint64_t)((double)interval * ns_per_tick + 0.5);
}

static int compare_doubles(const void *left, const void *right)
{
    double a = *(const double *)left;
    double b = *(const double *)right;

    return (a > b) - (a < b);
}

double median(double *values, uint64_t count)
{
    if (!count)
        return 0;
    qsort(values, count, sizeof *values, compare_doubles);
    return count & 1 ? values[count / 2] : (values[count / 2 - 1] + values[count / 2]) / 2;
}

uint64_t process_cpu_ns(int pid)
{
    char path[64];
    char line[1024];
    unsigned long long user = 0;
    unsigned long long system = 0;
    char *after_name;
    FILE *file;

    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    file = fopen(path, "r");
    if (!file)
        return 0;
    if (!fgets(line, sizeof line, file))
        line[0] = 0;
    fclose(file);

    /* The name may hold blanks and parentheses: the fields are counted from the last one. */
    after_name = strrchr(line, ')');
    if (!after_name ||
        sscanf(after_name + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu", &user, &system) != 2)
        return 0;
    return (user + system) * 1000000000ull / (unsigned long long)sysconf(_SC_CLK_TCK);
}
