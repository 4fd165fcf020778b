/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stream_check.c - whether what a stream keeps next to its entries agrees with itself and with them
 * Media:   none: elements are shown to it
 * Holds:   1. What is pending is there twice, by id and by consumer; a consumer by name and by number. Both forms name the same, by
 *             sums of hashes, which only damage by design could make agree.
 *          2. Groups and consumers that records name are there.
 *          3. No entry is behind the last id.
 * Threads: one
 * Memory:  stream_record.h
 */
#include <stdlib.h>

#include "hash.h"
#include "stream_record.h"

static void note(struct stream_check *check, const char *problem)
{
    if (!check->problem)
        check->problem = problem;
}

/* ---- numbers ---- */

static int compare_numbers(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;

    for (unsigned i = 0; i < 2; i++)
        if (x[i] != y[i])
            return x[i] < y[i] ? -1 : 1;
    return 0;
}

static void add_number(struct stream_check *check, struct stream_numbers *numbers, uint64_t group, uint64_t consumer, uint64_t next)
{
    if (numbers->count == numbers->capacity) {
        const size_t capacity = numbers->capacity ? numbers->capacity * 2 : 16;
        uint64_t(*items)[3] = realloc(numbers->items, capacity * sizeof(*items));

        if (!items) {
            note(check, "stream: no memory to check its groups");
            return;
        }
        numbers->items = items;
        numbers->capacity = capacity;
    }
    numbers->items[numbers->count][0] = group;
    numbers->items[numbers->count][1] = consumer;
    numbers->items[numbers->count++][2] = next;
}

/* Where a group or consumer is: groups all come before what names them, and so do names. */
static const uint64_t *find_number(const struct stream_numbers *numbers, uint64_t group, uint64_t consumer)
{
    const uint64_t wanted[3] = {group, consumer, 0};

    return numbers->count ? bsearch(wanted, numbers->items, numbers->count, sizeof(*numbers->items), compare_numbers) : NULL;
}

static void sort_numbers(struct stream_check *check, struct stream_numbers *numbers)
{
    if (numbers->count)
        qsort(numbers->items, numbers->count, sizeof(*numbers->items), compare_numbers);
    for (size_t i = 1; i < numbers->count; i++)
        if (compare_numbers(numbers->items[i - 1], numbers->items[i]) == 0)
            note(check, "stream: two groups or consumers have one number");
}

/* ---- elements ---- */

void stream_check_entry(struct stream_check *check, const uint8_t *data, size_t size)
{
    uint64_t words[2];

    if (size < sizeof(words))
        return; /* its tree's order told */
    __builtin_memcpy(words, data, sizeof(words));
    check->last = (struct sdb_stream_id){words[0], words[1]};
    check->any = true;
}

static uint64_t sum_of(const struct stream_record *record, const struct sdb_slice *name)
{
    const uint64_t words[4] = {record->group, record->consumer, record->id.ms, record->id.sequence};
    const uint64_t seed = hash_key(0, words, sizeof(words));

    return name ? hash_key(seed, name->data, name->size) : seed;
}

static void check_group(struct stream_check *check, const struct stream_record *record)
{
    if (record->group >= check->next_group)
        note(check, "stream: a group has a number that was not given yet");
    if (record->read < -1)
        note(check, "stream: a group has read an impossible number of entries");
    add_number(check, &check->groups, record->group, 0, record->next);
}

static void check_consumer(struct stream_check *check, const struct stream_record *record)
{
    const uint64_t *group = find_number(&check->groups, record->group, 0);

    if (!group)
        note(check, "stream: a consumer belongs to no group");
    else if (record->consumer >= group[2])
        note(check, "stream: a consumer has a number that was not given yet");
}

void stream_check_record(struct stream_check *check, const uint8_t *data, size_t size)
{
    struct stream_record record;

    if (!stream_record_read(data, size, &record)) {
        note(check, "stream: a record makes no sense");
        return;
    }
    if (record.tag >= STREAM_TAG_CONSUMER && !check->sorted) { /* that was the last group */
        sort_numbers(check, &check->groups);
        check->sorted = true;
    }
    switch (record.tag) {
    case STREAM_TAG_STREAM:
        check->recorded = true;
        check->recorded_last = record.id;
        check->next_group = record.next;
        break;
    case STREAM_TAG_GROUP:
        check_group(check, &record);
        break;
    case STREAM_TAG_CONSUMER:
        check_consumer(check, &record);
        check->names[0] += sum_of(&record, &record.name);
        break;
    case STREAM_TAG_NAME:
        check_consumer(check, &record);
        check->names[1] += sum_of(&record, &record.name);
        add_number(check, &check->consumers, record.group, record.consumer, 0);
        break;
    default:
        if (!find_number(&check->consumers, record.group, record.consumer))
            note(check, "stream: what is pending belongs to no consumer");
        check->pending[record.tag == STREAM_TAG_OWNED] += sum_of(&record, NULL);
    }
}

const char *stream_check_end(struct stream_check *check, uint64_t user)
{
    const struct sdb_stream_id *last = user & STREAM_USER_RECORDED ? &check->recorded_last : &check->last;

    if (!check->sorted)
        sort_numbers(check, &check->groups);
    if (user & STREAM_USER_RECORDED && !check->recorded)
        note(check, "stream: its last id is missing");
    if (check->any && sdb_stream_id_compare(&check->last, last) > 0)
        note(check, "stream: its last id is before its last entry");
    if (check->names[0] != check->names[1])
        note(check, "stream: consumers by name and by number differ");
    if (check->pending[0] != check->pending[1])
        note(check, "stream: what is pending by id and by consumer differs");
    free(check->groups.items);
    free(check->consumers.items);
    return check->problem;
}
