# SPDX-License-Identifier: BSD-3-Clause
#
# superdb_flags: the flags that all of our own code is compiled with. No -march: one binary runs on every x86-64, and
# functions for newer CPUs carry a target attribute and are dispatched at run time.
option(SUPERDB_WERROR "Treat warnings as errors" OFF)
option(SUPERDB_ALIASED "Map pools twice, so that a store around the persist layer faults (tests; pmem/alias.h)" OFF)
set(SUPERDB_SANITIZE "" CACHE STRING "Sanitizers to build with: 'address,undefined' or 'thread'")

option(SUPERDB_FUZZ "Link the fuzz targets with libFuzzer (clang)" OFF)

set(CMAKE_C_STANDARD 11)
set(CMAKE_C_STANDARD_REQUIRED ON)
set(CMAKE_C_EXTENSIONS ON)
set(CMAKE_C_VISIBILITY_PRESET hidden)
set(CMAKE_POSITION_INDEPENDENT_CODE ON)
set(CMAKE_EXPORT_COMPILE_COMMANDS ON)

add_library(superdb_flags INTERFACE)
target_compile_options(superdb_flags INTERFACE
    -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Wundef -Wvla
    $<$<BOOL:${SUPERDB_WERROR}>:-Werror>)
target_compile_definitions(superdb_flags INTERFACE
    _GNU_SOURCE
    $<IF:$<CONFIG:Debug>,SUPERDB_DEBUG=1,SUPERDB_DEBUG=0>
    $<$<BOOL:${SUPERDB_ALIASED}>:SDB_PERSIST_ALIASED>)

if(SUPERDB_SANITIZE)
    add_compile_options(-fsanitize=${SUPERDB_SANITIZE} -fno-omit-frame-pointer)
    add_link_options(-fsanitize=${SUPERDB_SANITIZE})
    if(SUPERDB_SANITIZE MATCHES "undefined")
        add_compile_options(-fno-sanitize-recover=undefined)
    endif()
    # ThreadSanitizer does not model fences. What lock-free readers read is atomic, so that none of it is taken for a race.
    if(SUPERDB_SANITIZE MATCHES "thread" AND CMAKE_C_COMPILER_ID STREQUAL "GNU")
        add_compile_options(-Wno-tsan)
    endif()
endif()

# libFuzzer learns from what it can see: every object counts the branches that it takes.
if(SUPERDB_FUZZ)
    add_compile_options(-fsanitize=fuzzer-no-link -O2)
endif()
