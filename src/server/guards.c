/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * guards.c - the word
 */
#include "guards.h"

uint32_t guards_word;
