/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pool_library.c - libraries of functions, which a server keeps in the pool: dump writes each as a piece, import puts one after another
 *
 * They are one value (library.h). A library that is imported takes the place of one of its name, as FUNCTION LOAD REPLACE does. Its code is
 * not run here: whether it can be, the server says in its log when it starts.
 */
#include "pool_library.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "library.h"

/* ---- dump ---------------------------------------------------------------------------------------------------------------- */

static void print_library(struct dump *dump, const char *code, size_t size)
{
    if (dump->options->format == TOOL_FORMAT_RESP) {
        (void)fputs("*4\r\n", stdout);
        dump_part(dump, "FUNCTION", 8);
        dump_part(dump, "LOAD", 4);
        dump_part(dump, "REPLACE", 7);
    } else {
        (void)fputs("library", stdout);
    }
    dump_part(dump, code, size);
    dump_end(dump);
}

int dump_libraries(struct dump *dump)
{
    struct sdb_view view;
    const char *code;
    size_t at = 0, size;
    int error = sdb_select(dump->session, SDB_DATABASE_SYSTEM);

    if (error == SDB_OK)
        error = sdb_view(dump->session, LIBRARY_KEY, LIBRARY_KEY_SIZE, &view);
    if (error != SDB_OK)
        return error == SDB_ENOTFOUND ? SDB_OK : error;
    while (library_next(view.data, view.size, &at, &code, &size))
        print_library(dump, code, size);
    sdb_view_release(dump->session, &view);
    return SDB_OK;
}

/* ---- import -------------------------------------------------------------------------------------------------------------- */

/* Copies the libraries of other names. Gives where the next one comes. */
static char *copy_others(char *to, const struct sdb_view *view, const char *name)
{
    char other[LIBRARY_NAME_SIZE], error[LIBRARY_ERROR_SIZE];
    const char *code;
    size_t at = 0, size;

    while (library_next(view->data, view->size, &at, &code, &size))
        if (!library_name(code, size, other, sizeof(other), error) || strcmp(other, name) != 0)
            to = library_put(to, code, size);
    return to;
}

/* The value with the library in it, in memory that the caller frees. */
static int join(const struct sdb_view *view, const struct sdb_slice *code, char **value, size_t *size)
{
    char name[LIBRARY_NAME_SIZE], error[LIBRARY_ERROR_SIZE];
    char *at;

    if (!library_name(code->data, code->size, name, sizeof(name), error))
        return SDB_EFORMAT;
    *value = malloc((view->size < LIBRARY_HEADER_SIZE ? LIBRARY_HEADER_SIZE : view->size) + LIBRARY_PREFIX_SIZE + code->size);
    if (*value == NULL)
        return SDB_ENOMEM;
    at = library_put_sequence(*value, library_sequence(view->data, view->size) + 1);
    at = copy_others(at, view, name);
    at = library_put(at, code->data, code->size);
    *size = (size_t)(at - *value);
    return SDB_OK;
}

int library_import(struct sdb_session *session, const struct sdb_slice *code, size_t *written)
{
    struct sdb_view view = {0};
    char *value = NULL;
    size_t size = 0;
    int error = sdb_select(session, SDB_DATABASE_SYSTEM);

    if (error == SDB_OK)
        error = sdb_view(session, LIBRARY_KEY, LIBRARY_KEY_SIZE, &view);
    if (error != SDB_OK && error != SDB_ENOTFOUND)
        return error;
    const bool is_there = error == SDB_OK;
    error = join(&view, code, &value, &size);
    if (is_there)
        sdb_view_release(session, &view);
    if (error == SDB_OK)
        error = sdb_set(session, LIBRARY_KEY, LIBRARY_KEY_SIZE, value, size, NULL);
    free(value);
    *written = size;
    return error;
}
