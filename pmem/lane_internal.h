/* SPDX-License-Identifier: BSD-3-Clause */
/* lane_internal.h - what writing records (lane.c) and reading them back (lane_recovery.c) must agree on */
#ifndef SDB_PMEM_LANE_INTERNAL_H
#define SDB_PMEM_LANE_INTERNAL_H

#include <stdint.h>

#include "file.h"

/* Seeds the checksums of a lane's records: by incarnation, lane, and the pool's secret hash seed. */
uint64_t lane_seed(const struct pool_file *file, uint32_t lane);

/* Adds a range's contents to the hash of the ranges before it (lane_seed to begin with). */
uint64_t lane_ranges_hash(uint64_t hash, const struct pool_file *file, uint64_t offset, uint64_t size);

#endif
