/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * stream_change.c - adding entries to streams, and taking them out: one by one, or at the beginning
 * Media:   the stream's tree, staged; its record, where the last id is an entry's no more
 * Holds:   stream.c
 * Threads: the session's
 * Memory:  none
 */
#include "stream.h"

#define REBUILD_MIN 48u /* entries that go, for what stays to be built anew: freeing a leaf costs less than adding its entries again */
#define REBUILD_RATIO 16u /* and so many times as many as stay */

/* Keeps the state of a stream that lost entries, which is not to fail in a full pool. */
static int store_shorter(struct collection *stream, const struct stream_state *state)
{
    int error;

    stream->session->tx.reserve = TX_RESERVE_LASTING;
    error = stream_store(stream, state);
    stream->session->tx.reserve = TX_RESERVE_KEPT;
    return error;
}

/* ---- trimming ---- */

/* How many entries go, if no block had to stay whole. */
static int count_trimmed(struct collection *stream, const struct sdb_stream_trim *trim, uint64_t *count)
{
    const uint64_t length = stream->tree.count;
    struct tree_place place;
    int error;

    *count = length;
    if (trim->by == SDB_STREAM_BY_LENGTH) {
        *count = length > trim->length ? length - trim->length : 0;
        return SDB_OK;
    }
    error = stream_seek(stream, &trim->id, &place);
    if (!error)
        error = tree_rank(&stream->tree, &place, count);
    return error == SDB_ENOTFOUND ? SDB_OK : error;
}

/* The same in whole blocks: the first one ends before the entry `rest`. */
static uint64_t in_blocks(uint64_t count, uint64_t rest, uint64_t block)
{
    return count < rest ? 0 : rest + (count - rest) / block * block;
}

static int count_blocks(struct collection *stream, const struct sdb_stream_trim *trim, uint64_t *count)
{
    struct stream_state state;
    uint64_t before, rest;
    int error = stream_load(stream, &state);

    if (error)
        return error;
    before = state.added > state.length ? state.added - state.length : 0;
    rest = trim->block - before % trim->block;
    if (*count < state.length)
        *count = in_blocks(*count, rest, trim->block);
    if (trim->limit && *count > trim->limit)
        *count = in_blocks(trim->limit, rest, trim->block);
    return SDB_OK;
}

/* What stays is built anew, and the old tree dropped as a whole. */
static int rebuild(struct collection *stream, uint64_t count)
{
    struct sdb_session *session = stream->session;
    struct heap *heap = &session->pool->heap;
    struct tree old = stream->tree;
    struct tree_element element;
    struct tree_place place, end;
    uint64_t header, companion, user;
    int error = tree_companion(&old, &companion);

    if (!error)
        error = tree_user(&old, &user);
    if (!error)
        error = tree_create(heap, &session->tx, old.shard, TREE_STREAM, &header);
    if (!error)
        error = tree_open(&stream->tree, heap, &session->tx, header);
    if (error)
        return error;
    tree_set_companion(&old, 0);
    tree_set_companion(&stream->tree, companion);
    tree_set_user(&stream->tree, user);
    stream->fresh_tree = true; /* the entry lets go of the old one */
    error = collection_result(tree_at(&old, count, &place));
    while (!error) {
        error = tree_read(&old, &place, &element);
        if (!error && tree_at(&stream->tree, stream->tree.count, &end) == TREE_DAMAGED)
            error = SDB_ECORRUPT;
        if (!error)
            error = tree_insert(&stream->tree, &end, &(struct sdb_slice){element.data, element.size}, 1);
        if (!error)
            error = collection_result(tree_next(&old, &place));
    }
    return error == SDB_ENOTFOUND ? SDB_OK : error;
}

static int take_in_place(struct collection *stream, uint64_t count)
{
    struct tree_place place;
    int error = SDB_OK;

    while (count && !error) {
        error = collection_result(tree_at(&stream->tree, 0, &place));
        if (error)
            return error == SDB_ENOTFOUND ? collection_damaged(stream) : error;
        const unsigned whole = place.leaf.count;
        error = whole <= count ? tree_remove_leaf(&stream->tree, &place) : tree_remove(&stream->tree, &place);
        count -= whole <= count ? whole : 1;
    }
    return error;
}

/* Takes so many entries out at the beginning. in_place: without memory for what stays, however many go. */
static int take_first(struct collection *stream, uint64_t count, bool in_place)
{
    const uint64_t length = stream->tree.count;
    struct stream_state state;
    int error = SDB_OK;

    if (count == 0)
        return SDB_OK;
    if (count == length)
        error = stream_load(stream, &state);
    stream->changed = true;
    if (!error)
        error = in_place || stream->fresh_tree || count < REBUILD_MIN || length - count > count / REBUILD_RATIO
                    ? take_in_place(stream, count)
                    : rebuild(stream, count);
    return error || count < length ? error : store_shorter(stream, &state);
}

static int trim_to(struct collection *stream, const struct sdb_stream_trim *trim, bool in_place, uint64_t *trimmed)
{
    int error = count_trimmed(stream, trim, trimmed);

    if (!error && trim->block && *trimmed)
        error = count_blocks(stream, trim, trimmed);
    return error ? error : take_first(stream, *trimmed, in_place);
}

struct trimming {
    const struct sdb_stream_trim *trim;
    bool in_place;
    uint64_t trimmed;
};

static int change_trim(struct collection *stream, void *context)
{
    struct trimming *trimming = context;

    return stream->in_tree ? trim_to(stream, trimming->trim, trimming->in_place, &trimming->trimmed) : SDB_ENOTFOUND;
}

int sdb_stream_trim(struct sdb_session *session, const void *key, size_t key_size, const struct sdb_stream_trim *trim, uint64_t *trimmed)
{
    struct trimming trimming = {.trim = trim};
    int error = collection_change(session, key, key_size, SDB_TYPE_STREAM, change_trim, &trimming);

    if (error == SDB_ENOSPC) {
        trimming.in_place = true;
        error = collection_change(session, key, key_size, SDB_TYPE_STREAM, change_trim, &trimming);
    }
    if (!error && trimmed)
        *trimmed = trimming.trimmed;
    return error;
}

/* ---- adding ---- */

struct addition {
    const struct sdb_stream_addition *what;
    struct sdb_stream_added added;
};

/* The last id, the word that counts, and whether it is the record that counts. */
static int last_id(struct collection *stream, struct sdb_stream_id *last, uint64_t *user)
{
    struct stream_state state;
    struct tree_place place;
    int error = tree_user(&stream->tree, user);

    *last = (struct sdb_stream_id){0, 0};
    if (!error && *user & STREAM_USER_RECORDED) {
        error = stream_load(stream, &state);
        *last = state.last;
    } else if (!error && stream->tree.count) {
        error = collection_result(tree_at(&stream->tree, stream->tree.count - 1, &place));
        if (!error)
            error = stream_read_id(stream, &place, last);
    }
    return error;
}

/* The id of a new entry. */
static int choose_id(const struct collection *stream, const struct sdb_stream_addition *what, const struct sdb_stream_id *last,
                     struct sdb_stream_id *id)
{
    struct sdb_stream_id next = *last;
    const bool any = sdb_stream_id_next(&next);

    if (!any)
        return SDB_EOVERFLOW;
    *id = what->id;
    if (what->form == SDB_STREAM_ID_GIVEN)
        return sdb_stream_id_compare(id, last) > 0 ? SDB_OK : SDB_ECONDITION;
    if (what->form == SDB_STREAM_ID_AUTO)
        id->ms = (uint64_t)stream_now(stream, what->now_ms);
    id->sequence = 0;
    if (sdb_stream_id_compare(id, &next) > 0)
        return SDB_OK;
    if (what->form == SDB_STREAM_ID_MS && id->ms != next.ms)
        return SDB_ECONDITION;
    *id = next;
    return SDB_OK;
}

static int change_add(struct collection *stream, void *context)
{
    struct addition *addition = context;
    const struct sdb_stream_addition *what = addition->what;
    struct sdb_stream_id last = {0, 0};
    uint64_t user = 0;
    int error = stream->in_tree ? last_id(stream, &last, &user) : what->flags & SDB_IF_PRESENT ? SDB_ENOTFOUND : SDB_OK;

    if (!error)
        error = choose_id(stream, what, &last, &addition->added.id);
    if (!error)
        error = stream_create(stream);
    if (!error)
        error = stream_append(stream, &addition->added.id, what->fields, what->count);
    if (error)
        return error;
    stream_count_entry(stream, user);
    addition->added.trimmed = 0;
    return what->trim ? trim_to(stream, what->trim, false, &addition->added.trimmed) : SDB_OK;
}

int sdb_stream_add(struct sdb_session *session, const void *key, size_t key_size, const struct sdb_stream_addition *what,
                   struct sdb_stream_added *added)
{
    struct addition addition = {.what = what};
    int error;

    if (what->form == SDB_STREAM_ID_GIVEN && what->id.ms == 0 && what->id.sequence == 0)
        return SDB_EINVAL;
    error = collection_change(session, key, key_size, SDB_TYPE_STREAM, change_add, &addition);
    if (!error && added)
        *added = addition.added;
    return error;
}

/* ---- deleting ---- */

struct deletion {
    const struct sdb_stream_id *ids;
    size_t count;
    uint64_t deleted;
};

static int change_delete(struct collection *stream, void *context)
{
    struct deletion *deletion = context;
    struct stream_state state;
    struct tree_place place;
    int error = stream->in_tree ? stream_load(stream, &state) : SDB_ENOTFOUND;

    deletion->deleted = 0;
    for (size_t i = 0; i < deletion->count && !error; i++) {
        const struct sdb_stream_id *id = &deletion->ids[i];

        error = stream_find(stream, id, &place);
        if (error == SDB_ENOTFOUND) {
            error = SDB_OK;
            continue;
        }
        stream->changed = true;
        if (!error)
            error = tree_remove(&stream->tree, &place);
        deletion->deleted++;
        if (sdb_stream_id_compare(id, &state.deleted) > 0)
            state.deleted = *id;
    }
    return error || deletion->deleted == 0 ? error : store_shorter(stream, &state);
}

int sdb_stream_delete(struct sdb_session *session, const void *key, size_t key_size, const struct sdb_stream_id *ids, size_t count,
                      uint64_t *deleted)
{
    struct deletion deletion = {ids, count, 0};
    int error = collection_change(session, key, key_size, SDB_TYPE_STREAM, change_delete, &deletion);

    if (!error && deleted)
        *deleted = deletion.deleted;
    return error;
}
