/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * function_library.h - libraries of functions: immutable, counted by reference, and sets of them
 *
 * A library is made by running its code, which registers its functions, in the Lua state of a thread. Other threads run the code
 * again in theirs when they first call one of its functions: what a library keeps in variables, each thread has for itself.
 *
 * Threads: any; a set and its libraries never change.
 */
#ifndef SDB_SERVER_FUNCTION_LIBRARY_H
#define SDB_SERVER_FUNCTION_LIBRARY_H

#include <stddef.h>
#include <stdint.h>

#include "library.h"
#include "lua_vm.h"

#define FUNCTION_ERROR_SIZE LIBRARY_ERROR_SIZE

struct function {
    char *name;
    char *description; /* NULL: none */
    uint32_t flags;    /* enum script_flags */
};

struct library {
    uint32_t references; /* Atomic. */
    uint64_t id;         /* no other has it, for as long as the process lives */
    char *name;
    char *code;          /* as it was given, with its first line */
    size_t code_size;
    struct function *functions;
    size_t count, capacity;
};

struct library_set {
    uint32_t references; /* Atomic. */
    uint64_t sequence;   /* raised by each change; kept with the libraries */
    struct library **libraries; /* in the order of their names */
    size_t count;
    size_t functions;    /* of all of them */
};

/*
 * Makes a library of code by running it in the state; its functions stay there. The caller releases it.
 * Errors: NULL, with the words in error.
 */
struct library *library_load(struct lua_vm *vm, const char *code, size_t size, char error[FUNCTION_ERROR_SIZE]);

void library_release(struct library *library);
size_t library_memory(const struct library *library);

/* Pushes a function, for lua_cpcall's inside: runs the library's code where the state has not. 0: that failed, nothing is pushed. */
int library_push(lua_State *lua, const struct library *library, const char *function);

/* Lets the state forget libraries that the set has not. Inside lua_cpcall. */
void library_forget_others(lua_State *lua, const struct library_set *set);

/* An empty set, with one reference; a copy of a set. NULL: out of memory. */
struct library_set *library_set_new(void);
struct library_set *library_set_copy(const struct library_set *set);
struct library_set *library_set_keep(struct library_set *set);
void library_set_release(struct library_set *set); /* NULL is allowed */

const struct library *library_set_find(const struct library_set *set, const char *name, size_t size);
const struct library *library_set_function(const struct library_set *set, const char *name, size_t size,
                                           const struct function **function);

/*
 * Puts a library into a set that is nobody else's; replace: in the place of one of its name. 1, or 0 with the words in error, and the
 * set is as before. Takes a reference of its own.
 */
int library_set_add(struct library_set *set, struct library *library, int replace, char error[FUNCTION_ERROR_SIZE]);
void library_set_remove(struct library_set *set, const struct library *library);

/* redis.register_function. */
int function_library_register(lua_State *lua);

#endif
