/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * site.h - the places in the source that store, flush or fence
 *
 * Every use of a function of persist.h, in a build with the simulation backend, leaves a struct site in a section of
 * its own: so all of them are known, those that were never reached too.
 */
#ifndef SDB_CRASHTEST_SITE_H
#define SDB_CRASHTEST_SITE_H

#include <stdint.h>

enum site_kind { SITE_STORE = 0, SITE_FLUSH = 1, SITE_FENCE = 2, SITE_SYNC = 3 };

struct site {
    const char *file;
    const char *function;
    uint32_t line;
    uint32_t kind;
    uint64_t reached;
    uint64_t padding[4]; /* 64 bytes, whatever the alignment */
};

extern _Thread_local const struct site *site_here;

/* Notes that the calling thread is at this place. */
#define SITE_REACHED(what)                                                                                             \
    __extension__({                                                                                                    \
        static struct site site_ __attribute__((section("superdb_sites"), used, aligned(64))) = {                      \
            .file = __FILE__, .function = __func__, .line = __LINE__, .kind = (what)};                                 \
        __atomic_add_fetch(&site_.reached, 1, __ATOMIC_RELAXED);                                                       \
        site_here = &site_;                                                                                            \
    })

/* "lane.c:133", in a buffer of the caller's. */
const char *site_name(const struct site *site, char *buffer, unsigned size);

#endif
