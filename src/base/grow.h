/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * grow.h - arrays that double
 *
 *     if (!grow(&list->items, &list->capacity, list->count + 1, sizeof(*list->items)))
 *         return SDB_ENOMEM;
 *     list->items[list->count++] = item;
 */
#ifndef SDB_BASE_GROW_H
#define SDB_BASE_GROW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#define GROW_MIN 16u

/*
 * Room for `needed` items, and memory even where that is none. array: where the pointer to the items is. False: there was no memory, and
 * nothing has changed.
 */
static inline bool grow(void *array, size_t *capacity, size_t needed, size_t item_size)
{
    size_t more = *capacity < GROW_MIN / 2 ? GROW_MIN : *capacity * 2;
    void *items, *grown;

    if (needed <= *capacity && *capacity != 0)
        return true;
    if (more < needed)
        more = needed;
    memcpy(&items, array, sizeof(items));
    grown = realloc(items, more * item_size);
    if (grown == NULL)
        return false;
    memcpy(array, &grown, sizeof(grown));
    *capacity = more;
    /* cppcheck-suppress memleak */ /* the array's owner has it now */
    return true;
}

#endif
