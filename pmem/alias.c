/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * alias.c - the double-mapping build: places for views and their aliases, and the words about a store to a view
 *
 * Media:   nothing is stored
 * Threads: any
 * Memory:  none is allocated; address space only
 */
#include "alias.h"

#if ALIAS_BUILD

#include <dlfcn.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

#include "layout.h"

#define RESERVE_FLAGS (MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED_NOREPLACE)

static pthread_once_t report_once = PTHREAD_ONCE_INIT;

static uintptr_t program_counter(const ucontext_t *context)
{
#if defined(__x86_64__)
    return (uintptr_t)context->uc_mcontext.gregs[REG_RIP];
#else
    return (uintptr_t)context->uc_mcontext.pc;
#endif
}

/* The process ends here in any case: what is not meant for signal handlers can do no harm any more. */
static void report(int number, siginfo_t *info, void *context)
{
    const uintptr_t pc = program_counter(context);
    char text[512];
    Dl_info object;

    if (info->si_code <= 0) {
        (void)raise(number); /* sent, not a fault that repeats itself */
    } else if ((uintptr_t)info->si_addr - ALIAS_VIEWS < ALIAS_DISTANCE && info->si_code == SEGV_ACCERR) {
        const int known = dladdr((const void *)pc, &object) != 0 && object.dli_fname != NULL;
        const int size = snprintf(
            text, sizeof(text), "superdb: a store to the pool around the persist layer, at %p by %s+0x%zx\n",
            info->si_addr, known ? object.dli_fname : "", known ? pc - (uintptr_t)object.dli_fbase : (size_t)pc);

        (void)!write(STDERR_FILENO, text, size < (int)sizeof(text) ? (size_t)size : sizeof(text) - 1);
    }
}

void alias_report_faults(void)
{
    struct sigaction action = {.sa_sigaction = report, .sa_flags = (int)(SA_SIGINFO | SA_ONSTACK | SA_RESETHAND)};

    (void)sigemptyset(&action.sa_mask);
    (void)sigaction(SIGSEGV, &action, NULL);
}

static void report_faults_unless_handled(void)
{
    struct sigaction current;

    if (sigaction(SIGSEGV, NULL, &current) == 0 && (current.sa_flags & SA_SIGINFO) == 0 &&
        current.sa_handler == SIG_DFL)
        alias_report_faults();
}

/* A number of pages of EXTENT_SIZE that is less than count. */
static uint64_t random_extent(uint64_t count)
{
    uint64_t number = 0;

    (void)!getrandom(&number, sizeof(number), GRND_NONBLOCK);
    return number % count;
}

uint8_t *alias_reserve(uint64_t size)
{
    (void)pthread_once(&report_once, report_faults_unless_handled);
    if (size > ALIAS_DISTANCE)
        return NULL;
    for (int attempt = 0; attempt < 64; attempt++) {
        const uint64_t at = ALIAS_VIEWS + random_extent((ALIAS_DISTANCE - size) / EXTENT_SIZE + 1) * EXTENT_SIZE;
        uint8_t *wanted = (uint8_t *)(uintptr_t)at;
        uint8_t *alias = wanted + ALIAS_DISTANCE;
        void *view = mmap(wanted, (size_t)size, PROT_NONE, RESERVE_FLAGS, -1, 0);

        if (view == MAP_FAILED)
            continue;
        if (mmap(alias, (size_t)size, PROT_NONE, RESERVE_FLAGS, -1, 0) == alias)
            return view;
        (void)munmap(view, (size_t)size);
    }
    return NULL;
}

int alias_place_zeros(uint8_t *view, size_t size)
{
    uint8_t *alias = view + ALIAS_DISTANCE;
    const int flags = MAP_SHARED | MAP_ANONYMOUS | MAP_FIXED | MAP_NORESERVE;

    /*
     * Shared memory, because it can be mapped twice: an old size of 0 asks mremap for that. Where two threads do this
     * for the same pages at once, the later one's alias is of the pages that the view has by then.
     */
    return syscall(SYS_mmap, view, size, PROT_READ | PROT_WRITE, flags, -1, 0L) == (long)view &&
           syscall(SYS_mremap, view, 0L, size, (long)(MREMAP_MAYMOVE | MREMAP_FIXED), alias) == (long)alias &&
           syscall(SYS_mprotect, view, size, PROT_READ) == 0;
}

#else

void alias_report_faults(void)
{
}

#endif
