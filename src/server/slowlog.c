/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * slowlog.c - a list of slow commands, newest first
 */
#include "slowlog.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "config.h"
#include "lock.h"

#define ARGS_MAX 32
#define ARG_SIZE_MAX 128

struct slow_command {
    struct slow_command *older, *newer;
    int64_t id;
    int64_t time_s;
    int64_t duration_us;
    int argc;
    uint32_t sizes[ARGS_MAX];
    char address[80];
    char *name;  /* into text */
    char text[]; /* the arguments, one behind the other, and the client's name with its NUL */
};

static struct lock list_lock = LOCK_INIT;
static struct slow_command *newest, *oldest; /* Under list_lock, as all below. */
static size_t length;
static int64_t next_id;

/* What is shown of an argument: at most ARG_SIZE_MAX bytes of it, then how many more there were. */
static size_t shown_size(const struct request_arg *arg, char note[48])
{
    note[0] = '\0';
    if (arg->size <= ARG_SIZE_MAX)
        return arg->size;
    (void)snprintf(note, 48, "... (%zu more bytes)", arg->size - ARG_SIZE_MAX);
    return ARG_SIZE_MAX;
}

/* The argument at a position of the entry; the last one stands for all that do not fit. */
static size_t copy_arg(char *to, const struct request_arg *argv, int argc, int position, int secret)
{
    static const char redacted[] = "(redacted)";
    char note[64];
    size_t size;

    if (argc > ARGS_MAX && position == ARGS_MAX - 1) {
        int written = snprintf(note, sizeof(note), "... (%d more arguments)", argc - ARGS_MAX + 1);
        memcpy(to, note, (size_t)written);
        return (size_t)written;
    }
    if (secret != 0 && position >= secret) {
        memcpy(to, redacted, sizeof(redacted) - 1);
        return sizeof(redacted) - 1;
    }
    size = shown_size(&argv[position], note);
    memcpy(to, argv[position].data, size);
    memcpy(to + size, note, strlen(note));
    return size + strlen(note);
}

static void drop_oldest(void)
{
    struct slow_command *entry = oldest;

    oldest = entry->newer;
    if (oldest != NULL)
        oldest->older = NULL;
    else
        newest = NULL;
    length--;
    free(entry);
}

void slowlog_trim(void)
{
    int64_t max = CONFIG_READ(slowlog_max_len);

    lock_acquire(&list_lock);
    while (oldest != NULL && (int64_t)length > max)
        drop_oldest();
    lock_release(&list_lock);
}

void slowlog_add(const struct request_arg *argv, int argc, int secret, int64_t duration_us, const char *address,
                 const char *name)
{
    size_t name_size = name != NULL ? strlen(name) : 0, at = 0;
    struct slow_command *entry = malloc(sizeof(*entry) + ARGS_MAX * (ARG_SIZE_MAX + 64) + name_size + 1);
    struct slow_command *fitted;

    if (entry == NULL)
        return;
    entry->argc = argc < ARGS_MAX ? argc : ARGS_MAX;
    for (int i = 0; i < entry->argc; i++) {
        entry->sizes[i] = (uint32_t)copy_arg(entry->text + at, argv, argc, i, secret);
        at += entry->sizes[i];
    }
    fitted = realloc(entry, sizeof(*entry) + at + name_size + 1);
    if (fitted != NULL)
        entry = fitted;
    entry->name = entry->text + at;
    if (name_size != 0)
        memcpy(entry->name, name, name_size);
    entry->name[name_size] = '\0';
    (void)snprintf(entry->address, sizeof(entry->address), "%s", address);
    entry->time_s = clock_ms() / 1000;
    entry->duration_us = duration_us;

    lock_acquire(&list_lock);
    entry->id = next_id++;
    entry->newer = NULL;
    entry->older = newest;
    if (newest != NULL)
        newest->newer = entry;
    else
        oldest = entry;
    newest = entry;
    length++;
    lock_release(&list_lock);
    slowlog_trim();
}

size_t slowlog_length(void)
{
    size_t result;

    lock_acquire(&list_lock);
    result = length;
    lock_release(&list_lock);
    return result;
}

void slowlog_clear(void)
{
    lock_acquire(&list_lock);
    while (length > 0)
        drop_oldest();
    lock_release(&list_lock);
}

static void reply_entry(struct reply *reply, const struct slow_command *entry)
{
    size_t at = 0;

    reply_array(reply, 6);
    reply_integer(reply, entry->id);
    reply_integer(reply, entry->time_s);
    reply_integer(reply, entry->duration_us);
    reply_array(reply, (size_t)entry->argc);
    for (int i = 0; i < entry->argc; i++) {
        reply_bulk(reply, entry->text + at, entry->sizes[i]);
        at += entry->sizes[i];
    }
    reply_bulk_text(reply, entry->address);
    reply_bulk_text(reply, entry->name);
}

void slowlog_reply(struct reply *reply, int64_t count)
{
    lock_acquire(&list_lock);
    if (count < 0 || count > (int64_t)length)
        count = (int64_t)length;
    reply_array(reply, (size_t)count);
    for (const struct slow_command *entry = newest; entry != NULL && count > 0; entry = entry->older, count--)
        reply_entry(reply, entry);
    lock_release(&list_lock);
}
