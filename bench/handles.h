/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * handles.h - the handles of all keys, as the server gives them
 */
#ifndef BENCH_HANDLES_H
#define BENCH_HANDLES_H

#include "network_options.h"

/* Asks for them: an array of options->keys, or NULL after a message. Owner: the caller frees it. */
uint64_t *handles_fetch(const struct network_options *options);

#endif
