/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * bit_handlers.h - the handlers behind the rows of bit_commands.c
 */
#ifndef SDB_SERVER_BIT_HANDLERS_H
#define SDB_SERVER_BIT_HANDLERS_H

#include <stdint.h>

#include "command.h"

/* bit_commands.c */
command_handler setbit_command, getbit_command, bitcount_command, bitpos_command, bitop_command;

/* bitfield_commands.c */
command_handler bitfield_command, bitfield_ro_command;

/*
 * Reads the offset of a bit. field_bits is not 0: "#2" stands for the third field of so many bits. 1, or 0 after an
 * error reply: it is no integer, negative, or beyond the largest value.
 */
int bit_offset_get(struct client *client, const struct request_arg *arg, unsigned field_bits, uint64_t *offset);

#endif
