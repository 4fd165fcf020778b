/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * script_cache.c - scripts by their digests
 * Threads: the table is under a read-write lock; epoch, count and memory are atomic
 * Memory:  an allocation a script
 */
#include "script_cache.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "names.h"

struct script {
    struct name name; /* its data is the digest */
    uint32_t flags;
    size_t size;
    char digest[SHA1_HEX_SIZE];
    char source[];
};

static pthread_rwlock_t scripts_lock = PTHREAD_RWLOCK_INITIALIZER;
static struct names scripts; /* Under scripts_lock. */
static uint64_t epoch;       /* Atomic. */
static size_t memory;        /* Atomic. */

static struct script *find(const char *digest)
{
    return (struct script *)(void *)names_find(&scripts, 0, digest, SHA1_HEX_SIZE - 1);
}

int script_cache_find(const char digest[SHA1_HEX_SIZE], struct script_facts *facts)
{
    const struct script *script;

    pthread_rwlock_rdlock(&scripts_lock);
    script = find(digest);
    if (script != NULL)
        facts->flags = script->flags;
    pthread_rwlock_unlock(&scripts_lock);
    return script != NULL;
}

int script_cache_add(const char digest[SHA1_HEX_SIZE], const char *source, size_t size, uint32_t flags)
{
    struct script *script = malloc(sizeof(*script) + size);
    int added = 1;

    if (script == NULL)
        return 0;
    memset(script, 0, sizeof(*script));
    memcpy(script->digest, digest, SHA1_HEX_SIZE);
    memcpy(script->source, source, size);
    script->name.data = script->digest;
    script->name.size = SHA1_HEX_SIZE - 1;
    script->size = size;
    script->flags = flags;
    pthread_rwlock_wrlock(&scripts_lock);
    if (find(digest) != NULL) {
        free(script);
    } else if (names_add(&scripts, &script->name)) {
        __atomic_fetch_add(&memory, sizeof(*script) + size, __ATOMIC_RELAXED);
    } else {
        free(script);
        added = 0;
    }
    pthread_rwlock_unlock(&scripts_lock);
    return added;
}

char *script_cache_source(const char digest[SHA1_HEX_SIZE], size_t *size)
{
    const struct script *script;
    char *copy = NULL;

    pthread_rwlock_rdlock(&scripts_lock);
    script = find(digest);
    if (script != NULL)
        copy = malloc(script->size + 1);
    if (copy != NULL) {
        memcpy(copy, script->source, script->size);
        *size = script->size;
    }
    pthread_rwlock_unlock(&scripts_lock);
    return copy;
}

void script_cache_flush(void)
{
    struct name *next;

    pthread_rwlock_wrlock(&scripts_lock);
    for (struct name *name = names_next(&scripts, NULL); name != NULL; name = next) {
        next = names_next(&scripts, name);
        names_remove(&scripts, name);
        free(name);
    }
    __atomic_store_n(&memory, 0, __ATOMIC_RELAXED);
    __atomic_fetch_add(&epoch, 1, __ATOMIC_RELEASE);
    pthread_rwlock_unlock(&scripts_lock);
}

uint64_t script_cache_epoch(void)
{
    return __atomic_load_n(&epoch, __ATOMIC_ACQUIRE);
}

size_t script_cache_count(void)
{
    return __atomic_load_n(&scripts.count, __ATOMIC_RELAXED);
}

size_t script_cache_memory(void)
{
    return __atomic_load_n(&memory, __ATOMIC_RELAXED);
}
