/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stream_model.h - a stream as plain arrays: what the functions for streams have to do, done the simplest way
 *
 * An entry's fields follow from its salt. Groups are g0, g1..., consumers c0, c1...; of what is pending there is one array in the order of ids.
 */
#ifndef SDB_TESTS_STREAM_MODEL_H
#define SDB_TESTS_STREAM_MODEL_H

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "superdb/superdb.h"

#define MODEL_ENTRIES 20000u
#define MODEL_GROUPS 4u
#define MODEL_CONSUMERS 4u
#define MODEL_FIELDS 40u
#define MODEL_BYTES 3000u

struct model_entry {
    struct sdb_stream_id id;
    uint64_t salt;
};

struct model_pending {
    struct sdb_stream_id id;
    unsigned consumer;
    int64_t time;
    uint64_t deliveries;
};

struct model_group {
    bool there;
    struct sdb_stream_id last;
    int64_t read;
    bool consumers[MODEL_CONSUMERS];
    int64_t seen[MODEL_CONSUMERS];
    struct model_pending pending[MODEL_ENTRIES];
    unsigned pending_count;
};

struct model {
    bool there;
    struct model_entry entries[MODEL_ENTRIES];
    unsigned count;
    struct sdb_stream_id last, deleted;
    uint64_t added;
    struct model_group groups[MODEL_GROUPS];
};

static inline int id_compare(struct sdb_stream_id a, struct sdb_stream_id b)
{
    return sdb_stream_id_compare(&a, &b);
}

static inline bool id_is_zero(struct sdb_stream_id id)
{
    return id.ms == 0 && id.sequence == 0;
}

/* ---- entries ---- */

/* Where it is, or would be. */
static inline unsigned model_seek(const struct model *m, struct sdb_stream_id id)
{
    unsigned low = 0, high = m->count;

    while (low < high) {
        const unsigned middle = (low + high) / 2;

        if (id_compare(m->entries[middle].id, id) < 0)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

static inline struct model_entry *model_find(struct model *m, struct sdb_stream_id id)
{
    const unsigned at = model_seek(m, id);

    return at < m->count && id_compare(m->entries[at].id, id) == 0 ? &m->entries[at] : NULL;
}

static inline void model_add(struct model *m, struct sdb_stream_id id, uint64_t salt)
{
    m->there = true;
    m->entries[m->count++] = (struct model_entry){id, salt};
    m->last = id;
    m->added++;
}

static inline void model_trim(struct model *m, unsigned count)
{
    m->count -= count;
    memmove(m->entries, m->entries + count, m->count * sizeof(m->entries[0]));
}

static inline bool model_delete(struct model *m, struct sdb_stream_id id)
{
    struct model_entry *entry = model_find(m, id);

    if (!entry)
        return false;
    m->count--;
    memmove(entry, entry + 1, (size_t)(m->entries + m->count - entry) * sizeof(*entry));
    if (id_compare(id, m->deleted) > 0)
        m->deleted = id;
    return true;
}

static inline struct sdb_stream_id model_first(const struct model *m)
{
    return m->count ? m->entries[0].id : (struct sdb_stream_id){0, 0};
}

/* ---- how far a group has come ---- */

static inline bool model_holes(const struct model *m, struct sdb_stream_id from)
{
    return m->count && !id_is_zero(m->deleted) && id_compare(model_first(m), m->deleted) <= 0 && id_compare(from, m->deleted) <= 0;
}

static inline int64_t model_position(const struct model *m, struct sdb_stream_id id)
{
    const struct sdb_stream_id first = model_first(m);

    if (!m->added)
        return 0;
    if (!m->count && id_compare(id, m->last) <= 0)
        return (int64_t)m->added;
    if (id_compare(id, m->last) == 0)
        return (int64_t)m->added;
    if (id_compare(id, m->last) > 0)
        return -1;
    if (id_is_zero(m->deleted) || id_compare(m->deleted, first) < 0) {
        if (id_compare(id, first) < 0)
            return (int64_t)m->added - m->count;
        if (id_compare(id, first) == 0)
            return (int64_t)m->added - m->count + 1;
    }
    return -1;
}

static inline int64_t model_lag(const struct model *m, const struct model_group *g)
{
    int64_t read = g->read;

    if (!m->added)
        return 0;
    if (read == -1 || model_holes(m, g->last))
        read = model_position(m, g->last);
    else
        return (int64_t)m->added - read;
    return read == -1 ? SDB_STREAM_LAG_UNKNOWN : (int64_t)m->added - read;
}

/* ---- what is pending ---- */

static inline unsigned model_pending_seek(const struct model_group *g, struct sdb_stream_id id)
{
    unsigned at = 0;

    while (at < g->pending_count && id_compare(g->pending[at].id, id) < 0)
        at++;
    return at;
}

static inline struct model_pending *model_pending_find(struct model_group *g, struct sdb_stream_id id)
{
    const unsigned at = model_pending_seek(g, id);

    return at < g->pending_count && id_compare(g->pending[at].id, id) == 0 ? &g->pending[at] : NULL;
}

static inline void model_pend(struct model_group *g, struct model_pending pending)
{
    const unsigned at = model_pending_seek(g, pending.id);

    if (!model_pending_find(g, pending.id))
        memmove(&g->pending[at + 1], &g->pending[at], (g->pending_count++ - at) * sizeof(pending));
    g->pending[at] = pending;
}

static inline bool model_done(struct model_group *g, struct sdb_stream_id id)
{
    struct model_pending *pending = model_pending_find(g, id);

    if (!pending)
        return false;
    g->pending_count--;
    memmove(pending, pending + 1, (size_t)(g->pending + g->pending_count - pending) * sizeof(*pending));
    return true;
}

static inline void model_see(struct model_group *g, unsigned consumer, int64_t now)
{
    g->consumers[consumer] = true;
    g->seen[consumer] = now;
}

/* ---- fields ---- */

/* The fields of an entry with this salt: a few, sometimes many or none; of sizes on both sides of what stands in a leaf. */
static inline size_t model_fields(uint64_t salt, struct sdb_slice fields[2 * MODEL_FIELDS], char bytes[2 * MODEL_FIELDS][MODEL_BYTES])
{
    const size_t count = salt % 29 == 3 ? 0 : salt % 31 == 5 ? MODEL_FIELDS - salt % 7 : 1 + salt % 3;

    for (size_t i = 0; i < 2 * count; i++) {
        const size_t size = salt % 37 == 7 && i == 1 ? 200 + salt % 2500 : salt % 11 == i ? 0 : 8 + (salt + i) % 9;

        memset(bytes[i], (int)('a' + (salt + i) % 26), size);
        if (size)
            (void)snprintf(bytes[i], 8, "%07u", (unsigned)(salt * 13 + i) % 10000000);
        if (size > 7)
            bytes[i][7] = '-';
        fields[i] = (struct sdb_slice){bytes[i], size};
    }
    return count;
}

/* Whether an entry that is shown has the fields of this salt. */
static inline bool model_same_fields(const struct sdb_stream_entry *entry, uint64_t salt)
{
    static char bytes[2 * MODEL_FIELDS][MODEL_BYTES];
    struct sdb_slice fields[2 * MODEL_FIELDS], field, value;
    const size_t count = model_fields(salt, fields, bytes);
    size_t at = 0;

    if (entry->count != count)
        return false;
    for (size_t i = 0; i < count; i++)
        if (!sdb_stream_field(entry, &at, &field, &value) || field.size != fields[2 * i].size || value.size != fields[2 * i + 1].size ||
            memcmp(field.data, fields[2 * i].data, field.size) != 0 || memcmp(value.data, fields[2 * i + 1].data, value.size) != 0)
            return false;
    return !sdb_stream_field(entry, &at, &field, &value);
}

#endif
