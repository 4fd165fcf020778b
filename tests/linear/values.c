/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * values.c - the names of keys, the elements that values are made of, and what is noted of a value that was read
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "workload.h"

/* Every third name stands outside its entry. */
struct sdb_slice name_of(unsigned group, unsigned key)
{
    static char names[GROUPS][KEYS_MAX][64];
    char *name = names[group][key];

    if (name[0] == 0) /* filled in before the threads begin */
        (void)snprintf(name, sizeof(names[0][0]), "%u:%u%s", group, key,
                       (group + key) % 3 == 2 ? " with a name that does not fit" : "");
    return (struct sdb_slice){name, strlen(name)};
}

unsigned keys_of(unsigned group)
{
    if (group >= COLLECTIONS)
        return collection_keys(group);
    return group == WIDE ? KEYS_MAX : group == DATABASES ? DATABASE_KEYS : group >= SINGLES + COUNTERS ? FAMILY_KEYS : 1;
}

int is_counter(unsigned group)
{
    return group == WIDE || (group >= SINGLES && group < SINGLES + COUNTERS);
}

static size_t element_size(uint64_t tag)
{
    static const uint16_t sizes[] = {8, 8, 16, 24, 64, 300, 2000};

    return sizes[tag % 7];
}

size_t make_element(uint64_t tag, char *data)
{
    const size_t size = element_size(tag);

    memcpy(data, &tag, 8);
    for (size_t i = 8; i < size; i++)
        data[i] = (char)(tag * 0x9e3779b97f4a7c15u >> (i % 50)) ^ (char)i;
    return size;
}

uint64_t mix(uint64_t digest, uint64_t word)
{
    return (digest ^ word) * 0x100000001b3u;
}

#define DIGEST_LIST 0xcbf29ce484222325u
#define DIGEST_COUNTER 0x84222325cbf29ce4u

uint64_t tag_of(unsigned group, const char *data, size_t size, size_t *whole)
{
    char element[ELEMENT_SIZE_MAX];
    uint64_t tag = 0;

    if (size >= 8)
        memcpy(&tag, data, 8);
    if (size < 8 || make_element(tag, element) > size || memcmp(element, data, element_size(tag)) != 0) {
        (void)fprintf(stderr, "group %u: bytes that nobody wrote, %zu of them\n", group, size);
        _exit(7);
    }
    *whole = element_size(tag);
    return tag;
}

uint64_t digest_of(unsigned group, const char *data, size_t size)
{
    uint64_t digest = DIGEST_LIST;

    if (is_counter(group)) {
        char text[24] = "";

        memcpy(text, data, size < sizeof(text) ? size : sizeof(text) - 1);
        return mix(DIGEST_COUNTER, (uint64_t)strtoll(text, NULL, 10));
    }
    for (size_t position = 0, step = 0; position < size; position += step)
        digest = mix(digest, tag_of(group, data + position, size - position, &step));
    return digest;
}
