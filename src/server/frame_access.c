/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * frame_access.c - whether a user may make a request of the binary protocol: as the command that it counts as, with its keys
 *
 * Memory:  of frames of many an array of their entries, freed before return.
 */
#include <stdlib.h>
#include <string.h>

#include "acl.h"
#include "client.h"
#include "command.h"
#include "frame_commands.h"
#include "frame_reply.h"

#define NOTHING {"", 0} /* in the place of what permissions do not depend on */

/* The entries of a frame of many as arguments behind the command's name. Returns how many there are in all; 0: no memory. */
static int words_of_many(const struct wire_frame *frame, struct request_arg **words)
{
    const uint8_t opcode = wire_opcode(frame->header);
    const unsigned step = opcode == WIRE_SET_MANY ? 2 : 1;
    struct wire_cursor cursor = {0};

    *words = calloc((size_t)frame->count * step + 1, sizeof(**words));
    if (*words == NULL)
        return 0;
    for (uint32_t i = 0; i < frame->count; i++) {
        struct wire_entry entry = step == 2 ? wire_next_pair(frame, &cursor) : wire_next_key(frame, &cursor);

        (*words)[1 + (size_t)i * step] = (struct request_arg){entry.key, entry.key_size};
    }
    return (int)(frame->count * step + 1);
}

static enum acl_verdict ask(struct client *client, const struct wire_frame *frame, const struct command_slot *slot)
{
    const struct request_arg name = {slot->command->name, strlen(slot->command->name)};
    struct request_arg few[] = {name, {frame->key, frame->key_size}, NOTHING}, *many = NULL, *words = few;
    enum acl_verdict verdict = ACL_DENIED_COMMAND;
    const int arity = slot->command->arity;
    int count = arity >= 0 ? arity : -arity; /* 3 at most: of the commands in frame_kinds */

    switch (wire_opcode(frame->header)) {
    case WIRE_GET_MANY:
    case WIRE_SET_MANY:
    case WIRE_DELETE_MANY:
    case WIRE_HANDLE_MANY:
        count = words_of_many(frame, &many);
        if (count == 0)
            return ACL_DENIED_COMMAND;
        words = many;
        words[0] = name;
        break;
    default:
        if (!frame_kinds[wire_opcode(frame->header)].has_key)
            few[1] = (struct request_arg)NOTHING; /* a handle, or nothing at all */
        break;
    }
    (void)acl_allows(client, ACL_TOP_LEVEL, slot->command, slot->number, words, count, &verdict);
    free(many);
    return verdict;
}

int frame_is_allowed(struct client *client, const struct wire_frame *frame)
{
    const struct frame_kind *kind = &frame_kinds[wire_opcode(frame->header)];
    const struct command_slot *slot;
    enum acl_verdict verdict;

    if (kind->command == NULL || kind->without_auth || frame->status != 0)
        return 1;
    slot = command_slot_find(kind->command, strlen(kind->command));
    verdict = ask(client, frame, slot);
    if (verdict == ACL_ALLOWED)
        return 1;
    frame_reply_text(&client->reply, frame->header, WIRE_STATUS_PERMISSION,
                     verdict == ACL_DENIED_COMMAND ? "this user has no permissions to run this request"
                                                   : "this user has no permissions to access one of the keys");
    return 0;
}
