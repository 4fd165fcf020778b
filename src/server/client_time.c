/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * client_time.c - the time of a turn of the loop
 * Threads: each has its own.
 */
#include "client.h"
#include "clock.h"

static __thread int64_t turn_ms;

int64_t client_now_ms(const struct client *client)
{
    (void)client; /* its worker is the calling thread */
    return turn_ms != 0 ? turn_ms : clock_ms();
}

void client_set_now_ms(int64_t now_ms)
{
    turn_ms = now_ms;
}
