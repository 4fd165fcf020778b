/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * clock.h - the time of day and a stop-watch
 */
#ifndef SDB_BASE_CLOCK_H
#define SDB_BASE_CLOCK_H

#include <stdint.h>

/* Milliseconds since 1970 by the system's clock, which may be set back. 20 ns or so. */
int64_t clock_ms(void);

/* Microseconds since 1970, likewise. */
int64_t clock_us(void);

/* Nanoseconds that never run backwards, from an arbitrary beginning. 20 ns or so. */
uint64_t clock_ns(void);

#endif
