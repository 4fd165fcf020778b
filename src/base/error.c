/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * error.c - one text buffer for each thread
 */
#include "error.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static _Thread_local char text[ERROR_TEXT_SIZE];

void error_set(const char *format, ...)
{
    /*
     * Through a second buffer: "while opening: %s" with error_text() as its argument is a common way to add to the
     * story.
     */
    char fresh[ERROR_TEXT_SIZE];
    const int saved = errno;
    va_list arguments;

    va_start(arguments, format);
    int size = vsnprintf(fresh, sizeof(fresh), format, arguments);
    va_end(arguments);
    if (size < 0)
        fresh[0] = '\0';
    memcpy(text, fresh, strlen(fresh) + 1);
    errno = saved;
}

const char *error_text(void)
{
    return text;
}

void error_clear(void)
{
    text[0] = '\0';
}
