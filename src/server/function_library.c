/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * function_library.c - libraries of functions, and sets of them
 * Memory:  a library's parts, and a set's list, by malloc; a state's functions in its registry, by the library's id
 */
#include "function_library.h"

#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "clock.h"
#include "grow.h"
#include "lua_sandbox.h"
#include "script_api.h"
#include "script_run.h"

#define LOAD_NS_MAX 500000000u
#define HOOK_INSTRUCTIONS 100000

static const char key_libraries; /* registry: tables of functions by the libraries' ids */
static uint64_t last_id;         /* Atomic. */

/* A library that is being loaded. */
struct function_load {
    struct library *library;
    uint64_t begin_ns;
    char *error;
    int is_known; /* its functions' names and flags are there already */
};

/* ---- names -------------------------------------------------------------------------------------------------------------- */

static int wrong(char *error, const char *text)
{
    (void)snprintf(error, FUNCTION_ERROR_SIZE, "%s", text);
    return 0;
}

/* ---- registering -------------------------------------------------------------------------------------------------------- */

/* What redis.register_function was given; the strings are on the stack. */
struct registration {
    const char *name, *description;
    size_t name_size;
    uint32_t flags;
    int callback; /* stack index; 0: none */
};

static int read_flags(lua_State *lua, int table, uint32_t *flags)
{
    for (int i = 1;; i++) {
        uint32_t flag;
        size_t size;
        const char *name;

        lua_rawgeti(lua, table, i);
        if (lua_isnil(lua, -1)) {
            lua_pop(lua, 1);
            return 1;
        }
        name = lua_tolstring(lua, -1, &size);
        flag = name != NULL ? script_flag(name, size, 0) : 0;
        lua_pop(lua, 1);
        if (flag == 0)
            return 0;
        *flags |= flag;
    }
}

/* {function_name = .., callback = .., flags = .., description = ..}. Gives what is wrong; NULL: nothing. */
static const char *read_named(lua_State *lua, struct registration *registration)
{
    if (!lua_istable(lua, 1))
        return "calling redis.register_function with a single argument is only applicable to Lua table (representing named arguments).";
    for (lua_pushnil(lua); lua_next(lua, 1) != 0;) {
        /* Converting a number in place would lead lua_next astray, and no number is an argument's name. */
        const char *key = lua_type(lua, -2) == LUA_TSTRING ? lua_tostring(lua, -2) : "";

        if (!lua_isstring(lua, -2))
            return "named argument key given to redis.register_function is not a string";
        if (strcasecmp(key, "function_name") == 0) {
            if (!lua_isstring(lua, -1))
                return "function_name argument given to redis.register_function must be a string";
            registration->name = lua_tolstring(lua, -1, &registration->name_size);
        } else if (strcasecmp(key, "description") == 0) {
            if (!lua_isstring(lua, -1))
                return "description argument given to redis.register_function must be a string";
            registration->description = lua_tostring(lua, -1);
        } else if (strcasecmp(key, "callback") == 0) {
            if (!lua_isfunction(lua, -1))
                return "callback argument given to redis.register_function must be a function";
            registration->callback = lua_gettop(lua);
        } else if (strcasecmp(key, "flags") == 0) {
            if (!lua_istable(lua, -1))
                return "flags argument to redis.register_function must be a table representing function flags";
            if (!read_flags(lua, lua_gettop(lua), &registration->flags))
                return "unknown flag given";
        } else {
            return "unknown argument given to redis.register_function";
        }
        lua_pushvalue(lua, -2); /* the value stays where it is, for as long as this lasts */
        luaL_checkstack(lua, 3, "too many named arguments");
    }
    if (registration->name == NULL)
        return "redis.register_function must get a function name argument";
    return registration->callback == 0 ? "redis.register_function must get a callback argument" : NULL;
}

static const char *read_positional(lua_State *lua, struct registration *registration)
{
    if (!lua_isstring(lua, 1))
        return "first argument to redis.register_function must be a string";
    if (!lua_isfunction(lua, 2))
        return "second argument to redis.register_function must be a function";
    registration->name = lua_tolstring(lua, 1, &registration->name_size);
    registration->callback = 2;
    return NULL;
}

static const struct function *find_function(const struct library *library, const char *name)
{
    for (size_t i = 0; i < library->count; i++)
        if (strcmp(library->functions[i].name, name) == 0)
            return &library->functions[i];
    return NULL;
}

/* Gives what is wrong; NULL: nothing. */
static const char *add_function(struct library *library, const struct registration *registration)
{
    struct function *function;

    if (!grow(&library->functions, &library->capacity, library->count + 1, sizeof(*library->functions)))
        return "out of memory";
    function = &library->functions[library->count];
    function->name = strdup(registration->name);
    function->description = registration->description != NULL ? strdup(registration->description) : NULL;
    function->flags = registration->flags;
    if (function->name == NULL || (function->description == NULL && registration->description != NULL)) {
        free(function->name);
        free(function->description);
        return "out of memory";
    }
    library->count++;
    return NULL;
}

/* Pushes the state's functions of a library; nil: it has not been loaded. */
static void push_functions(lua_State *lua, uint64_t id)
{
    lua_pushlightuserdata(lua, (void *)(uintptr_t)&key_libraries);
    lua_rawget(lua, LUA_REGISTRYINDEX);
    if (lua_isnil(lua, -1)) {
        lua_pop(lua, 1);
        lua_newtable(lua);
        lua_pushlightuserdata(lua, (void *)(uintptr_t)&key_libraries);
        lua_pushvalue(lua, -2);
        lua_rawset(lua, LUA_REGISTRYINDEX);
    }
    lua_pushnumber(lua, (lua_Number)id);
    lua_rawget(lua, -2);
    lua_remove(lua, -2);
}

int function_library_register(lua_State *lua)
{
    const struct function_load *load = lua_vm_of(lua)->load;
    struct registration registration = {0};
    int argc = lua_gettop(lua);
    const char *why;

    if (load == NULL)
        return script_api_raise(lua, "redis.register_function can only be called on FUNCTION LOAD command");
    if (argc < 1 || argc > 2)
        return script_api_raise(lua, "wrong number of arguments to redis.register_function");
    why = argc == 1 ? read_named(lua, &registration) : read_positional(lua, &registration);
    if (why == NULL && !library_is_name(registration.name, registration.name_size))
        why = "Library names can only contain letters, numbers, or underscores(_) and must be at least one character long";
    if (why == NULL && !load->is_known) {
        why = find_function(load->library, registration.name) != NULL ? "Function already exists in the library"
                                                                      : add_function(load->library, &registration);
    }
    if (why != NULL)
        return script_api_raise(lua, why);
    push_functions(lua, load->library->id);
    lua_pushvalue(lua, registration.callback);
    lua_setfield(lua, -2, registration.name);
    return 0;
}

/* ---- loading ------------------------------------------------------------------------------------------------------------ */

static void on_hook(lua_State *lua, lua_Debug *where)
{
    const struct function_load *load = lua_vm_of(lua)->load;

    (void)where;
    if (load == NULL || clock_ns() - load->begin_ns < LOAD_NS_MAX)
        return;
    lua_sethook(lua, on_hook, LUA_MASKLINE, 0);
    script_api_raise(lua, "FUNCTION LOAD timeout");
}

static void set_functions(lua_State *lua, uint64_t id, int is_there)
{
    push_functions(lua, id); /* makes the outer table */
    lua_pop(lua, 1);
    lua_pushlightuserdata(lua, (void *)(uintptr_t)&key_libraries);
    lua_rawget(lua, LUA_REGISTRYINDEX);
    lua_pushnumber(lua, (lua_Number)id);
    if (is_there)
        lua_newtable(lua);
    else
        lua_pushnil(lua);
    lua_rawset(lua, -3);
    lua_pop(lua, 1);
}

/* Runs the code, which begins behind its first line. An error is written to load->error. */
static void run_code(lua_State *lua, struct function_load *load)
{
    const struct library *library = load->library;
    const char *code = memchr(library->code, '\n', library->code_size);
    size_t size = library->code_size - (size_t)(code - library->code);

    if (luaL_loadbuffer(lua, code, size, "@user_function") != 0) {
        (void)snprintf(load->error, FUNCTION_ERROR_SIZE, "Error compiling function: %s", lua_tostring(lua, -1));
        lua_pop(lua, 1);
        return;
    }
    set_functions(lua, library->id, 1);
    lua_sandbox_while_loading(lua, 1);
    lua_sethook(lua, on_hook, LUA_MASKCOUNT, HOOK_INSTRUCTIONS);
    lua_pushcfunction(lua, script_error_handler);
    lua_insert(lua, -2);
    if (lua_pcall(lua, 0, 0, -2) != 0) {
        const char *text = "execution failure";

        lua_sethook(lua, NULL, 0, 0);
        if (lua_istable(lua, -1)) {
            lua_getfield(lua, -1, "err");
            text = lua_isstring(lua, -1) ? lua_tostring(lua, -1) : text;
        } else if (lua_isstring(lua, -1)) {
            text = lua_tostring(lua, -1);
        }
        (void)snprintf(load->error, FUNCTION_ERROR_SIZE, "Error registering functions: %s", text);
    }
    lua_sethook(lua, NULL, 0, 0);
    lua_sandbox_while_loading(lua, 0);
    if (load->error[0] != '\0')
        set_functions(lua, library->id, 0);
    lua_settop(lua, 0);
}

/* For lua_cpcall. */
static int load_protected(lua_State *lua)
{
    struct function_load *load = lua_touserdata(lua, 1);

    lua_settop(lua, 0);
    run_code(lua, load);
    return 0;
}

static void load_into(struct lua_vm *vm, struct function_load *load)
{
    load->error[0] = '\0';
    load->begin_ns = clock_ns();
    vm->load = load;
    if (lua_cpcall(vm->lua, load_protected, load) != 0) {
        (void)snprintf(load->error, FUNCTION_ERROR_SIZE, "Error registering functions: %s",
                       lua_isstring(vm->lua, -1) ? lua_tostring(vm->lua, -1) : "out of memory");
        lua_settop(vm->lua, 0);
        lua_sethook(vm->lua, NULL, 0, 0);
        lua_sandbox_while_loading(vm->lua, 0);
    }
    vm->load = NULL;
    lua_vm_tell_memory(vm);
}

struct library *library_load(struct lua_vm *vm, const char *code, size_t size, char error[FUNCTION_ERROR_SIZE])
{
    struct library *library;
    struct function_load load = {.error = error};
    char name[FUNCTION_ERROR_SIZE];

    error[0] = '\0';
    if (!library_name(code, size, name, sizeof(name), error))
        return NULL;
    library = calloc(1, sizeof(*library));
    if (library == NULL)
        goto no_memory;
    library->references = 1;
    library->id = __atomic_add_fetch(&last_id, 1, __ATOMIC_RELAXED);
    library->name = strdup(name);
    library->code = malloc(size);
    if (library->name == NULL || library->code == NULL)
        goto no_memory;
    memcpy(library->code, code, size);
    library->code_size = size;
    load.library = library;
    load_into(vm, &load);
    if (error[0] == '\0' && library->count == 0)
        (void)wrong(error, "No functions registered");
    if (error[0] == '\0')
        return library;
    library_release(library);
    return NULL;

no_memory:
    if (library != NULL)
        library_release(library);
    (void)wrong(error, "-OOM out of memory");
    return NULL;
}

int library_push(lua_State *lua, const struct library *library, const char *function)
{
    push_functions(lua, library->id);
    if (lua_isnil(lua, -1)) {
        char error[FUNCTION_ERROR_SIZE] = "";
        struct function_load load = {.library = (struct library *)(uintptr_t)library, .error = error, .is_known = 1};

        lua_pop(lua, 1);
        load_into(lua_vm_of(lua), &load);
        if (error[0] != '\0')
            return 0;
        push_functions(lua, library->id);
    }
    lua_getfield(lua, -1, function);
    lua_remove(lua, -2);
    if (lua_isfunction(lua, -1))
        return 1;
    lua_pop(lua, 1);
    return 0;
}

void library_forget_others(lua_State *lua, const struct library_set *set)
{
    int table;

    push_functions(lua, 0);
    lua_pop(lua, 1);
    lua_pushlightuserdata(lua, (void *)(uintptr_t)&key_libraries);
    lua_rawget(lua, LUA_REGISTRYINDEX);
    table = lua_gettop(lua);
    for (lua_pushnil(lua); lua_next(lua, table) != 0;) {
        uint64_t id = (uint64_t)lua_tonumber(lua, -2);
        int is_there = 0;

        lua_pop(lua, 1);
        for (size_t i = 0; i < set->count && !is_there; i++)
            is_there = set->libraries[i]->id == id;
        if (!is_there) {
            lua_pushvalue(lua, -1);
            lua_pushnil(lua);
            lua_rawset(lua, table);
        }
    }
    lua_pop(lua, 1);
}

/* ---- references --------------------------------------------------------------------------------------------------------- */

void library_release(struct library *library)
{
    if (__atomic_sub_fetch(&library->references, 1, __ATOMIC_ACQ_REL) != 0)
        return;
    for (size_t i = 0; i < library->count; i++) {
        free(library->functions[i].name);
        free(library->functions[i].description);
    }
    free(library->functions);
    free(library->name);
    free(library->code);
    free(library);
}

size_t library_memory(const struct library *library)
{
    return sizeof(*library) + library->code_size + library->capacity * sizeof(*library->functions);
}

/* ---- sets --------------------------------------------------------------------------------------------------------------- */

struct library_set *library_set_new(void)
{
    struct library_set *set = calloc(1, sizeof(*set));

    if (set != NULL)
        set->references = 1;
    return set;
}

struct library_set *library_set_copy(const struct library_set *set)
{
    struct library_set *copy = library_set_new();

    if (copy == NULL)
        return NULL;
    copy->sequence = set->sequence;
    copy->functions = set->functions;
    copy->libraries = malloc((set->count + 1) * sizeof(struct library *));
    if (copy->libraries == NULL) {
        free(copy);
        return NULL;
    }
    for (; copy->count < set->count; copy->count++) {
        copy->libraries[copy->count] = set->libraries[copy->count];
        __atomic_add_fetch(&set->libraries[copy->count]->references, 1, __ATOMIC_RELAXED);
    }
    return copy;
}

struct library_set *library_set_keep(struct library_set *set)
{
    __atomic_add_fetch(&set->references, 1, __ATOMIC_RELAXED);
    return set;
}

void library_set_release(struct library_set *set)
{
    if (set == NULL || __atomic_sub_fetch(&set->references, 1, __ATOMIC_ACQ_REL) != 0)
        return;
    for (size_t i = 0; i < set->count; i++)
        library_release(set->libraries[i]);
    free(set->libraries);
    free(set);
}

const struct library *library_set_find(const struct library_set *set, const char *name, size_t size)
{
    for (size_t i = 0; i < set->count; i++)
        if (strlen(set->libraries[i]->name) == size && memcmp(set->libraries[i]->name, name, size) == 0)
            return set->libraries[i];
    return NULL;
}

const struct library *library_set_function(const struct library_set *set, const char *name, size_t size, const struct function **function)
{
    for (size_t i = 0; i < set->count; i++) {
        const struct library *library = set->libraries[i];

        for (size_t j = 0; j < library->count; j++) {
            if (strlen(library->functions[j].name) == size && strncasecmp(library->functions[j].name, name, size) == 0) {
                *function = &library->functions[j];
                return library;
            }
        }
    }
    return NULL;
}

void library_set_remove(struct library_set *set, const struct library *library)
{
    size_t i = 0;

    while (set->libraries[i] != library)
        i++;
    set->functions -= library->count;
    library_release(set->libraries[i]);
    set->count--;
    memmove(&set->libraries[i], &set->libraries[i + 1], (set->count - i) * sizeof(struct library *));
}

int library_set_add(struct library_set *set, struct library *library, int replace, char error[FUNCTION_ERROR_SIZE])
{
    const struct library *old = library_set_find(set, library->name, strlen(library->name)), *other;
    const struct function *function;
    struct library **libraries;
    size_t at = 0;

    if (old != NULL && !replace) {
        (void)snprintf(error, FUNCTION_ERROR_SIZE, "Library '%s' already exists", library->name);
        return 0;
    }
    for (size_t i = 0; i < library->count; i++) {
        other = library_set_function(set, library->functions[i].name, strlen(library->functions[i].name), &function);
        if (other != NULL && other != old) {
            (void)snprintf(error, FUNCTION_ERROR_SIZE, "Function %s already exists", library->functions[i].name);
            return 0;
        }
    }
    libraries = realloc(set->libraries, (set->count + 1) * sizeof(struct library *));
    if (libraries == NULL)
        return wrong(error, "-OOM out of memory");
    set->libraries = libraries;
    if (old != NULL)
        library_set_remove(set, old);
    while (at < set->count && strcmp(set->libraries[at]->name, library->name) < 0)
        at++;
    memmove(&set->libraries[at + 1], &set->libraries[at], (set->count - at) * sizeof(struct library *));
    set->libraries[at] = library;
    set->count++;
    set->functions += library->count;
    __atomic_add_fetch(&library->references, 1, __ATOMIC_RELAXED);
    return 1;
}
