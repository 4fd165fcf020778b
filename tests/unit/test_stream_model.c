/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * test_stream_model.c - every function for streams against plain arrays, thousands of times
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "engine_case.h"
#include "stream_model.h"

static struct model m;
static const char *key; /* it is renamed on the way */
static int64_t now;
static unsigned shape; /* how many entries there are about */

/* ---- choosing ---- */

static struct sdb_stream_id near_id(void)
{
    struct sdb_stream_id id = {fixture_random(&f, m.last.ms + 2), fixture_random(&f, 4)};

    return m.count && fixture_random(&f, 8) ? m.entries[fixture_random(&f, m.count)].id : id;
}

static struct sdb_slice name_of(char first, unsigned number, char text[8])
{
    return (struct sdb_slice){text, (size_t)snprintf(text, 8, "%c%u", first, number)};
}

static struct model_group *some_group(unsigned *number)
{
    *number = (unsigned)fixture_random(&f, MODEL_GROUPS);
    return &m.groups[*number];
}

/* What a function for a group has to say where it is not there. */
static bool is_missing(int error, const struct model_group *g)
{
    if (m.there && g->there)
        return false;
    assert_int_equal(error, m.there ? SDB_ECONDITION : SDB_ENOTFOUND);
    return true;
}

/* ---- what is shown ---- */

struct shown {
    struct sdb_stream_id ids[MODEL_ENTRIES];
    bool gone[MODEL_ENTRIES];
    unsigned count;
    bool just_ids;
};
static struct shown shown, shown_gone;

static int note(void *context, const struct sdb_stream_entry *entry)
{
    struct shown *to = context;
    const struct model_entry *mine = model_find(&m, entry->id);

    to->gone[to->count] = entry->packed.data == NULL;
    to->ids[to->count++] = entry->id;
    if (entry->packed.data)
        assert_true(mine && !to->just_ids && model_same_fields(entry, mine->salt));
    return 0;
}

static int note_gone(void *context, const struct sdb_stream_entry *entry)
{
    (void)context;
    return note(&shown_gone, entry);
}

static void expect_shown(const struct shown *from, unsigned i, struct sdb_stream_id id)
{
    assert_true(i < from->count);
    assert_int_equal(from->ids[i].ms, id.ms);
    assert_int_equal(from->ids[i].sequence, id.sequence);
}

static void begin_showing(bool just_ids)
{
    shown.count = shown_gone.count = 0;
    shown.just_ids = shown_gone.just_ids = just_ids;
}

/* ---- entries ---- */

/* How many entries there are up to the last end of a block among the first `count`; the first one ends behind `rest`. */
static unsigned up_to_block(unsigned count, unsigned rest, uint64_t block)
{
    unsigned whole = 0;

    for (unsigned next = rest; next <= count; next += (unsigned)block)
        whole = next;
    return whole;
}

/* What stands behind the last end goes only where all goes. */
static unsigned blocks_of(const struct sdb_stream_trim *trim, unsigned count)
{
    const unsigned rest = (unsigned)(trim->block - (m.added - m.count) % trim->block);
    const unsigned whole = count == m.count ? count : up_to_block(count, rest, trim->block);

    return trim->limit && whole > trim->limit ? up_to_block((unsigned)trim->limit, rest, trim->block) : whole;
}

static unsigned trimmed_by(const struct sdb_stream_trim *trim)
{
    unsigned count = trim->by == SDB_STREAM_BY_ID ? model_seek(&m, trim->id) : m.count > trim->length ? m.count - (unsigned)trim->length : 0;

    return trim->block && count ? blocks_of(trim, count) : count;
}

static struct sdb_stream_trim some_trim(void)
{
    struct sdb_stream_trim trim = {.by = fixture_random(&f, 2) ? SDB_STREAM_BY_ID : SDB_STREAM_BY_LENGTH};

    const bool much = fixture_random(&f, shape > 500 ? 100 : 4) == 0;

    trim.length = much ? fixture_random(&f, m.count + 1) / (1 + fixture_random(&f, 40)) : shape - fixture_random(&f, shape / 8 + 1);
    trim.id = m.count ? m.entries[fixture_random(&f, much ? m.count : m.count / 50 + 1)].id : near_id();
    if (fixture_random(&f, 3) == 0)
        trim.block = 1 + fixture_random(&f, 40);
    if (trim.block && fixture_random(&f, 2))
        trim.limit = 1 + fixture_random(&f, 100);
    return trim;
}

static struct sdb_stream_id next_id(struct sdb_stream_id id)
{
    (void)sdb_stream_id_next(&id);
    return id;
}

static void add_one(void)
{
    static char bytes[2 * MODEL_FIELDS][MODEL_BYTES];
    struct sdb_slice fields[2 * MODEL_FIELDS];
    const uint64_t salt = fixture_random(&f, 100000);
    const struct sdb_stream_trim trim = some_trim();
    struct sdb_stream_addition what = {.form = (enum sdb_stream_id_form)fixture_random(&f, 3), .fields = fields};
    struct sdb_stream_added added;
    struct sdb_stream_id expected = next_id(m.last);
    int error, right = SDB_OK;

    what.count = model_fields(salt, fields, bytes);
    what.trim = fixture_random(&f, 10) == 0 ? &trim : NULL;
    what.flags = fixture_random(&f, 5) == 0 ? SDB_IF_PRESENT : 0;
    what.id = (struct sdb_stream_id){m.last.ms + fixture_random(&f, 3), fixture_random(&f, 5)};
    if (what.form == SDB_STREAM_ID_AUTO && (uint64_t)now > m.last.ms)
        expected = (struct sdb_stream_id){(uint64_t)now, 0};
    if (what.form == SDB_STREAM_ID_MS && what.id.ms > m.last.ms)
        expected = (struct sdb_stream_id){what.id.ms, 0};
    if (what.form == SDB_STREAM_ID_GIVEN)
        expected = what.id;
    if (what.flags && !m.there)
        right = SDB_ENOTFOUND;
    else if (id_compare(expected, m.last) <= 0)
        right = SDB_ECONDITION;
    if (what.form == SDB_STREAM_ID_GIVEN && id_is_zero(what.id))
        right = SDB_EINVAL;
    error = sdb_stream_add(f.session, key, strlen(key), &what, &added);
    assert_int_equal(error, right);
    if (error)
        return;
    assert_int_equal(id_compare(added.id, expected), 0);
    model_add(&m, added.id, salt);
    const unsigned gone = what.trim ? trimmed_by(&trim) : 0;
    assert_int_equal(added.trimmed, gone);
    model_trim(&m, gone);
}

static void add(void)
{
    for (unsigned i = m.count < shape / 2 ? 8 + shape / 30 : 3; i > 0; i--)
        add_one();
}

static void trim_it(void)
{
    const struct sdb_stream_trim trim = some_trim();
    uint64_t trimmed;
    int error = sdb_stream_trim(f.session, key, strlen(key), &trim, &trimmed);

    assert_int_equal(error, m.there ? SDB_OK : SDB_ENOTFOUND);
    if (error)
        return;
    const unsigned gone = trimmed_by(&trim);
    assert_int_equal(trimmed, gone);
    model_trim(&m, gone);
}

static void delete_some(void)
{
    struct sdb_stream_id ids[5];
    const size_t count = 1 + fixture_random(&f, 5);
    uint64_t deleted, mine = 0;
    int error;

    for (size_t i = 0; i < count; i++)
        ids[i] = near_id();
    if (m.count && fixture_random(&f, 4) == 0)
        ids[0] = m.entries[m.count - 1].id;
    error = sdb_stream_delete(f.session, key, strlen(key), ids, count, &deleted);
    assert_int_equal(error, m.there ? SDB_OK : SDB_ENOTFOUND);
    if (error)
        return;
    for (size_t i = 0; i < count; i++)
        mine += model_delete(&m, ids[i]);
    assert_int_equal(deleted, mine);
}

static void set_ids(void)
{
    struct sdb_stream_info info = {.last_id = {m.last.ms + fixture_random(&f, 3), fixture_random(&f, 3)},
                                   .max_deleted_id = near_id(),
                                   .entries_added = m.added + fixture_random(&f, 4) - 1};
    const uint32_t flags = (uint32_t)fixture_random(&f, 4);
    const struct sdb_stream_id top = m.count ? m.entries[m.count - 1].id : (struct sdb_stream_id){0, 0};
    const bool right = id_compare(info.last_id, top) >= 0 && !(flags & SDB_STREAM_SET_ADDED && info.entries_added < m.count);
    int error = sdb_stream_set(f.session, key, strlen(key), &info, flags);

    assert_int_equal(error, !m.there ? SDB_ENOTFOUND : right ? SDB_OK : SDB_ECONDITION);
    if (error)
        return;
    m.last = info.last_id;
    if (flags & SDB_STREAM_SET_ADDED)
        m.added = info.entries_added;
    if (flags & SDB_STREAM_SET_MAX_DELETED)
        m.deleted = info.max_deleted_id;
}

/* ---- groups ---- */

static void start_group(void)
{
    char text[8];
    unsigned number;
    struct model_group *g = some_group(&number);
    const struct sdb_slice name = name_of('g', number, text);
    const bool make = fixture_random(&f, 2);
    const struct sdb_stream_start start = {.id = near_id(),
                                           .entries_read = (int64_t)fixture_random(&f, 10) - 1,
                                           .flags = (fixture_random(&f, 3) ? 0u : (unsigned)SDB_STREAM_FROM_LAST) |
                                                    (fixture_random(&f, 3) ? (unsigned)SDB_STREAM_MAKE : 0u)};
    int error = make ? sdb_stream_group_create(f.session, key, strlen(key), name.data, name.size, &start)
                     : sdb_stream_group_set(f.session, key, strlen(key), name.data, name.size, &start);

    if (make && !m.there)
        assert_int_equal(error, start.flags & SDB_STREAM_MAKE ? SDB_OK : SDB_ENOTFOUND);
    else if (make)
        assert_int_equal(error, g->there ? SDB_ECONDITION : SDB_OK);
    else if (is_missing(error, g))
        return;
    if (error)
        return;
    if (make)
        *g = (struct model_group){.there = true};
    m.there = true;
    g->last = start.flags & SDB_STREAM_FROM_LAST ? m.last : start.id;
    g->read = start.entries_read;
}

static void destroy_group(void)
{
    char text[8];
    unsigned number;
    struct model_group *g = some_group(&number);
    const struct sdb_slice name = name_of('g', number, text);

    if (fixture_random(&f, shape > 500 ? 15 : 3))
        return;
    if (!is_missing(sdb_stream_group_destroy(f.session, key, strlen(key), name.data, name.size), g))
        g->there = false;
}

static void make_consumer(void)
{
    char group_text[8], text[8];
    unsigned number, c = (unsigned)fixture_random(&f, MODEL_CONSUMERS);
    struct model_group *g = some_group(&number);
    const struct sdb_slice group = name_of('g', number, group_text), name = name_of('c', c, text);
    int created;

    if (is_missing(sdb_stream_consumer_create(f.session, key, strlen(key), &group, &name, 0, &created), g))
        return;
    assert_int_equal(created, !g->consumers[c]);
    if (created)
        model_see(g, c, now);
}

static void delete_consumer(void)
{
    char group_text[8], text[8];
    unsigned number, c = (unsigned)fixture_random(&f, MODEL_CONSUMERS), kept = 0;
    struct model_group *g = some_group(&number);
    const struct sdb_slice group = name_of('g', number, group_text), name = name_of('c', c, text);
    uint64_t pending;
    int existed;

    if (fixture_random(&f, shape > 500 ? 15 : 3) || is_missing(sdb_stream_consumer_delete(f.session, key, strlen(key), &group, &name, &existed, &pending), g))
        return;
    assert_int_equal(existed, g->consumers[c]);
    for (unsigned i = 0; i < g->pending_count; i++)
        if (g->pending[i].consumer != c)
            g->pending[kept++] = g->pending[i];
    assert_int_equal(pending, g->pending_count - kept);
    g->pending_count = kept;
    g->consumers[c] = false;
}

/* ---- reading by groups ---- */

static void expect_new(struct model_group *g, unsigned c, const struct sdb_stream_reading *reading, const struct sdb_stream_read *done)
{
    unsigned i = 0;
    const bool served = m.count && id_compare(m.entries[m.count - 1].id, g->last) > 0;

    assert_int_equal(done->served, served);
    if (!served) {
        assert_int_equal(shown.count, 0);
        return;
    }
    assert_int_equal(done->consumer_created, !g->consumers[c]);
    model_see(g, c, now);
    for (unsigned at = model_seek(&m, next_id(g->last)); at < m.count && (!reading->count || i < reading->count); at++, i++) {
        const struct sdb_stream_id id = m.entries[at].id;

        expect_shown(&shown, i, id);
        g->read = g->read != -1 && !model_holes(&m, id) ? g->read + 1 : m.added ? model_position(&m, id) : g->read;
        g->last = id;
        if (!(reading->flags & SDB_STREAM_NO_ACK))
            model_pend(g, (struct model_pending){id, c, now, 1});
    }
    assert_int_equal(shown.count, i);
}

static void expect_history(struct model_group *g, unsigned c, const struct sdb_stream_reading *reading)
{
    unsigned i = 0;

    model_see(g, c, now);
    for (unsigned at = 0; at < g->pending_count && (!reading->count || i < reading->count); at++) {
        struct model_pending *pending = &g->pending[at];

        if (pending->consumer != c || id_compare(pending->id, reading->after) <= 0)
            continue;
        expect_shown(&shown, i, pending->id);
        assert_int_equal(shown.gone[i++], model_find(&m, pending->id) == NULL);
        if (model_find(&m, pending->id)) {
            pending->time = now;
            pending->deliveries++;
        }
    }
    assert_int_equal(shown.count, i);
}

static void read_group(void)
{
    char group_text[8], text[8];
    unsigned number, c = (unsigned)fixture_random(&f, MODEL_CONSUMERS);
    struct model_group *g = some_group(&number);
    struct sdb_stream_reading reading = {.group = name_of('g', number, group_text),
                                         .consumer = name_of('c', c, text),
                                         .after = near_id(),
                                         .count = fixture_random(&f, 20)};
    struct sdb_stream_read done = {9, 9};

    if (shape > 500 && fixture_random(&f, 4) == 0)
        reading.count = 300;
    reading.flags = fixture_random(&f, 3) ? 0 : (uint32_t)fixture_random(&f, 4);
    if (fixture_random(&f, 2))
        reading.after = (struct sdb_stream_id){0, 0};
    begin_showing(false);
    if (is_missing(sdb_stream_read_group(f.session, key, strlen(key), &reading, &done, note, &shown), g))
        return;
    if (reading.flags & SDB_STREAM_HISTORY)
        expect_history(g, c, &reading);
    else
        expect_new(g, c, &reading, &done);
}

static struct sdb_stream_id pending_id(const struct model_group *g)
{
    return g->pending_count && fixture_random(&f, 6) ? g->pending[fixture_random(&f, g->pending_count)].id : near_id();
}

static void acknowledge(void)
{
    char text[8];
    unsigned number;
    struct model_group *g = some_group(&number);
    const struct sdb_slice name = name_of('g', number, text);
    struct sdb_stream_id ids[12];
    const size_t count = 1 + fixture_random(&f, 12);
    uint64_t done, mine = 0;

    for (size_t i = 0; i < count; i++)
        ids[i] = pending_id(g);
    if (is_missing(sdb_stream_acknowledge(f.session, key, strlen(key), &name, ids, count, &done), g))
        return;
    for (size_t i = 0; i < count; i++)
        mine += model_done(g, ids[i]);
    assert_int_equal(done, mine);
}

/* One id of a claim. Whether it is shown. */
static bool model_claim(struct model_group *g, unsigned c, const struct sdb_stream_claim *claim, struct sdb_stream_id id, int *created)
{
    struct model_pending *was = model_pending_find(g, id), next = {id, c, now, was ? was->deliveries : 1};

    if (!model_find(&m, id)) {
        (void)model_done(g, id);
        return false;
    }
    if ((!was && !(claim->flags & SDB_STREAM_FORCE)) || (was && claim->min_idle_ms > 0 && now - was->time < claim->min_idle_ms))
        return false;
    *created |= !g->consumers[c];
    model_see(g, c, now);
    if (claim->flags & SDB_STREAM_SET_DELIVERED)
        next.time = claim->delivered_ms;
    if (claim->flags & SDB_STREAM_SET_DELIVERIES)
        next.deliveries = claim->deliveries;
    else
        next.deliveries += !(claim->flags & SDB_STREAM_JUST_ID);
    model_pend(g, next);
    return true;
}

static void claim_some(void)
{
    char group_text[8], text[8];
    unsigned number, c = (unsigned)fixture_random(&f, MODEL_CONSUMERS), n = 0;
    struct model_group *g = some_group(&number);
    struct sdb_stream_id ids[6];
    struct sdb_stream_claim claim = {.group = name_of('g', number, group_text),
                                     .consumer = name_of('c', c, text),
                                     .ids = ids,
                                     .count = 1 + fixture_random(&f, 6),
                                     .min_idle_ms = (int64_t)fixture_random(&f, 200) - 100,
                                     .flags = (uint32_t)fixture_random(&f, 16),
                                     .delivered_ms = now - (int64_t)fixture_random(&f, 500),
                                     .deliveries = fixture_random(&f, 400)};
    int created = 9, mine = 0;

    for (size_t i = 0; i < claim.count; i++)
        ids[i] = pending_id(g);
    if (fixture_random(&f, 5) == 0)
        claim.last_id = near_id();
    begin_showing(claim.flags & SDB_STREAM_JUST_ID);
    if (is_missing(sdb_stream_claim(f.session, key, strlen(key), &claim, &created, note, &shown), g))
        return;
    if (id_compare(claim.last_id, g->last) > 0)
        g->last = claim.last_id;
    for (size_t i = 0; i < claim.count; i++)
        if (model_claim(g, c, &claim, ids[i], &mine))
            expect_shown(&shown, n++, ids[i]);
    assert_int_equal(shown.count, n);
    assert_int_equal(created, mine);
}

static void claim_from(void)
{
    char group_text[8], text[8];
    unsigned number, c = (unsigned)fixture_random(&f, MODEL_CONSUMERS), n = 0, gone = 0, at;
    struct model_group *g = some_group(&number);
    struct sdb_stream_autoclaim claim = {.group = name_of('g', number, group_text),
                                         .consumer = name_of('c', c, text),
                                         .start = pending_id(g),
                                         .count = 1 + fixture_random(&f, 9),
                                         .min_idle_ms = (int64_t)fixture_random(&f, 200),
                                         .flags = fixture_random(&f, 2) ? 0 : SDB_STREAM_JUST_ID};
    const struct sdb_stream_claim one = {.min_idle_ms = claim.min_idle_ms, .flags = claim.flags};
    uint64_t left = claim.count, tries = 10 * claim.count;
    struct sdb_stream_autoclaimed done;
    int mine = 0;

    begin_showing(claim.flags);
    if (is_missing(sdb_stream_autoclaim(f.session, key, strlen(key), &claim, &done, note, note_gone, &shown), g))
        return;
    for (at = model_pending_seek(g, claim.start); at < g->pending_count && left && tries; tries--) {
        const struct sdb_stream_id id = g->pending[at].id;
        const bool is_gone = !model_find(&m, id);

        if (model_claim(g, c, &one, id, &mine))
            expect_shown(&shown, n++, id), left--;
        if (is_gone)
            expect_shown(&shown_gone, gone++, id), left--;
        at += !is_gone;
    }
    assert_int_equal(shown.count, n);
    assert_int_equal(shown_gone.count, gone);
    assert_int_equal(done.consumer_created, mine);
    assert_int_equal(id_compare(done.next, at < g->pending_count ? g->pending[at].id : (struct sdb_stream_id){0, 0}), 0);
}

/* ---- looking at all of it ---- */

static void expect_range(void)
{
    struct sdb_stream_id a = near_id(), b = near_id();
    struct sdb_stream_range range = {a, b, 0, fixture_random(&f, 2) ? UINT64_MAX : fixture_random(&f, 20)};
    unsigned first, last, n = 0;

    if (fixture_random(&f, 3) == 0)
        range.first = (struct sdb_stream_id)SDB_STREAM_ID_MIN;
    if (fixture_random(&f, 3) == 0)
        range.last = (struct sdb_stream_id)SDB_STREAM_ID_MAX;
    range.flags = fixture_random(&f, 2) ? SDB_STREAM_REVERSE : 0;
    begin_showing(false);
    assert_int_equal(sdb_stream_range(f.session, key, strlen(key), &range, note, &shown), m.there ? SDB_OK : SDB_ENOTFOUND);
    first = model_seek(&m, range.first);
    last = model_seek(&m, range.last);
    last += last < m.count && id_compare(m.entries[last].id, range.last) == 0;
    for (unsigned i = 0; first + i < last && i < range.count; i++, n++)
        expect_shown(&shown, i, m.entries[range.flags ? last - 1 - i : first + i].id);
    assert_int_equal(shown.count, n);
}

struct walk {
    struct model_group *group;
    unsigned next, consumer; /* MODEL_CONSUMERS: any */
};

static int see_pending(void *context, const struct sdb_stream_pending *pending)
{
    struct walk *walk = context;
    const struct model_group *g = walk->group;
    char text[8];

    while (walk->consumer < MODEL_CONSUMERS && walk->next < g->pending_count && g->pending[walk->next].consumer != walk->consumer)
        walk->next++;
    assert_true(walk->next < g->pending_count);
    const struct model_pending *mine = &g->pending[walk->next++];
    const struct sdb_slice name = name_of('c', mine->consumer, text);
    assert_int_equal(id_compare(mine->id, pending->id), 0);
    assert_int_equal(mine->time, pending->delivered_ms);
    assert_int_equal(mine->deliveries, pending->deliveries);
    assert_true(name.size == pending->consumer.size && memcmp(name.data, pending->consumer.data, name.size) == 0);
    return 0;
}

static int see_consumer(void *context, const struct sdb_stream_consumer *consumer)
{
    struct walk *walk = context;
    const struct model_group *g = walk->group;
    uint64_t pending = 0;
    char text[8];

    while (walk->next < MODEL_CONSUMERS && !g->consumers[walk->next])
        walk->next++;
    assert_true(walk->next < MODEL_CONSUMERS);
    const struct sdb_slice name = name_of('c', walk->next, text);
    for (unsigned i = 0; i < g->pending_count; i++)
        pending += g->pending[i].consumer == walk->next;
    assert_true(name.size == consumer->name.size && memcmp(name.data, consumer->name.data, name.size) == 0);
    assert_int_equal(consumer->seen_ms, g->seen[walk->next]);
    assert_int_equal(consumer->pending, pending);
    walk->next++;
    return 0;
}

static void expect_members(unsigned number, struct model_group *g)
{
    char group_text[8], text[8];
    const struct sdb_slice group = name_of('g', number, group_text);
    struct walk walk = {g, 0, MODEL_CONSUMERS};
    struct sdb_stream_pending_range range = {.group = group, .last = SDB_STREAM_ID_MAX, .count = UINT64_MAX};

    assert_ok(sdb_stream_consumers(f.session, key, strlen(key), &group, see_consumer, &walk));
    while (walk.next < MODEL_CONSUMERS)
        assert_false(g->consumers[walk.next++]);
    walk.next = 0;
    assert_ok(sdb_stream_pending(f.session, key, strlen(key), &range, see_pending, &walk));
    assert_int_equal(walk.next, g->pending_count);
    for (unsigned c = 0; c < MODEL_CONSUMERS; c++) {
        walk = (struct walk){g, 0, c};
        range.consumer = name_of('c', c, text);
        assert_ok(sdb_stream_pending(f.session, key, strlen(key), &range, see_pending, &walk));
        while (walk.next < g->pending_count)
            assert_int_not_equal(g->pending[walk.next++].consumer, c);
    }
}

static void expect_group(const struct sdb_stream_group *group, const struct model_group *g)
{
    const struct sdb_stream_id none = {0, 0};
    unsigned consumers = 0;

    for (unsigned c = 0; c < MODEL_CONSUMERS; c++)
        consumers += g->consumers[c];
    assert_int_equal(id_compare(group->last_id, g->last), 0);
    assert_int_equal(group->entries_read, g->read);
    assert_int_equal(group->lag, model_lag(&m, g));
    assert_int_equal(group->consumers, consumers);
    assert_int_equal(group->pending, g->pending_count);
    assert_int_equal(id_compare(group->first_pending, g->pending_count ? g->pending[0].id : none), 0);
    assert_int_equal(id_compare(group->last_pending, g->pending_count ? g->pending[g->pending_count - 1].id : none), 0);
}

static int see_group(void *context, const struct sdb_stream_group *group)
{
    unsigned *next = context;
    char text[8];

    while (*next < MODEL_GROUPS && !m.groups[*next].there)
        ++*next;
    assert_true(*next < MODEL_GROUPS);
    assert_true(group->name.size == 2 && memcmp(group->name.data, name_of('g', *next, text).data, 2) == 0);
    expect_group(group, &m.groups[(*next)++]);
    return 0;
}

static void expect_all(void)
{
    struct sdb_stream_group group;
    struct sdb_stream_info info;
    unsigned next = 0, groups = 0;
    uint64_t length;
    char text[8];

    for (unsigned i = 0; i < 6; i++)
        expect_range();
    assert_int_equal(sdb_stream_info(f.session, key, strlen(key), &info), m.there ? SDB_OK : SDB_ENOTFOUND);
    assert_int_equal(sdb_stream_length(f.session, key, strlen(key), &length), m.there ? SDB_OK : SDB_ENOTFOUND);
    assert_int_equal(sdb_stream_groups(f.session, key, strlen(key), see_group, &next), m.there ? SDB_OK : SDB_ENOTFOUND);
    for (unsigned i = 0; i < MODEL_GROUPS; i++) {
        const struct sdb_slice name = name_of('g', i, text);
        const int error = sdb_stream_group(f.session, key, strlen(key), name.data, name.size, &group);

        if (is_missing(error, &m.groups[i]))
            continue;
        groups++;
        expect_group(&group, &m.groups[i]);
        expect_members(i, &m.groups[i]);
        assert_true(i < next);
    }
    if (!m.there)
        return;
    assert_int_equal(length, m.count);
    assert_int_equal(info.length, m.count);
    assert_int_equal(info.entries_added, m.added);
    assert_int_equal(info.groups, groups);
    assert_int_equal(id_compare(info.last_id, m.last), 0);
    assert_int_equal(id_compare(info.first_id, model_first(&m)), 0);
    assert_int_equal(id_compare(info.max_deleted_id, m.deleted), 0);
}

/* ---- the key as a whole ---- */

static void rename_it(void)
{
    const char *names[] = {"s", "another one", "a third name"}, *to = names[fixture_random(&f, 3)];

    if (to == key || fixture_random(&f, 4))
        return;
    if (fixture_random(&f, 2)) {
        assert_int_equal(sdb_rename(f.session, key, strlen(key), to, strlen(to), 1), m.there ? SDB_OK : SDB_ENOTFOUND);
    } else {
        assert_int_equal(sdb_copy(f.session, key, strlen(key), 0, to, strlen(to), 1), m.there ? SDB_OK : SDB_ENOTFOUND);
        assert_int_equal(sdb_delete(f.session, key, strlen(key)), m.there ? SDB_OK : SDB_ENOTFOUND);
    }
    key = to;
}

static void open_again(void)
{
    if (fixture_random(&f, 6))
        return;
    if (fixture_random(&f, 2))
        fixture_reopen(&f);
    else
        fixture_crash(&f);
    sdb_session_set_time(f.session, now);
}

static void delete_it(void)
{
    if (fixture_random(&f, shape > 500 ? 100 : 20))
        return;
    assert_int_equal(sdb_delete(f.session, key, strlen(key)), m.there ? SDB_OK : SDB_ENOTFOUND);
    m = (struct model){.there = false};
}

static void (*const operations[])(void) = {
    add,         add,         add,         trim_it,    trim_it,    delete_some, delete_some,   set_ids,         start_group,
    start_group, read_group,  read_group,  read_group, read_group, acknowledge, acknowledge,   destroy_group,   make_consumer,
    claim_some,  claim_some,  claim_from,  claim_from, rename_it,  delete_it,   delete_consumer, delete_consumer, open_again,
};
#define OPERATIONS (sizeof(operations) / sizeof(operations[0]))

/* A transaction in which the same is done, and taken back. */
static void take_back(void)
{
    static struct model saved;
    const char *name = key;
    const uint64_t limit = OPERATIONS - 5; /* none that opens the pool again, or renames */

    saved = m;
    assert_ok(sdb_begin_all(f.session));
    for (unsigned i = 0; i < 6; i++)
        operations[fixture_random(&f, limit)]();
    expect_all();
    sdb_abort(f.session);
    m = saved;
    key = name;
}

static void run(unsigned entries, unsigned steps)
{
    m = (struct model){.there = false};
    key = "s";
    shape = entries;
    now = NOW;
    for (unsigned i = 0; i < steps; i++) {
        now += (int64_t)fixture_random(&f, 40);
        sdb_session_set_time(f.session, now);
        operations[fixture_random(&f, OPERATIONS)]();
        if (i % 50 == 0)
            take_back();
        if (i % 25 == 0)
            expect_all();
        if (i % 400 == 0)
            (void)fixture_check(&f);
    }
    expect_all();
}

static void every_function_does_to_a_small_stream_what_it_does_to_arrays(void **state)
{
    (void)state;
    run(40, 6000);
}

static void every_function_does_to_a_large_stream_what_it_does_to_arrays(void **state)
{
    (void)state;
    run(8000, 4000);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        TEST(every_function_does_to_a_small_stream_what_it_does_to_arrays),
        TEST(every_function_does_to_a_large_stream_what_it_does_to_arrays),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
