/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * packed.c - small collections in one blob: reading and verifying
 * Media:   packed.h
 * Holds:   nothing outside of the given bytes is read, whatever they say
 * Threads: any
 * Memory:  none
 */
#include "packed.h"

#include "number.h"

bool packed_open(const void *data, size_t size, struct packed *packed)
{
    const uint8_t *bytes = data;
    uint32_t count;
    size_t n;

    if (size < 2 || bytes[0] & ~PACKED_FORMS)
        return false;
    n = tree_size_read(bytes + 1, size - 1, &count);
    if (n == 0 || count == 0 || count > size)
        return false;
    packed->form = bytes[0];
    packed->count = count;
    packed->data = bytes + 1 + n;
    packed->size = size - 1 - n;
    return true;
}

size_t packed_header(uint8_t out[PACKED_HEADER_MAX], unsigned form, uint32_t count)
{
    out[0] = (uint8_t)form;
    return 1 + tree_size_write(out + 1, count);
}

bool packed_element(const struct packed *packed, size_t offset, struct sdb_slice *element, size_t *next)
{
    uint32_t size;
    size_t n;

    if (offset >= packed->size)
        return false;
    n = tree_size_read(packed->data + offset, packed->size - offset, &size);
    if (n == 0 || size > packed->size - offset - n)
        return false;
    *element = (struct sdb_slice){packed->data + offset + n, size};
    *next = offset + n + size;
    return true;
}

static bool ints_ordered(const struct sdb_slice *before, const struct sdb_slice *element)
{
    int64_t a, b;

    return number_parse_i64(element->data, element->size, &b) &&
           (before->data == NULL || (number_parse_i64(before->data, before->size, &a) && a < b));
}

bool packed_verify(const struct pool_file *file, enum tree_kind kind, const void *data, size_t size)
{
    struct sdb_slice element, before = {NULL, 0};
    struct tree_probe probe, last = {.name = ""};
    struct packed packed;
    uint32_t count = 0;

    if (!packed_open(data, size, &packed) || (packed.form & PACKED_INTS && kind != TREE_SET))
        return false;
    for (size_t at = 0; at < packed.size; count++, before = element, last = probe) {
        if (!packed_element(&packed, at, &element, &at) ||
            !tree_probe_element(file, kind, element.data, element.size, &probe))
            return false;
        if (kind == TREE_SCORES && count && tree_probe_compare(&tree_shapes[kind], &last, &probe) >= 0)
            return false;
        if (packed.form & PACKED_INTS && !ints_ordered(&before, &element))
            return false;
    }
    return count == packed.count;
}
