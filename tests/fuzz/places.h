/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * places.h - where the words of a pool's image stand, by kind, and how to change one so that its checksum fits again
 *
 * Random bytes never get past a check word. So an input names a place by kind and number and says what its value becomes, and
 * the check is made anew: code behind the checks is reached, with values that no writer ever wrote.
 */
#ifndef SDB_TESTS_PLACES_H
#define SDB_TESTS_PLACES_H

#include "fuzz.h"
#include "image.h"
#include "layout.h"

enum place_kind {
    PLACE_SUPERBLOCK, /* the words of both copies */
    PLACE_ROOT,
    PLACE_SHARD,
    PLACE_MAP,
    PLACE_EXTENT, /* an extent's magic and shard words */
    PLACE_PAGE,
    PLACE_BITMAP,
    PLACE_DIRECTORY,
    PLACE_INDEX,
    PLACE_ENTRY, /* 32 bytes */
    PLACE_BLOB,
    PLACE_LANE,
    PLACE_COUNTERS,
    PLACE_TREE, /* the words of a collection's header */
    PLACE_NODE, /* head and owner of each of its nodes */
    PLACE_SLOT, /* sum, slots, records and elements in them: without a check of their own */
    PLACE_KINDS
};

struct place {
    uint64_t offset;
    uint64_t owner; /* PLACE_BLOB: the entry that refers to it */
    unsigned word;  /* and which of its words does */
};

struct places {
    struct place *items[PLACE_KINDS];
    size_t count[PLACE_KINDS], capacity[PLACE_KINDS];
    struct sdb_m_superblock superblock;
};

/* Finds them in the image as it was at first. */
void places_find(struct places *places, const struct image *image);

/* The i-th place of a kind, counted round; NULL: there is none. */
const struct place *place_at(const struct places *places, unsigned kind, uint64_t index);

/* What a word of this kind with this value looks like at an offset: with the right check. */
uint64_t place_word(unsigned kind, uint64_t value, uint64_t offset);

/*
 * Takes one change of the image from the input: [kind 1 | how 1 | index 2 | value 8]. how: 0 exclusive or, 1 set, 2 add, 3 take
 * another place's value; +8: the check is left as it was; bits 4 and 5: which word of an entry. Kinds from 240 on: one byte is changed
 * by exclusive or, of the place whose kind is the value's lowest byte, or anywhere (255); *at is its offset. Returns 1 where the check
 * was made anew, or may fit by chance.
 */
int places_patch(const struct places *places, struct image *image, struct fuzz_input *input, uint64_t *at);

#endif
