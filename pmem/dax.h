/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * dax.h - which parts of a file on persistent memory the kernel maps 2 MiB at once
 *
 * /proc/self/smaps does not count them: they are no pages of the kernel's. The file's layout decides, and tells.
 */
#ifndef SDB_PMEM_DAX_H
#define SDB_PMEM_DAX_H

#include <stdint.h>

/*
 * Bytes of the file's first `size` that lie so; 0 where the file is not mapped by DAX, or the layout cannot be read. device_offset
 * of dax_extent_huge_bytes: where the block device begins on the memory.
 */
uint64_t dax_huge_page_bytes(int fd, uint64_t size);

/* The same of one extent of a file: whole 2 MiB of it, aligned in the file, that are aligned on the medium. */
uint64_t dax_extent_huge_bytes(uint64_t logical, uint64_t physical, uint64_t length, uint64_t device_offset);

#endif
