/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * preload.h - fills a server with keys, and compares what it holds with what it ought to hold
 */
#ifndef BENCH_PRELOAD_H
#define BENCH_PRELOAD_H

#include "network_options.h"

/* Sets every key, in order, on one connection. 0, or -1 after a message. */
int preload(const struct network_options *options);

/*
 * Gets options->verify keys, spread over all of them, and compares every byte of the replies. *wrong says how many are not
 * what a SET of this program wrote. 0, or -1 after a message.
 */
int verify(const struct network_options *options, uint64_t *wrong);

#endif
