/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lua_vm.h - a Lua state of one thread, with a bound on its memory
 *
 * Holds:   1. memory is what the state has allocated, and never more than memory_max: beyond it Lua meets "not enough memory", an
 *             error like any other, which ends the script and nothing else
 *          2. everything that may allocate runs inside lua_cpcall: no error reaches Lua's panic function
 * Threads: the one that opened it; lua_vm_memory by any.
 */
#ifndef SDB_SERVER_LUA_VM_H
#define SDB_SERVER_LUA_VM_H

#include <stddef.h>
#include <stdint.h>

#include <lua.h>

struct function_load;
struct script_run;

enum lua_vm_kind { LUA_VM_EVAL, LUA_VM_FUNCTIONS, LUA_VM_KINDS };

struct lua_vm {
    lua_State *lua;
    enum lua_vm_kind kind;
    size_t memory, memory_max;
    size_t memory_told;        /* of memory, what the sum over all threads has in it */
    unsigned short random[3];  /* math.random's state */
    struct script_run *run;    /* what is running; NULL: nothing */
    struct function_load *load; /* the library that is being loaded; NULL: none */
    uint64_t epoch;            /* of the scripts, or libraries, that were compiled */
};

/* Makes a state with the sandbox of its kind, the calling thread's. Errors: NULL, out of memory. */
struct lua_vm *lua_vm_open(enum lua_vm_kind kind);

/* Closes it; NULL is allowed. */
void lua_vm_close(struct lua_vm *vm);

/* The state that a C function was called by belongs to. */
struct lua_vm *lua_vm_of(lua_State *lua);

/* Adds what the state has allocated since to the sum. */
void lua_vm_tell_memory(struct lua_vm *vm);

/* Bytes of all threads' states of a kind. */
size_t lua_vm_memory(enum lua_vm_kind kind);

#endif
