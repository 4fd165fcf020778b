/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * list.c - lists
 * Media:   through collections: a counted tree by position, or packed in order
 * Commit:  one for each call, or the group's or transaction's
 * Threads: the session's
 * Memory:  a copy of what is taken away, until it is shown
 */
#include "superdb/list.h"

#include <stdlib.h>
#include <string.h>

#include "collection.h"

/* -- positions -- */

/* The rank that a position stands for; false: there is none. */
static bool rank_of(const struct collection *collection, int64_t position, uint64_t *rank)
{
    const uint64_t back = position < 0 ? -(uint64_t)position : 0;

    *rank = position < 0 ? collection->count - back : (uint64_t)position;
    return back <= collection->count && *rank < collection->count;
}

/* What there is from one position to another: how many, from which rank on. */
static uint64_t range_of(const struct collection *collection, int64_t first, int64_t last, uint64_t *rank)
{
    const int64_t count = (int64_t)collection->count; /* a pool has no room for more */

    if (first < 0)
        first = first < -count ? 0 : first + count;
    if (last < 0)
        last = last < -count ? -1 : last + count;
    if (last >= count)
        last = count - 1;
    *rank = (uint64_t)first;
    return first > last ? 0 : (uint64_t)(last - first) + 1;
}

static bool is_same(const struct collection_element *element, const struct sdb_slice *bytes)
{
    return element->name.size == bytes->size && (bytes->size == 0 || memcmp(element->name.data, bytes->data, bytes->size) == 0);
}

static int read_at(struct collection *collection, uint64_t rank, struct collection_element *element)
{
    struct collection_place place;
    int error = collection_at(collection, rank, &place);

    return error ? error : collection_read(collection, &place, element);
}

/* -- pushing -- */

struct push {
    enum sdb_list_end end;
    const struct sdb_slice *elements;
    size_t count;
    uint32_t flags;
    uint64_t length;
};

static int change_push(struct collection *collection, void *context)
{
    struct push *push = context;
    int error = SDB_OK;

    if (push->flags & SDB_IF_PRESENT && collection->count == 0)
        return SDB_ECONDITION;
    for (size_t i = 0; i < push->count && !error; i++)
        error = collection_insert(collection, push->end == SDB_LIST_TAIL ? collection->count : 0, &push->elements[i]);
    push->length = collection->count;
    return error;
}

int sdb_list_push(struct sdb_session *session, const void *key, size_t key_size, enum sdb_list_end end, const struct sdb_slice *elements,
                  size_t count, uint32_t flags, uint64_t *length)
{
    struct push push = {end, elements, count, flags, 0};
    int error = collection_change(session, key, key_size, SDB_TYPE_LIST, change_push, &push);

    if (!error && length)
        *length = push.length;
    return error;
}

/* -- popping -- */

/* Copies of elements: the size, the bytes, the next one's size. */
struct copies {
    uint8_t *bytes; /* `few`, or memory of its own */
    size_t size, capacity;
    uint8_t few[512];
};

static void copies_begin(struct copies *copies)
{
    copies->bytes = copies->few;
    copies->size = 0;
    copies->capacity = sizeof(copies->few);
}

static void copies_end(struct copies *copies)
{
    if (copies->bytes != copies->few)
        free(copies->bytes);
}

static int copies_add(void *context, const struct collection_element *element)
{
    struct copies *copies = context;
    const size_t size = element->name.size, needed = copies->size + sizeof(size) + size;

    if (copies->capacity < needed) {
        uint8_t *memory = malloc(needed + needed / 2);

        if (!memory)
            return SDB_ENOMEM;
        memcpy(memory, copies->bytes, copies->size);
        copies_end(copies);
        copies->bytes = memory;
        copies->capacity = needed + needed / 2;
    }
    memcpy(copies->bytes + copies->size, &size, sizeof(size));
    if (size)
        memcpy(copies->bytes + copies->size + sizeof(size), element->name.data, size);
    copies->size = needed;
    return SDB_OK;
}

static void copies_show(const struct copies *copies, sdb_element_fn *visit, void *context)
{
    size_t at = 0, size;
    int stop = 0;

    while (at < copies->size && !stop) {
        memcpy(&size, copies->bytes + at, sizeof(size));
        at += sizeof(size);
        stop = visit(context, &(struct sdb_element){.name = {copies->bytes + at, size}, .value = {"", 0}});
        at += size;
    }
}

struct pop {
    enum sdb_list_end end;
    uint64_t count;
    bool in_place;
    struct copies copies;
};

/* The usual number: one. */
static int pop_one(struct collection *collection, struct pop *pop)
{
    struct collection_element element;
    struct collection_place place;
    int error = collection_at(collection, pop->end == SDB_LIST_TAIL ? collection->count - 1 : 0, &place);

    if (!error)
        error = collection_read(collection, &place, &element);
    if (!error)
        error = copies_add(&pop->copies, &element);
    return error ? error : collection_take(collection, &place);
}

static int change_pop(struct collection *collection, void *context)
{
    struct pop *pop = context;
    const bool tail = pop->end == SDB_LIST_TAIL;
    const uint64_t length = collection->count, count = pop->count < length ? pop->count : length;
    int error;

    if (length == 0)
        return SDB_ENOTFOUND;
    if (count == 0)
        return SDB_OK;
    pop->copies.size = 0;
    if (count == 1)
        return pop_one(collection, pop);
    error = collection_each(collection, tail ? length - 1 : 0, count, tail, copies_add, &pop->copies);
    return error ? error : collection_keep(collection, tail ? 0 : count, length - count, pop->in_place);
}

int sdb_list_pop(struct sdb_session *session, const void *key, size_t key_size, enum sdb_list_end end, uint64_t count,
                 sdb_element_fn *visit, void *context)
{
    struct pop pop = {.end = end, .count = count};
    int error;

    copies_begin(&pop.copies);
    error = collection_change(session, key, key_size, SDB_TYPE_LIST, change_pop, &pop);
    if (error == SDB_ENOSPC) {
        pop.in_place = true;
        error = collection_change(session, key, key_size, SDB_TYPE_LIST, change_pop, &pop);
    }
    if (!error)
        copies_show(&pop.copies, visit, context);
    copies_end(&pop.copies);
    return error;
}

/* -- reading -- */

struct range {
    int64_t first, last;
    struct collection_shown shown;
};

static int look_range(struct collection *collection, void *context)
{
    struct range *range = context;
    uint64_t rank;
    const uint64_t count = range_of(collection, range->first, range->last, &rank);
    int error = count ? collection_each(collection, rank, count, false, collection_show, &range->shown) : SDB_OK;

    return error == SDB_ECONDITION ? SDB_OK : error; /* the visitor has seen enough */
}

int sdb_list_range(struct sdb_session *session, const void *key, size_t key_size, int64_t first, int64_t last, sdb_element_fn *visit,
                   void *context)
{
    struct range range = {first, last, {visit, context, false, 0}};

    return collection_look(session, key, key_size, SDB_TYPE_LIST, look_range, &range);
}

struct get {
    void *buffer;
    size_t buffer_size, size;
    bool found;
};

static int copy_element(void *context, const struct sdb_element *element)
{
    struct get *get = context;

    get->found = true;
    get->size = element->name.size;
    if (get->buffer_size && get->size)
        memcpy(get->buffer, element->name.data, get->size < get->buffer_size ? get->size : get->buffer_size);
    return 0;
}

int sdb_list_get(struct sdb_session *session, const void *key, size_t key_size, int64_t position, void *buffer, size_t buffer_size,
                 size_t *element_size)
{
    struct get get = {buffer, buffer_size, 0, false};
    int error = sdb_list_range(session, key, key_size, position, position, copy_element, &get);

    if (!error && !get.found)
        return SDB_ENOTFOUND;
    if (!error && element_size)
        *element_size = get.size;
    return error;
}

/* -- setting, inserting -- */

struct set {
    int64_t position;
    struct sdb_slice element;
};

static int change_set(struct collection *collection, void *context)
{
    const struct set *set = context;
    uint64_t rank;

    if (collection->count == 0)
        return SDB_ENOTFOUND;
    return rank_of(collection, set->position, &rank) ? collection_set(collection, rank, &set->element) : SDB_ECONDITION;
}

int sdb_list_set(struct sdb_session *session, const void *key, size_t key_size, int64_t position, const void *element,
                 size_t element_size)
{
    struct set set = {position, {element, element_size}};

    return collection_change(session, key, key_size, SDB_TYPE_LIST, change_set, &set);
}

struct insert {
    const struct sdb_slice *pivot, *element;
    unsigned behind; /* 1, or 0: before */
    uint64_t rank, length;
};

/* Anything but 0: it is the pivot. */
static int pass_pivot(void *context, const struct collection_element *element)
{
    struct insert *insert = context;

    if (is_same(element, insert->pivot))
        return SDB_ECONDITION;
    insert->rank++;
    return 0;
}

static int change_insert(struct collection *collection, void *context)
{
    struct insert *insert = context;
    int error;

    if (collection->count == 0)
        return SDB_ENOTFOUND;
    insert->rank = 0;
    error = collection_each(collection, 0, UINT64_MAX, false, pass_pivot, insert);
    if (error != SDB_ECONDITION)
        return error ? error : SDB_ECONDITION; /* there is none */
    error = collection_insert(collection, insert->rank + insert->behind, insert->element);
    insert->length = collection->count;
    return error;
}

static int insert_at_pivot(struct sdb_session *session, const void *key, size_t key_size, struct insert *insert, uint64_t *length)
{
    int error = collection_change(session, key, key_size, SDB_TYPE_LIST, change_insert, insert);

    if (!error && length)
        *length = insert->length;
    return error;
}

int sdb_list_insert_before(struct sdb_session *session, const void *key, size_t key_size, const struct sdb_slice *pivot,
                           const struct sdb_slice *element, uint64_t *length)
{
    struct insert insert = {pivot, element, 0, 0, 0};

    return insert_at_pivot(session, key, key_size, &insert, length);
}

int sdb_list_insert_behind(struct sdb_session *session, const void *key, size_t key_size, const struct sdb_slice *pivot,
                           const struct sdb_slice *element, uint64_t *length)
{
    struct insert insert = {pivot, element, 1, 0, 0};

    return insert_at_pivot(session, key, key_size, &insert, length);
}

/* -- removing by what they are -- */

struct remove {
    struct sdb_slice element;
    uint64_t most; /* 0: all */
    bool backwards;
    uint64_t removed;
};

static int count_same(void *context, const struct collection_element *element)
{
    struct remove *remove = context;

    remove->removed += is_same(element, &remove->element);
    return 0;
}

/* From the head on, but for the first `spared` of them. */
static int remove_forward(struct collection *collection, struct remove *remove, uint64_t spared)
{
    struct collection_element element;
    struct collection_place place;
    uint64_t rank = 0;
    int error = collection_at(collection, 0, &place);

    while (!error && (remove->most == 0 || remove->removed < remove->most)) {
        error = collection_read(collection, &place, &element);
        if (!error && is_same(&element, &remove->element) && (spared == 0 || spared-- == 0)) {
            error = collection_take(collection, &place);
            remove->removed++;
            if (!error)
                error = rank < collection->count ? collection_at(collection, rank, &place) : SDB_ENOTFOUND;
        } else if (!error) {
            rank++;
            error = collection_next(collection, &place);
        }
    }
    return error == SDB_ENOTFOUND ? SDB_OK : error;
}

static int remove_backward(struct collection *collection, struct remove *remove)
{
    struct collection_element element;
    struct collection_place place;
    uint64_t rank = collection->count - 1;
    int error = collection_at(collection, rank, &place);

    for (; !error && remove->removed < remove->most; rank--) {
        error = collection_read(collection, &place, &element);
        if (!error && is_same(&element, &remove->element)) {
            error = collection_take(collection, &place);
            remove->removed++;
            if (!error)
                error = rank > 0 ? collection_at(collection, rank - 1, &place) : SDB_ENOTFOUND;
        } else if (!error) {
            error = collection_previous(collection, &place);
        }
    }
    return error == SDB_ENOTFOUND ? SDB_OK : error;
}

static int change_remove(struct collection *collection, void *context)
{
    struct remove *remove = context;
    uint64_t spared = 0;
    int error;

    remove->removed = 0;
    if (collection->count == 0)
        return SDB_ENOTFOUND;
    if (remove->backwards && collection->in_tree)
        return remove_backward(collection, remove);
    if (remove->backwards) { /* packed elements have no way back */
        error = collection_each(collection, 0, UINT64_MAX, false, count_same, remove);
        if (error)
            return error;
        spared = remove->removed > remove->most ? remove->removed - remove->most : 0;
        remove->removed = 0;
    }
    return remove_forward(collection, remove, spared);
}

int sdb_list_remove(struct sdb_session *session, const void *key, size_t key_size, int64_t count, const void *element,
                    size_t element_size, uint64_t *removed)
{
    struct remove remove = {.element = {element, element_size}, .most = count < 0 ? -(uint64_t)count : (uint64_t)count, .backwards = count < 0};
    int error = collection_change(session, key, key_size, SDB_TYPE_LIST, change_remove, &remove);

    if (!error && removed)
        *removed = remove.removed;
    return error;
}

/* -- trimming -- */

struct trim {
    int64_t first, last;
    bool in_place;
};

static int change_trim(struct collection *collection, void *context)
{
    const struct trim *trim = context;
    uint64_t rank, count;

    if (collection->count == 0)
        return SDB_ENOTFOUND;
    count = range_of(collection, trim->first, trim->last, &rank);
    if (count == collection->count) /* nothing goes; whoever watches the key is told nevertheless, as of any other trim */
        session_changed(collection->session, SDB_CHANGE_STORED, &collection->operation.key);
    return collection_keep(collection, rank, count, trim->in_place);
}

int sdb_list_trim(struct sdb_session *session, const void *key, size_t key_size, int64_t first, int64_t last)
{
    struct trim trim = {first, last, false};
    int error = collection_change(session, key, key_size, SDB_TYPE_LIST, change_trim, &trim);

    if (error == SDB_ENOSPC) {
        trim.in_place = true;
        error = collection_change(session, key, key_size, SDB_TYPE_LIST, change_trim, &trim);
    }
    return error;
}

/* -- searching -- */

struct search {
    struct sdb_slice element;
    struct sdb_list_search how;
    sdb_position_fn *visit;
    void *context;
    uint64_t rank, passed, shown;
    bool backwards;
};

/* Anything but 0 ends it. */
static int meet(void *context, const struct collection_element *element)
{
    struct search *search = context;
    const uint64_t rank = search->backwards ? search->rank-- : search->rank++;

    if (!is_same(element, &search->element))
        return 0;
    if (search->passed > 0) {
        search->passed--;
        return 0;
    }
    search->shown++;
    return search->visit(search->context, rank) || search->shown == search->how.count ? SDB_ECONDITION : 0;
}

static int look_search(struct collection *collection, void *context)
{
    struct search *search = context;
    const uint64_t most = search->how.compare ? search->how.compare : UINT64_MAX;
    int error;

    search->rank = search->backwards ? collection->count - 1 : 0;
    error = collection_each(collection, search->rank, most, search->backwards, meet, search);
    return error == SDB_ECONDITION ? SDB_OK : error;
}

int sdb_list_search(struct sdb_session *session, const void *key, size_t key_size, const void *element, size_t element_size,
                    const struct sdb_list_search *how, sdb_position_fn *visit, void *context)
{
    const uint64_t number = how->rank < 0 ? -(uint64_t)how->rank : how->rank == 0 ? 1 : (uint64_t)how->rank;
    struct search search = {{element, element_size}, *how, visit, context, 0, number - 1, 0, how->rank < 0};

    return collection_look(session, key, key_size, SDB_TYPE_LIST, look_search, &search);
}

/* -- moving -- */

struct move {
    struct sdb_slice source, destination;
    enum sdb_list_end source_end, destination_end;
    struct copies copies;
};

static int look_end(struct collection *collection, void *context)
{
    struct move *move = context;
    struct collection_element element;
    int error = read_at(collection, move->source_end == SDB_LIST_TAIL ? collection->count - 1 : 0, &element);

    move->copies.size = 0;
    return error ? error : copies_add(&move->copies, &element);
}

static int change_end(struct collection *collection, void *context)
{
    const struct move *move = context;
    const bool tail = move->source_end == SDB_LIST_TAIL;
    struct collection_place place;
    int error = collection->count ? collection_at(collection, tail ? collection->count - 1 : 0, &place) : SDB_ENOTFOUND;

    return error ? error : collection_take(collection, &place);
}

/* Within one list: what was pushed at the same end is in the way. */
static int change_turn(struct collection *collection, void *context)
{
    const struct move *move = context;
    int error = change_end(collection, context);

    return error ? error
                 : collection_insert(collection, move->destination_end == SDB_LIST_TAIL ? collection->count : 0,
                                     &(struct sdb_slice){move->copies.bytes + sizeof(size_t), move->copies.size - sizeof(size_t)});
}

static int run_move(struct sdb_session *session, void *context)
{
    struct move *move = context;
    const struct sdb_slice *from = &move->source, *to = &move->destination;
    struct push push = {.end = move->destination_end, .count = 1};
    int error = collection_look(session, from->data, from->size, SDB_TYPE_LIST, look_end, move);

    if (error)
        return error;
    if (from->size == to->size && (from->size == 0 || memcmp(from->data, to->data, from->size) == 0)) {
        error = collection_change(session, from->data, from->size, SDB_TYPE_LIST, change_turn, move);
        if (!error) /* two changes, as with two lists */
            error = collection_change(session, from->data, from->size, SDB_TYPE_LIST, change_trim, &(struct trim){0, -1, false});
        return error;
    }
    push.elements = &(struct sdb_slice){move->copies.bytes + sizeof(size_t), move->copies.size - sizeof(size_t)};
    error = collection_change(session, to->data, to->size, SDB_TYPE_LIST, change_push, &push);
    if (!error)
        error = collection_change(session, from->data, from->size, SDB_TYPE_LIST, change_end, move);
    return error == SDB_ENOTFOUND ? SDB_ECONFLICT : error; /* it expired since it was looked at: from the beginning */
}

int sdb_list_move(struct sdb_session *session, const struct sdb_slice *source, enum sdb_list_end source_end,
                  const struct sdb_slice *destination, enum sdb_list_end destination_end, sdb_element_fn *visit, void *context)
{
    const struct sdb_slice keys[2] = {*source, *destination};
    struct move move = {.source = *source, .destination = *destination, .source_end = source_end, .destination_end = destination_end};
    int error;

    copies_begin(&move.copies);
    error = collection_together(session, keys, 2, run_move, &move);
    if (!error)
        copies_show(&move.copies, visit, context);
    copies_end(&move.copies);
    return error;
}
