/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * fuzz_acl.c - the rules of a user: any words are taken or refused, and what a user says of itself makes the same user
 *
 * Input: rules, a line each, for one user; behind an empty line requests, a line each with blanks between the words.
 */
#include <stdbool.h>

#include "acl_rules.h"
#include "acl_user.h"
#include "command.h"
#include "command_table.h"
#include "fuzz.h"
#include "reply.h"

#define WORDS_MAX 16
#define PREFIX "user u "

/* The next line of the text; false: there is none. */
static bool take_line(struct fuzz_input *text, struct request_arg *line)
{
    const uint8_t *end = text->size > 0 ? memchr(text->data, '\n', text->size) : NULL;
    size_t size = end != NULL ? (size_t)(end - text->data) : text->size;

    if (text->size == 0)
        return false;
    *line = (struct request_arg){(const char *)text->data, size};
    size += end != NULL;
    text->data += size;
    text->size -= size;
    return true;
}

static int split(const struct request_arg *line, struct request_arg words[WORDS_MAX])
{
    int count = 0;

    for (size_t at = 0; at <= line->size && count < WORDS_MAX; count++) {
        const char *start = line->data + at, *blank = memchr(start, ' ', line->size - at);
        size_t size = blank != NULL ? (size_t)(blank - start) : line->size - at;

        words[count] = (struct request_arg){start, size};
        at += size + 1;
    }
    return count;
}

static void describe(const struct acl_user *user, struct reply *text)
{
    reply_init(text);
    acl_user_describe(user, text);
    FUZZ_CHECK(!text->failed && text->size > strlen(PREFIX), "%zu", text->size);
}

/* A user of the rules that describe another. */
static struct acl_user *again(const struct reply *text)
{
    struct acl_user *user = acl_user_new("u", 1);
    char error[512] = "", *line = strndup(text->data + strlen(PREFIX), text->size - strlen(PREFIX));
    struct acl_errors errors = {error, sizeof(error), 0};

    FUZZ_CHECK(user != NULL && line != NULL, "memory");
    acl_rules_apply_line(user, line, "text", 1, &errors);
    FUZZ_CHECK(errors.count == 0, "%s of %.*s", error, (int)text->size, text->data);
    free(line);
    return user;
}

/* Two users that say the same of themselves may do the same. */
static void ask(const struct acl_user *user, const struct acl_user *same, struct fuzz_input *requests)
{
    struct request_arg line, words[WORDS_MAX];

    while (take_line(requests, &line)) {
        int count = split(&line, words), position[2];
        const struct command_slot *slot = command_slot_find(words[0].data, words[0].size);

        if (slot == NULL || !command_arity_fits(slot->command, count))
            continue;
        FUZZ_CHECK(acl_user_check(user, slot->command, slot->number, words, count, &position[0]) ==
                       acl_user_check(same, slot->command, slot->number, words, count, &position[1]),
                   "%.*s", (int)line.size, line.data);
        FUZZ_CHECK(position[0] >= 0 && position[0] < count, "%d", position[0]);
        FUZZ_CHECK(!acl_user_is_open(user) ||
                       acl_user_check(user, slot->command, slot->number, words, count, &position[0]) == ACL_ALLOWED,
                   "%.*s", (int)line.size, line.data);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static bool ready;
    struct fuzz_input text = {data, size};
    struct acl_user *user, *same;
    struct reply before, after;
    struct request_arg rule;

    if (!ready)
        FUZZ_CHECK(commands_init() == 0, "the table of commands");
    ready = true;
    user = acl_user_new("u", 1);
    FUZZ_CHECK(user != NULL, "memory");
    while (take_line(&text, &rule) && rule.size > 0)
        (void)acl_user_apply(user, rule.data, rule.size);
    describe(user, &before);
    same = again(&before);
    describe(same, &after);
    FUZZ_CHECK(before.size == after.size && memcmp(before.data, after.data, before.size) == 0, "\n%.*s\n%.*s", (int)before.size,
               before.data, (int)after.size, after.data);
    ask(user, same, &text);
    acl_user_release(same);
    acl_user_release(user);
    reply_free(&before);
    reply_free(&after);
    return 0;
}
