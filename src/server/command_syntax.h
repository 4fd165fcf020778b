/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * command_syntax.h - a row's syntax, "key [EX seconds | PX milliseconds]", as the tree that COMMAND DOCS describes
 */
#ifndef SDB_SERVER_COMMAND_SYNTAX_H
#define SDB_SERVER_COMMAND_SYNTAX_H

#include <stdint.h>

#define SYNTAX_NODES_MAX 96
#define SYNTAX_NAME_SIZE 64

enum syntax_kind { SYNTAX_ARGUMENT, SYNTAX_TOKEN, SYNTAX_ONE_OF, SYNTAX_BLOCK };
enum syntax_flags { SYNTAX_OPTIONAL = 1u << 0, SYNTAX_MULTIPLE = 1u << 1, SYNTAX_MULTIPLE_TOKEN = 1u << 2 };

struct syntax_node {
    char name[SYNTAX_NAME_SIZE];
    char token[32]; /* "": none */
    uint8_t kind;   /* enum syntax_kind */
    uint8_t flags;  /* enum syntax_flags */
    int16_t child;  /* the first of an alternative's or a block's; -1: none */
    int16_t next;   /* the sibling; -1: none */
};

struct syntax {
    struct syntax_node nodes[SYNTAX_NODES_MAX];
    int count;
    int first; /* -1: no arguments */
};

/* Errors: -1: brackets do not match, or more nodes than there is room for. */
int syntax_parse(struct syntax *syntax, const char *text);

/* "key", "integer", "pure-token", ...: the type that COMMAND DOCS gives a node. */
const char *syntax_type(const struct syntax_node *node);

#endif
