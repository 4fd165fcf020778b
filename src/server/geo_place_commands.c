/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * geo_place_commands.c - GEOADD, GEODIST, GEOHASH, GEOPOS
 *
 * Commit:  GEOADD: one call to the store.
 * Threads: the client's own. Memory: many members: their slices.
 */
#include <stdio.h>
#include <stdlib.h>

#include "args.h"
#include "errors.h"
#include "geo_handlers.h"
#include "sorted_set_args.h"

/* ---- arguments and replies -------------------------------------------------------------------------------------------- */

int geo_get_place(struct client *client, const struct request_arg *args, struct geo_place *place)
{
    if (!sorted_set_get_score(client, &args[0], &place->longitude, NULL) ||
        !sorted_set_get_score(client, &args[1], &place->latitude, NULL))
        return 0;
    if (place->longitude >= -GEO_LONGITUDE_MAX && place->longitude <= GEO_LONGITUDE_MAX && place->latitude >= -GEO_LATITUDE_MAX &&
        place->latitude <= GEO_LATITUDE_MAX)
        return 1;
    reply_errorf(&client->reply, "invalid longitude,latitude pair %f,%f", place->longitude, place->latitude);
    return 0;
}

int geo_get_unit(struct client *client, const struct request_arg *arg, double *unit)
{
    static const struct {
        const char *name;
        double metres;
    } units[] = {{"m", 1}, {"km", 1000}, {"ft", 0.3048}, {"mi", 1609.34}};

    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++)
        if (args_is(arg, units[i].name)) {
            *unit = units[i].metres;
            return 1;
        }
    reply_error(&client->reply, "unsupported unit provided. please use M, KM, FT, MI");
    return 0;
}

/* Seventeen places behind the point, without the zeros at their end. */
static void reply_coordinate(struct reply *reply, double coordinate)
{
    char text[64];
    int size = snprintf(text, sizeof(text) - 2, "%.17Lf", (long double)coordinate);

    while (text[size - 1] == '0')
        size--;
    size -= text[size - 1] == '.';
    if (reply->protocol < 3) {
        reply_bulk(reply, text, (size_t)size);
        return;
    }
    reply_raw(reply, ",", 1);
    text[size] = '\r';
    text[size + 1] = '\n';
    reply_raw(reply, text, (size_t)size + 2);
}

void geo_reply_place(struct client *client, const struct geo_place *place)
{
    reply_array(&client->reply, 2);
    reply_coordinate(&client->reply, place->longitude);
    reply_coordinate(&client->reply, place->latitude);
}

void geo_reply_distance(struct client *client, double distance)
{
    char text[400];

    reply_bulk(&client->reply, text, (size_t)snprintf(text, sizeof(text), "%.4f", distance));
}

/* ---- GEOADD ----------------------------------------------------------------------------------------------------------- */

/* Triples from argv[at] on. 1, or 0 after an error reply. */
static int read_places(struct client *client, const struct request_arg *argv, int at, size_t count, struct sdb_member *members)
{
    struct geo_place place;

    for (size_t i = 0; i < count; i++, at += 3) {
        if (!geo_get_place(client, &argv[at], &place))
            return 0;
        members[i] = (struct sdb_member){args_slice(&argv[at + 2]), (double)geo_score(&place)};
    }
    return 1;
}

void geoadd_command(struct client *client, const struct request_arg *argv, int argc)
{
    size_t count, added = 0, changed = 0;
    struct sdb_member *members;
    int at = 2, tells_changed = 0, result;
    uint32_t flags = 0;

    for (; at < argc; at++) {
        if (args_is(&argv[at], "NX"))
            flags |= SDB_IF_ABSENT;
        else if (args_is(&argv[at], "XX"))
            flags |= SDB_IF_PRESENT;
        else if (args_is(&argv[at], "CH"))
            tells_changed = 1;
        else
            break;
    }
    if ((argc - at) % 3 != 0 || flags == ((uint32_t)SDB_IF_ABSENT | SDB_IF_PRESENT) || argc == at) {
        args_syntax_error(client);
        return;
    }
    count = (size_t)(argc - at) / 3;
    members = malloc(count * sizeof(*members));
    if (members != NULL && !read_places(client, argv, at, count, members)) {
        free(members);
        return;
    }
    result = members == NULL ? SDB_ENOMEM
                             : sdb_zset_add(client->session, argv[1].data, argv[1].size, members, count, flags, &added,
                                            tells_changed ? &changed : NULL);
    free(members);
    sorted_set_reply_integer(client, added + changed, result);
}

/* ---- looking ---------------------------------------------------------------------------------------------------------- */

struct pair {
    struct geo_place places[2];
    int count, found;
};

static int take_place(void *context, const struct sdb_element *element)
{
    struct pair *pair = context;

    pair->found += element->name.data != NULL;
    pair->places[pair->count++] = geo_place_of(element->score);
    return 0;
}

void geodist_command(struct client *client, const struct request_arg *argv, int argc)
{
    struct pair pair = {.count = 0};
    struct sdb_slice members[2];
    double unit = 1;
    int result;

    if (argc == 5 && !geo_get_unit(client, &argv[4], &unit))
        return;
    if (argc > 5) {
        args_syntax_error(client);
        return;
    }
    members[0] = args_slice(&argv[2]);
    members[1] = args_slice(&argv[3]);
    result = sdb_zset_score_many(client->session, argv[1].data, argv[1].size, members, 2, take_place, &pair);
    if (result != SDB_OK)
        command_reply_error(client, result);
    else if (pair.found < 2)
        reply_null(&client->reply);
    else
        geo_reply_distance(client, geo_distance(&pair.places[0], &pair.places[1]) / unit);
}

static int show_text(void *context, const struct sdb_element *element)
{
    struct client *client = context;
    char text[GEO_TEXT_SIZE];

    if (element->name.data == NULL) {
        reply_null(&client->reply);
    } else {
        geo_text(element->score, text);
        reply_bulk(&client->reply, text, sizeof(text));
    }
    return client->reply.failed;
}

static int show_place(void *context, const struct sdb_element *element)
{
    struct client *client = context;
    const struct geo_place place = geo_place_of(element->score);

    if (element->name.data == NULL)
        reply_null_array(&client->reply);
    else
        geo_reply_place(client, &place);
    return client->reply.failed;
}

static void show_members(struct client *client, const struct request_arg *argv, int argc, sdb_element_fn *show)
{
    const size_t mark = client->reply.size;
    struct args_slices members;
    int result = args_slices_take(&members, argv + 2, argc - 2);

    if (result == SDB_OK) {
        reply_array(&client->reply, members.count);
        result = sdb_zset_score_many(client->session, argv[1].data, argv[1].size, members.items, members.count, show, client);
        args_slices_free(&members);
    }
    if (result != SDB_OK)
        command_reply_error_instead(client, mark, result);
}

void geohash_command(struct client *client, const struct request_arg *argv, int argc)
{
    show_members(client, argv, argc, show_text);
}

void geopos_command(struct client *client, const struct request_arg *argv, int argc)
{
    show_members(client, argv, argc, show_place);
}
