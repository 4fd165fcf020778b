/* SPDX-License-Identifier: BSD-3-Clause */
/* unflushed.h - what an operation leaves that is not durable */
#ifndef SDB_CRASHTEST_UNFLUSHED_H
#define SDB_CRASHTEST_UNFLUSHED_H

#include "run.h"

/* Fails the run where a word that this thread stored is neither durable nor declared. At the end of an operation. */
void unflushed_check(struct sdb_crashtest *test);

#endif
