/* SPDX-License-Identifier: BSD-3-Clause */
/* simulated_domain.h - what a crash test asks of the simulated persistence domain */
#ifndef SDB_TESTS_SIMULATED_DOMAIN_H
#define SDB_TESTS_SIMULATED_DOMAIN_H

#include <stdint.h>

struct simulated_domain {
    uint8_t *base; /* NULL: nothing is simulated */
    uint64_t size;
    uint64_t fences;
    void (*at_fence)(void *context); /* called before the fence takes effect: the moment with the most possible images */
    void *context;
};
extern struct simulated_domain simulated;

/* Everything that is in the mapping at this moment counts as durable. */
void simulated_begin(uint8_t *base, uint64_t size);
void simulated_end(void);

/*
 * One legal crash image of this moment. mode 0: nothing was evicted; 1: everything; 2: a random prefix of each line's stores;
 * 3: mostly all or nothing of each line.
 */
void simulated_image(uint8_t *image, uint64_t *random, unsigned mode);

#endif
