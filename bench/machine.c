/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * machine.c - reads /proc and /sys
 */
#include "machine.h"

#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <time.h>
#include <unistd.h>

static unsigned long long steal_before;
static unsigned long long total_before;

/* The first line's time counters of /proc/stat: all of them summed, and those that the hypervisor gave to others. */
static void read_cpu_time(unsigned long long *total, unsigned long long *steal)
{
    unsigned long long field[8] = {0};
    FILE *file = fopen("/proc/stat", "r");

    *total = 0;
    *steal = 0;
    if (!file)
        return;
    if (fscanf(file, "cpu %llu %llu %llu %llu %llu %llu %llu %llu", &field[0], &field[1], &field[2], &field[3],
               &field[4], &field[5], &field[6], &field[7]) == 8) {
        for (int i = 0; i < 8; i++)
            *total += field[i];
        *steal = field[7];
    }
    fclose(file);
}

void machine_begin(void)
{
    read_cpu_time(&total_before, &steal_before);
}

/* The text after the colon in the file's first line that begins with label, or "unknown". */
static void read_labelled(const char *path, const char *label, char *out, size_t size)
{
    char line[4096];
    FILE *file = fopen(path, "r");

    snprintf(out, size, "unknown");
    if (!file)
        return;
    while (fgets(line, sizeof line, file)) {
        char *value = strchr(line, ':');

        if (strncmp(line, label, strlen(label)) != 0 || !value)
            continue;
        value += 1 + strspn(value + 1, " \t");
        value[strcspn(value, "\n")] = 0;
        snprintf(out, size, "%s", value);
        break;
    }
    fclose(file);
}

static void read_first_line(const char *path, char *out, size_t size)
{
    FILE *file = fopen(path, "r");

    snprintf(out, size, "unknown");
    if (!file)
        return;
    if (fgets(out, (int)size, file))
        out[strcspn(out, "\n")] = 0;
    fclose(file);
}

void machine_describe(struct json *json)
{
    struct utsname name;
    char text[512];
    unsigned long long total;
    unsigned long long steal;

    json_object(json, "machine");
    read_labelled("/proc/cpuinfo", "model name", text, sizeof text);
    json_text(json, "cpu", text);
    json_integer(json, "cpus", (uint64_t)sysconf(_SC_NPROCESSORS_ONLN));
    if (!uname(&name)) {
        json_text(json, "kernel", name.release);
        json_text(json, "architecture", name.machine);
    }
    read_labelled("/proc/meminfo", "MemTotal", text, sizeof text);
    json_text(json, "memory", text);
    read_first_line("/sys/kernel/mm/transparent_hugepage/enabled", text, sizeof text);
    json_text(json, "huge_pages", text);
    read_first_line("/sys/kernel/mm/transparent_hugepage/shmem_enabled", text, sizeof text);
    json_text(json, "huge_pages_shmem", text);
    read_first_line("/proc/loadavg", text, sizeof text);
    json_text(json, "load_average", text);
    read_cpu_time(&total, &steal);
    if (total > total_before)
        json_number(json, "stolen_percent",
                    100.0 * (double)(steal - steal_before) / (double)(total - total_before));
    json_object_end(json);
}

void machine_describe_run(struct json *json, const char *mode, int argc, char **argv)
{
    char text[64];
    time_t now = time(NULL);
    struct tm utc;

    json_text(json, "mode", mode);
    gmtime_r(&now, &utc);
    strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%SZ", &utc);
    json_text(json, "time", text);
    json_array(json, "command");
    for (int i = 0; i < argc; i++)
        json_text(json, NULL, argv[i]);
    json_array_end(json);
}
