/* SPDX-License-Identifier: BSD-3-Clause */
/* config_words.h - words of the configuration as numbers */
#ifndef SDB_SERVER_CONFIG_WORDS_H
#define SDB_SERVER_CONFIG_WORDS_H

#include <stdint.h>

/* "10mb" to bytes. Errors: -1. */
int config_parse_size(const char *text, int64_t *size);

/* A whole number, and nothing else. Errors: -1. */
int config_parse_number(const char *text, int base, int64_t *number);

#endif
