/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * cases.h - the commands of types that are measured: a line for each, and what has to be there before
 *
 * Commands are written as their words; these stand for what differs from one to the next:
 *   $k  a collection's number       $e  an element of it, by its number       $n  an element that no other command named
 *   $r  a position from which on 100 elements are to come                      $t  the last one of them
 *   $s  a score     $d  as $e, its number alone      $v  a value of 16 bytes  $x $y  a place: longitude, latitude
 * Elements are written with ten digits, so that every reply to a command has the same size in either server.
 */
#ifndef BENCH_CASES_H
#define BENCH_CASES_H

#include "keyspace.h"

#include <stddef.h>
#include <stdint.h>

#define CASE_WORDS_MAX 16u
#define CASE_REQUEST_MAX 1024u /* bytes of one command, all its words of the largest size */
#define CASE_RANGE 100u        /* elements in a range */

/* What a server is filled with: `keys` collections of `elements` each. */
struct fill {
    const char *name;
    const char *command; /* what stands before the elements */
    const char *element; /* the words of one of them */
    const char *after;   /* commands for each collection, when it is full, with semicolons between them; NULL: none */
    uint64_t keys, elements;
    uint64_t together; /* elements in one command */
    uint64_t first;    /* the first element's number */
};

enum case_flags {
    CASE_WRITES = 1u, /* durable where the server is */
    CASE_TAKES = 2u,  /* an element of the collection: it is filled anew before, and the run ends before it is empty */
    CASE_HEAVY = 4u, /* takes so long that few connections are enough */
};

struct type_case {
    const char *name;
    const char *type;
    const char *fill; /* by name; a second one behind a comma */
    const char *request;
    uint32_t flags;
};

extern const struct type_case type_cases[];
extern const size_t type_case_count;
extern const struct fill fills[];
extern const size_t fill_count;

/* The first fill that is named, up to a comma; NULL: there is none of this name. */
const struct fill *fill_find(const char *name);

/* Where the numbers come from. */
struct case_numbers {
    uint64_t key, element; /* of this command */
    uint64_t fresh;        /* the next $n */
    uint64_t state;        /* of random numbers */
};

/* A command's words, taken apart once. */
struct case_words {
    char text[256];
    const char *words[CASE_WORDS_MAX];
    uint32_t count;
};

/* text has at most CASE_WORDS_MAX words and 255 bytes. */
void case_words_split(struct case_words *words, const char *text);

/* Writes them as bulk strings; out has room for CASE_REQUEST_MAX bytes. Returns the size. */
size_t case_words_write(const struct case_words *words, const struct fill *fill, struct case_numbers *numbers, char *out);

/* A whole command: its header, and then its words. */
size_t case_command_write(const struct case_words *words, const struct fill *fill, struct case_numbers *numbers, char *out);

#endif
