/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * hash.c - hashes
 * Media:   through collections: the field's tree, or packed in the order in which fields came
 * Commit:  one for each call, or the group's or transaction's
 * Threads: the session's
 * Memory:  none
 */
#include "superdb/hash.h"

#include <string.h>

#include "arithmetic.h"
#include "collection.h"
#include "number.h"

/* -- storing -- */

struct set {
    const struct sdb_pair *fields;
    size_t count, added;
    uint32_t flags;
};

static int change_set(struct collection *collection, void *context)
{
    struct set *set = context;
    struct collection_place place;
    int error = SDB_OK;

    set->added = 0;
    for (size_t i = 0; i < set->count && set->flags & SDB_IF_ABSENT; i++) {
        error = collection_find(collection, set->fields[i].key.data, set->fields[i].key.size, &place);
        if (error != SDB_ENOTFOUND)
            return error ? error : SDB_ECONDITION;
        error = SDB_OK;
    }
    for (size_t i = 0; i < set->count && !error; i++) {
        const struct collection_element element = {.name = set->fields[i].key, .value = set->fields[i].value};
        bool added = false;

        error = collection_put(collection, &element, &added);
        set->added += added;
    }
    return error;
}

int sdb_hash_set(struct sdb_session *session, const void *key, size_t key_size, const struct sdb_pair *fields, size_t count,
                 uint32_t flags, size_t *added)
{
    struct set set = {fields, count, 0, flags};
    int error = collection_change(session, key, key_size, SDB_TYPE_HASH, change_set, &set);

    if (!error && added)
        *added = set.added;
    return error;
}

/* -- reading -- */

struct get {
    const struct sdb_slice *fields;
    size_t count;
    sdb_element_fn *visit;
    void *context;
};

static int look_get(struct collection *collection, void *context)
{
    const struct get *get = context;
    struct collection_place place;
    int error = SDB_OK, stop = 0;

    for (size_t i = 0; i < get->count && !error && !stop; i++) {
        struct collection_element element = {.value = {"", 0}};
        struct sdb_element shown = {.value = {"", 0}};

        error = collection_find(collection, get->fields[i].data, get->fields[i].size, &place);
        if (!error)
            error = collection_read(collection, &place, &element);
        if (!error)
            shown = (struct sdb_element){element.name, element.value, 0};
        if (!error || error == SDB_ENOTFOUND) {
            stop = get->visit(get->context, &shown);
            error = SDB_OK;
        }
    }
    return error;
}

int sdb_hash_get_many(struct sdb_session *session, const void *key, size_t key_size, const struct sdb_slice *fields, size_t count,
                      sdb_element_fn *visit, void *context)
{
    struct get get = {fields, count, visit, context};
    int error = collection_look(session, key, key_size, SDB_TYPE_HASH, look_get, &get), stop = 0;

    if (error != SDB_ENOTFOUND)
        return error;
    for (size_t i = 0; i < count && !stop; i++)
        stop = visit(context, &(struct sdb_element){.value = {"", 0}});
    return SDB_OK;
}

struct copy {
    void *buffer;
    size_t buffer_size, size;
    int found;
};

static int copy_value(void *context, const struct sdb_element *element)
{
    struct copy *copy = context;

    copy->found = element->name.data != NULL;
    copy->size = element->value.size;
    if (copy->buffer_size && copy->size)
        memcpy(copy->buffer, element->value.data, copy->size < copy->buffer_size ? copy->size : copy->buffer_size);
    return 0;
}

int sdb_hash_get(struct sdb_session *session, const void *key, size_t key_size, const void *field, size_t field_size, void *buffer,
                 size_t buffer_size, size_t *value_size)
{
    const struct sdb_slice name = {field, field_size};
    struct copy copy = {buffer, buffer_size, 0, 0};
    int error = sdb_hash_get_many(session, key, key_size, &name, 1, copy_value, &copy);

    if (!error && !copy.found)
        return SDB_ENOTFOUND;
    if (!error && value_size)
        *value_size = copy.size;
    return error;
}

/* -- deleting -- */

struct delete {
    const struct sdb_slice *fields;
    size_t count, deleted;
};

static int change_delete(struct collection *collection, void *context)
{
    struct delete *delete = context;
    struct collection_place place;
    int error = collection->count ? SDB_OK : SDB_ENOTFOUND;

    delete->deleted = 0;
    for (size_t i = 0; i < delete->count && !error && collection->count; i++) {
        error = collection_find(collection, delete->fields[i].data, delete->fields[i].size, &place);
        if (!error) {
            error = collection_take(collection, &place);
            delete->deleted++;
        } else if (error == SDB_ENOTFOUND) {
            error = SDB_OK;
        }
    }
    return error;
}

int sdb_hash_delete(struct sdb_session *session, const void *key, size_t key_size, const struct sdb_slice *fields, size_t count,
                    size_t *deleted)
{
    struct delete delete = {fields, count, 0};
    int error = collection_change(session, key, key_size, SDB_TYPE_HASH, change_delete, &delete);

    if (!error && deleted)
        *deleted = delete.deleted;
    return error;
}

/* -- arithmetic -- */

struct add {
    struct sdb_slice field;
    bool is_float;
    int64_t delta, result;
    long double delta_float;
    char *text;
    size_t size;
};

static int compute(struct add *add, bool exists, const struct sdb_slice *value)
{
    long double number = 0;
    int64_t integer = 0;

    if (add->is_float) {
        if (exists && !arithmetic_parse_float(value->data, value->size, &number))
            return SDB_ENOTFLOAT;
        return arithmetic_format_float(number + add->delta_float, add->text, &add->size);
    }
    if (exists && !number_parse_i64(value->data, value->size, &integer))
        return SDB_ENOTINT;
    if (__builtin_add_overflow(integer, add->delta, &add->result))
        return SDB_EOVERFLOW;
    add->size = number_format_i64(add->text, add->result);
    return SDB_OK;
}

static int change_add(struct collection *collection, void *context)
{
    struct add *add = context;
    struct collection_element old = {.value = {"", 0}};
    struct collection_place place;
    int error = collection_find(collection, add->field.data, add->field.size, &place);
    const bool exists = error == SDB_OK;

    if (exists)
        error = collection_read(collection, &place, &old);
    else if (error == SDB_ENOTFOUND)
        error = SDB_OK;
    if (!error)
        error = compute(add, exists, &old.value);
    if (error)
        return error;
    return collection_put(collection, &(struct collection_element){.name = add->field, .value = {add->text, add->size}}, NULL);
}

int sdb_hash_add(struct sdb_session *session, const void *key, size_t key_size, const void *field, size_t field_size, int64_t delta,
                 int64_t *result)
{
    char text[NUMBER_TEXT_SIZE];
    struct add add = {.field = {field, field_size}, .delta = delta, .text = text};
    int error = collection_change(session, key, key_size, SDB_TYPE_HASH, change_add, &add);

    if (!error && result)
        *result = add.result;
    return error;
}

int sdb_hash_add_float(struct sdb_session *session, const void *key, size_t key_size, const void *field, size_t field_size,
                       long double delta, char *text, size_t *text_size)
{
    struct add add = {.field = {field, field_size}, .is_float = true, .delta_float = delta, .text = text};
    int error = collection_change(session, key, key_size, SDB_TYPE_HASH, change_add, &add);

    if (!error)
        *text_size = add.size;
    return error;
}
