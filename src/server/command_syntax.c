/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * command_syntax.c - parses the syntax of a command's arguments
 *
 *     sequence     = item*
 *     item         = WORD [argument | group] | argument | group
 *     group        = '[' alternatives ']' (optional) | '<' alternatives '>'
 *     alternatives = sequence ('|' sequence)*, with "..." at the end where it repeats
 *
 * "key [key ...]" is one argument that repeats, "key value [key value ...]" a block that does.
 */
#include "command_syntax.h"

#include <stdio.h>
#include <string.h>

struct parser {
    struct syntax *syntax;
    const char *at;
    int repeats; /* "..." was read in the present group */
    int failed;
};

static int parse_sequence(struct parser *parser);

static int new_node(struct parser *parser, enum syntax_kind kind, const char *name, size_t size)
{
    struct syntax *syntax = parser->syntax;
    struct syntax_node *node;

    if (syntax->count == SYNTAX_NODES_MAX) {
        parser->failed = 1;
        return -1;
    }
    node = &syntax->nodes[syntax->count];
    memset(node, 0, sizeof(*node));
    node->kind = (uint8_t)kind;
    node->child = node->next = -1;
    if (size >= sizeof(node->name))
        size = sizeof(node->name) - 1;
    for (size_t i = 0; i < size; i++)
        node->name[i] = (char)(kind == SYNTAX_TOKEN && name[i] >= 'A' && name[i] <= 'Z' ? name[i] + 32 : name[i]);
    return syntax->count++;
}

static void set_token(struct syntax_node *node, const char *token, size_t size)
{
    if (size >= sizeof(node->token))
        size = sizeof(node->token) - 1;
    memcpy(node->token, token, size);
    node->token[size] = '\0';
}

static void skip_blanks(struct parser *parser)
{
    while (*parser->at == ' ')
        parser->at++;
}

static size_t word_size(const char *at)
{
    return strcspn(at, " []<>|");
}

static int is_token(const char *word, size_t size)
{
    int letters = 0;

    for (size_t i = 0; i < size; i++) {
        if (word[i] >= 'a' && word[i] <= 'z')
            return 0;
        letters |= word[i] >= 'A' && word[i] <= 'Z';
    }
    return letters;
}

static int last_of(const struct syntax *syntax, int first)
{
    while (syntax->nodes[first].next >= 0)
        first = syntax->nodes[first].next;
    return first;
}

static int length_of(const struct syntax *syntax, int first)
{
    int length = 0;

    for (; first >= 0; first = syntax->nodes[first].next)
        length++;
    return length;
}

/* The children's names, joined, as a group has none of its own; well-known ones where tools expect them. */
static void name_group(struct syntax *syntax, int group)
{
    struct syntax_node *node = &syntax->nodes[group];
    size_t at = 0;

    for (int child = node->child; child >= 0 && at < sizeof(node->name) - 1; child = syntax->nodes[child].next) {
        int size = snprintf(node->name + at, sizeof(node->name) - at, at > 0 ? "_%s" : "%s", syntax->nodes[child].name);
        at += (size_t)size;
    }
    if (strncmp(node->name, "nx_xx", 5) == 0)
        memcpy(node->name, "condition", sizeof("condition"));
    else if (strncmp(node->name, "seconds_milliseconds_unix", 25) == 0)
        memcpy(node->name, "expiration", sizeof("expiration"));
}

/* Several nodes become one. A token in front of the first is the block's: AUTH username password. */
static int wrap(struct parser *parser, int first)
{
    struct syntax *syntax = parser->syntax;
    int block;

    if (first < 0 || syntax->nodes[first].next < 0)
        return first;
    block = new_node(parser, SYNTAX_BLOCK, "", 0);
    if (block < 0)
        return first;
    syntax->nodes[block].child = (int16_t)first;
    memcpy(syntax->nodes[block].token, syntax->nodes[first].token, sizeof(syntax->nodes[first].token));
    if (syntax->nodes[first].kind == SYNTAX_ARGUMENT)
        syntax->nodes[first].token[0] = '\0';
    else
        syntax->nodes[block].token[0] = '\0';
    name_group(syntax, block);
    return block;
}

/* What stands between brackets, up to `close`. One node, or -1. */
static int parse_alternatives(struct parser *parser, char close, int *repeats)
{
    struct syntax *syntax = parser->syntax;
    int outer = parser->repeats, first = -1, last = -1, count = 0, group;

    parser->repeats = 0;
    for (;;) {
        int alternative = wrap(parser, parse_sequence(parser));
        if (alternative >= 0) {
            if (first < 0)
                first = alternative;
            else
                syntax->nodes[last].next = (int16_t)alternative;
            last = alternative;
            count++;
        }
        skip_blanks(parser);
        if (*parser->at != '|')
            break;
        parser->at++;
    }
    if (*parser->at == close)
        parser->at++;
    else
        parser->failed = 1;
    *repeats = parser->repeats;
    parser->repeats = outer;
    if (count <= 1)
        return first;
    group = new_node(parser, SYNTAX_ONE_OF, "", 0);
    if (group < 0)
        return -1;
    syntax->nodes[group].child = (int16_t)first;
    name_group(syntax, group);
    return group;
}

/* "ID id [id ...]" repeats the argument, "PREFIX prefix [PREFIX prefix ...]" the token too. */
static int same(const struct syntax *syntax, int a, int b)
{
    return strcmp(syntax->nodes[a].name, syntax->nodes[b].name) == 0 &&
           (syntax->nodes[b].token[0] == '\0' || strcmp(syntax->nodes[a].token, syntax->nodes[b].token) == 0);
}

/*
 * "[key value ...]" behind "key value": the last nodes of the sequence become one that repeats, and the bracket's
 * copy of them is dropped. 1 where that was so.
 */
static int join_repetition(struct parser *parser, int *first, int group)
{
    struct syntax *syntax = parser->syntax;
    int copy = syntax->nodes[group].kind == SYNTAX_BLOCK ? syntax->nodes[group].child : group;
    int size = length_of(syntax, copy), total = length_of(syntax, *first), at = *first, before = -1, block;

    if (syntax->nodes[group].kind != SYNTAX_BLOCK)
        size = 1;
    if (size > total)
        return 0;
    for (int i = 0; i < total - size; i++) {
        before = at;
        at = syntax->nodes[at].next;
    }
    if (size == 1 ? !same(syntax, at, group) : strcmp(syntax->nodes[at].name, syntax->nodes[copy].name) != 0)
        return 0;
    block = wrap(parser, at);
    syntax->nodes[block].flags |= SYNTAX_MULTIPLE;
    if (syntax->nodes[group].token[0] != '\0')
        syntax->nodes[block].flags |= SYNTAX_MULTIPLE_TOKEN;
    if (before >= 0)
        syntax->nodes[before].next = (int16_t)block;
    else
        *first = block;
    return 1;
}

/* Appends a bracket's node to the sequence. */
static void parse_group(struct parser *parser, int *first, const char *token, size_t token_size)
{
    struct syntax *syntax = parser->syntax;
    char open = *parser->at++;
    int repeats = 0, group = parse_alternatives(parser, open == '[' ? ']' : '>', &repeats);

    if (group < 0)
        return;
    if (token != NULL)
        set_token(&syntax->nodes[group], token, token_size);
    if (repeats && *first >= 0 && join_repetition(parser, first, group))
        return;
    syntax->nodes[group].flags |= (uint8_t)((open == '[' ? SYNTAX_OPTIONAL : 0u) | (repeats ? SYNTAX_MULTIPLE : 0u));
    if (*first < 0)
        *first = group;
    else
        syntax->nodes[last_of(syntax, *first)].next = (int16_t)group;
}

static void append_word(struct parser *parser, int *first)
{
    struct syntax *syntax = parser->syntax;
    const char *word = parser->at, *token = NULL;
    size_t size = word_size(word), token_size = 0;
    int node;

    parser->at += size;
    if (is_token(word, size)) {
        token = word;
        token_size = size;
        skip_blanks(parser);
        if (*parser->at == '<') {
            parse_group(parser, first, token, token_size);
            return;
        }
        size = word_size(parser->at);
        word = parser->at;
        if (size == 0 || is_token(word, size) || strncmp(word, "...", 3) == 0)
            word = NULL;
        else
            parser->at += size;
    }
    node = word != NULL ? new_node(parser, SYNTAX_ARGUMENT, word, size)
                        : new_node(parser, SYNTAX_TOKEN, token, token_size);
    if (node < 0)
        return;
    if (token != NULL)
        set_token(&syntax->nodes[node], token, token_size);
    if (*first < 0)
        *first = node;
    else
        syntax->nodes[last_of(syntax, *first)].next = (int16_t)node;
}

static int parse_sequence(struct parser *parser)
{
    int first = -1;

    for (;;) {
        skip_blanks(parser);
        if (*parser->at == '\0' || strchr("|]>", *parser->at) != NULL || parser->failed)
            return first;
        if (strncmp(parser->at, "...", 3) == 0) {
            parser->repeats = 1;
            parser->at += 3;
        } else if (*parser->at == '[' || *parser->at == '<') {
            parse_group(parser, &first, NULL, 0);
        } else {
            append_word(parser, &first);
        }
    }
}

int syntax_parse(struct syntax *syntax, const char *text)
{
    struct parser parser = {syntax, text != NULL ? text : "", 0, 0};

    syntax->count = 0;
    syntax->first = parse_sequence(&parser);
    return parser.failed || *parser.at != '\0' ? -1 : 0;
}

static int is_one_of(const char *name, const char *const *names)
{
    for (; *names != NULL; names++)
        if (strcmp(name, *names) == 0)
            return 1;
    return 0;
}

const char *syntax_type(const struct syntax_node *node)
{
    static const char *const keys[] = {"key", "key1", "key2", "newkey", "source", "destination", "destkey", NULL};
    static const char *const integers[] = {"start",         "end",     "offset",    "index",          "seconds",
                                           "milliseconds",  "count",   "db",        "destination-db", "decrement",
                                           "bit",           "timeout", "client-id", "cursor",         "numreplicas",
                                           "min-match-len", "index1",  "index2",    "protover",       "handle",
                                           "version",       NULL};

    switch ((enum syntax_kind)node->kind) {
    case SYNTAX_TOKEN:
        return "pure-token";
    case SYNTAX_ONE_OF:
        return "oneof";
    case SYNTAX_BLOCK:
        return "block";
    case SYNTAX_ARGUMENT:
        break;
    }
    if (is_one_of(node->name, keys))
        return "key";
    if (is_one_of(node->name, integers))
        return "integer";
    if (strcmp(node->name, "pattern") == 0)
        return "pattern";
    return strncmp(node->name, "unix-time", 9) == 0 ? "unix-time" : "string";
}
