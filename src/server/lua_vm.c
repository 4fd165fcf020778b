/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * lua_vm.c - Lua states, and how much memory they may take
 * Memory:  lua-memory-limit bytes a state at most
 */
#include "lua_vm.h"

#include <stdlib.h>

#include "config.h"
#include "lua_sandbox.h"

static size_t memory_sums[LUA_VM_KINDS]; /* Atomic. */

static void *allocate(void *context, void *block, size_t old_size, size_t size)
{
    struct lua_vm *vm = context;
    void *moved;

    if (size == 0) {
        free(block);
        vm->memory -= old_size;
        return NULL;
    }
    /* What shrinks must not fail. */
    if (size > old_size && (size - old_size > vm->memory_max || vm->memory > vm->memory_max - (size - old_size)))
        return NULL;
    moved = realloc(block, size);
    if (moved == NULL)
        return size <= old_size ? block : NULL;
    vm->memory += size - old_size;
    return moved;
}

struct lua_vm *lua_vm_open(enum lua_vm_kind kind)
{
    struct lua_vm *vm = calloc(1, sizeof(*vm));

    if (vm == NULL)
        return NULL;
    vm->kind = kind;
    vm->memory_max = (size_t)CONFIG_READ(lua_memory_limit);
    /* Where Redis' generator begins. */
    vm->random[0] = 0x330e;
    vm->random[1] = 0xabcd;
    vm->random[2] = 0x1234;
    vm->lua = lua_newstate(allocate, vm);
    if (vm->lua == NULL) {
        free(vm);
        return NULL;
    }
    if (lua_cpcall(vm->lua, lua_sandbox_open, vm) != 0) {
        lua_vm_close(vm);
        return NULL;
    }
    lua_vm_tell_memory(vm);
    return vm;
}

void lua_vm_close(struct lua_vm *vm)
{
    if (vm == NULL)
        return;
    lua_close(vm->lua);
    vm->memory = 0;
    lua_vm_tell_memory(vm);
    free(vm);
}

struct lua_vm *lua_vm_of(lua_State *lua)
{
    void *context = NULL;

    (void)lua_getallocf(lua, &context);
    return context;
}

void lua_vm_tell_memory(struct lua_vm *vm)
{
    __atomic_fetch_add(&memory_sums[vm->kind], vm->memory - vm->memory_told, __ATOMIC_RELAXED);
    vm->memory_told = vm->memory;
}

size_t lua_vm_memory(enum lua_vm_kind kind)
{
    return __atomic_load_n(&memory_sums[kind], __ATOMIC_RELAXED);
}
