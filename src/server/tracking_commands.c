/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * tracking_commands.c - CLIENT TRACKING, TRACKINGINFO, CACHING, GETREDIR
 * Threads: the client's worker
 */
#include "tracking_commands.h"

#include <string.h>

#include "args.h"
#include "client.h"
#include "client_list.h"
#include "command_help.h"
#include "tracking.h"
#include "worker.h"

#define PREFIXES_MAX 256 /* in one command */

/* What the words of CLIENT TRACKING ask for. */
struct wish {
    uint32_t flags;
    int64_t redirect;
    unsigned redirect_worker;
    struct request_arg prefixes[PREFIXES_MAX];
    size_t count;
};

/* ---- options ---------------------------------------------------------------------------------------------------------- */

struct search {
    uint64_t id;
    int found;
    unsigned worker;
};

static int is_it(void *context, const struct client *client)
{
    struct search *search = context;

    if (client->id != search->id || (client->flags & CLIENT_KILLED) != 0)
        return 0;
    search->found = 1;
    search->worker = client->worker->number;
    return 1;
}

/* 0 after the reply. */
static int take_redirect(struct client *client, struct wish *wish, const struct request_arg *arg)
{
    struct search search = {0};

    if (wish->redirect != 0) {
        reply_error(&client->reply, "A client can only redirect to a single other client");
        return 0;
    }
    if (!command_get_integer(client, arg, INT64_MIN, INT64_MAX, NULL, &wish->redirect))
        return 0;
    search.id = (uint64_t)wish->redirect;
    client_list_each(client, is_it, &search);
    if (!search.found) {
        reply_error(&client->reply, "The client ID you want redirect to does not exist");
        return 0;
    }
    wish->redirect_worker = search.worker;
    return 1;
}

static uint32_t flag_of(const struct request_arg *arg)
{
    return args_is(arg, "BCAST") ? TRACKING_BCAST : args_is(arg, "OPTIN") ? TRACKING_OPTIN : args_is(arg, "OPTOUT") ? TRACKING_OPTOUT
           : args_is(arg, "NOLOOP") ? TRACKING_NOLOOP
                                    : 0;
}

/* 0 after the reply. */
static int take_words(struct client *client, struct wish *wish, const struct request_arg *argv, int argc)
{
    for (int i = 3; i < argc; i++) {
        const uint32_t flag = flag_of(&argv[i]);

        if (flag != 0) {
            wish->flags |= flag;
        } else if (args_is(&argv[i], "REDIRECT") && i + 1 < argc) {
            if (!take_redirect(client, wish, &argv[++i]))
                return 0;
        } else if (args_is(&argv[i], "PREFIX") && i + 1 < argc && wish->count < PREFIXES_MAX) {
            wish->prefixes[wish->count++] = argv[++i];
        } else {
            command_syntax_error(client);
            return 0;
        }
    }
    return 1;
}

/* ---- what does not go together ---------------------------------------------------------------------------------------- */

static const char *conflict_of_modes(const struct client *client, const struct wish *wish)
{
    const uint32_t now = client->tracking == NULL ? 0 : client->tracking->flags, flags = wish->flags;
    const uint32_t both = TRACKING_OPTIN | TRACKING_OPTOUT;

    if ((flags & TRACKING_BCAST) == 0 && wish->count > 0)
        return "PREFIX option requires BCAST mode to be enabled";
    if (client->tracking != NULL && ((now ^ flags) & TRACKING_BCAST) != 0)
        return "You can't switch BCAST mode on/off before disabling tracking for this client, and then re-enabling it with a "
               "different mode.";
    if ((flags & TRACKING_BCAST) != 0 && (flags & both) != 0)
        return "OPTIN and OPTOUT are not compatible with BCAST";
    if ((flags & both) == both)
        return "You can't specify both OPTIN mode and OPTOUT mode";
    if (((flags & TRACKING_OPTIN) != 0 && (now & TRACKING_OPTOUT) != 0) || ((flags & TRACKING_OPTOUT) != 0 && (now & TRACKING_OPTIN) != 0))
        return "You can't switch OPTIN/OPTOUT mode before disabling tracking for this client, and then re-enabling it with a "
               "different mode.";
    return NULL;
}

static int overlap(const void *a, size_t a_size, const void *b, size_t b_size)
{
    const size_t least = a_size < b_size ? a_size : b_size;

    return least == 0 || memcmp(a, b, least) == 0;
}

/* 0 after the reply. */
static int prefixes_fit(struct client *client, const struct wish *wish)
{
    const struct tracking *tracking = client->tracking;

    for (size_t i = 0; i < wish->count; i++) {
        const struct request_arg *prefix = &wish->prefixes[i];

        for (size_t j = 0; tracking != NULL && j < tracking->prefix_count; j++) {
            const struct sdb_slice *old = &tracking->prefixes[j];

            if (!overlap(prefix->data, prefix->size, old->data, old->size))
                continue;
            reply_errorf(&client->reply,
                         "Prefix '%.*s' overlaps with an existing prefix '%.*s'. Prefixes for a single client must not overlap.",
                         (int)prefix->size, prefix->data, (int)old->size, (const char *)old->data);
            return 0;
        }
        for (size_t j = i + 1; j < wish->count; j++) {
            const struct request_arg *other = &wish->prefixes[j];

            if (!overlap(prefix->data, prefix->size, other->data, other->size))
                continue;
            reply_errorf(&client->reply,
                         "Prefix '%.*s' overlaps with another provided prefix '%.*s'. Prefixes for a single client must not overlap.",
                         (int)prefix->size, prefix->data, (int)other->size, other->data);
            return 0;
        }
    }
    return 1;
}

/* ---- commands --------------------------------------------------------------------------------------------------------- */

void client_tracking(struct client *client, const struct request_arg *argv, int argc)
{
    struct wish wish = {0};
    const char *conflict;

    if (!take_words(client, &wish, argv, argc))
        return;
    if (args_is(&argv[2], "OFF")) {
        tracking_disable(client);
    } else if (!args_is(&argv[2], "ON")) {
        command_syntax_error(client);
        return;
    } else if ((conflict = conflict_of_modes(client, &wish)) != NULL) {
        reply_error(&client->reply, conflict);
        return;
    } else if (!prefixes_fit(client, &wish)) {
        return;
    } else if (client->worker == NULL || !tracking_enable(client, wish.flags, (uint64_t)wish.redirect, wish.redirect_worker,
                                                          wish.prefixes, wish.count)) {
        reply_error(&client->reply, "-OOM out of memory");
        return;
    }
    reply_ok(&client->reply);
}

void client_caching(struct client *client, const struct request_arg *argv, int argc)
{
    struct tracking *tracking = client->tracking;

    (void)argc;
    if (tracking == NULL) {
        reply_error(&client->reply, "CLIENT CACHING can be called only when the client is in tracking mode with OPTIN or OPTOUT mode enabled");
    } else if (args_is(&argv[2], "YES")) {
        if ((tracking->flags & TRACKING_OPTIN) == 0) {
            reply_error(&client->reply, "CLIENT CACHING YES is only valid when tracking is enabled in OPTIN mode.");
            return;
        }
        tracking->flags |= TRACKING_CACHING;
        reply_ok(&client->reply);
    } else if (args_is(&argv[2], "NO")) {
        if ((tracking->flags & TRACKING_OPTOUT) == 0) {
            reply_error(&client->reply, "CLIENT CACHING NO is only valid when tracking is enabled in OPTOUT mode.");
            return;
        }
        tracking->flags |= TRACKING_CACHING;
        reply_ok(&client->reply);
    } else {
        command_syntax_error(client);
    }
}

void client_getredir(struct client *client, const struct request_arg *argv, int argc)
{
    (void)argv;
    (void)argc;
    reply_integer(&client->reply, client->tracking == NULL ? -1 : (int64_t)client->tracking->redirect);
}

/* The words that CLIENT TRACKINGINFO shows. Returns how many. */
static size_t words_of(const struct tracking *tracking, const char *words[6])
{
    const uint32_t flags = tracking == NULL ? 0 : tracking->flags;
    size_t count = 0;

    words[count++] = tracking == NULL ? "off" : "on";
    if ((flags & TRACKING_BCAST) != 0)
        words[count++] = "bcast";
    if ((flags & TRACKING_OPTIN) != 0)
        words[count++] = "optin";
    if ((flags & TRACKING_OPTOUT) != 0)
        words[count++] = "optout";
    if ((flags & TRACKING_CACHING) != 0)
        words[count++] = (flags & TRACKING_OPTIN) != 0 ? "caching-yes" : "caching-no";
    if ((flags & TRACKING_NOLOOP) != 0)
        words[count++] = "noloop";
    if ((flags & TRACKING_BROKEN) != 0)
        words[count++] = "broken_redirect";
    return count;
}

void client_trackinginfo(struct client *client, const struct request_arg *argv, int argc)
{
    const struct tracking *tracking = client->tracking;
    struct reply *reply = &client->reply;
    const char *words[6];
    const size_t count = words_of(tracking, words);

    (void)argv;
    (void)argc;
    reply_map(reply, 3);
    reply_bulk_text(reply, "flags");
    reply_set(reply, count);
    for (size_t i = 0; i < count; i++)
        reply_bulk_text(reply, words[i]);
    reply_bulk_text(reply, "redirect");
    reply_integer(reply, tracking == NULL ? -1 : (int64_t)tracking->redirect);
    reply_bulk_text(reply, "prefixes");
    reply_array(reply, tracking == NULL ? 0 : tracking->prefix_count);
    for (size_t i = 0; tracking != NULL && i < tracking->prefix_count; i++)
        reply_bulk(reply, tracking->prefixes[i].data, tracking->prefixes[i].size);
}
