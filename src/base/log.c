/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * log.c - lines to a file or to standard output
 */
#include "log.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

#define LINE_SIZE_MAX 1024

static const char level_marks[] = {'.', '-', '*', '#', '#'};

static char file_path[PATH_MAX];                      /* empty: standard output. Immutable once threads run. */
static enum log_level least_level = LOG_LEVEL_NOTICE; /* Atomic, relaxed: a message more or less does not matter. */

static int open_file(const char *path)
{
    return open(path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC, 0644);
}

int log_open(const char *path)
{
    if (path == NULL || path[0] == '\0') {
        file_path[0] = '\0';
        return 0;
    }
    if (strlen(path) >= sizeof(file_path))
        return ENAMETOOLONG;
    int file = open_file(path);
    if (file < 0)
        return errno;
    (void)close(file);
    memcpy(file_path, path, strlen(path) + 1);
    return 0;
}

void log_set_level(enum log_level level)
{
    __atomic_store_n(&least_level, level, __ATOMIC_RELAXED);
}

enum log_level log_get_level(void)
{
    return __atomic_load_n(&least_level, __ATOMIC_RELAXED);
}

/* "4711:M 23 Nov 2026 02:51:04.123 * " */
static size_t write_prefix(char *line, size_t size, enum log_level level)
{
    struct timeval now;
    struct tm parts;
    char when[64] = "";

    gettimeofday(&now, NULL);
    if (localtime_r(&now.tv_sec, &parts) != NULL)
        (void)strftime(when, sizeof(when), "%d %b %Y %H:%M:%S", &parts);
    int length =
        snprintf(line, size, "%d:M %s.%03d %c ", (int)getpid(), when, (int)(now.tv_usec / 1000), level_marks[level]);
    return length < 0 ? 0 : (size_t)length;
}

static void write_line(const char *line, size_t size)
{
    int file = file_path[0] != '\0' ? open_file(file_path) : STDOUT_FILENO;

    if (file < 0)
        file = STDERR_FILENO; /* the log's directory is gone or the disk is full: better there than nowhere */
    while (size > 0) {
        ssize_t written = write(file, line, size);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            break;
        line += written;
        size -= (size_t)written;
    }
    if (file > STDERR_FILENO)
        (void)close(file);
}

void log_message(enum log_level level, const char *format, ...)
{
    char line[LINE_SIZE_MAX + 1];
    const int saved = errno;
    va_list arguments;

    if (level < log_get_level() || (unsigned)level >= LOG_LEVEL_NOTHING)
        return;
    size_t prefix = write_prefix(line, LINE_SIZE_MAX, level);
    errno = saved; /* for %m */
    va_start(arguments, format);
    int length = vsnprintf(line + prefix, LINE_SIZE_MAX - prefix, format, arguments);
    va_end(arguments);
    if (length >= 0) {
        size_t size = prefix + (size_t)length;
        if (size > LINE_SIZE_MAX - 1)
            size = LINE_SIZE_MAX - 1;
        for (size_t i = prefix; i < size; i++)
            if ((unsigned char)line[i] < ' ' || line[i] == 127)
                line[i] = ' ';
        line[size++] = '\n';
        write_line(line, size);
    }
    errno = saved;
}
