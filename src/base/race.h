/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * race.h - reads that may meet a writer, and are validated afterwards: ThreadSanitizer is told not to report them
 *
 * For bytes that are read without a lock and believed only if a word read later says that nobody changed them meanwhile.
 * Elsewhere these are nothing.
 */
#ifndef SDB_BASE_RACE_H
#define SDB_BASE_RACE_H

#if defined(__SANITIZE_THREAD__)
/* ThreadSanitizer's own. */
void AnnotateIgnoreReadsBegin(const char *file, int line);
void AnnotateIgnoreReadsEnd(const char *file, int line);
static inline void race_reads_begin(void)
{
    AnnotateIgnoreReadsBegin(__FILE__, __LINE__);
}
static inline void race_reads_end(void)
{
    AnnotateIgnoreReadsEnd(__FILE__, __LINE__);
}
#else
static inline void race_reads_begin(void)
{
}
static inline void race_reads_end(void)
{
}
#endif

#endif
