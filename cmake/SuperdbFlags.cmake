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

# Link-time optimisation: objects hold both the compiler's own form and machine code, so that archives work as ever.
option(SUPERDB_LTO "Optimise across files when linking" OFF)
if(SUPERDB_LTO)
    add_compile_options(-flto=auto -ffat-lto-objects)
    add_link_options(-flto=auto)
endif()

# Profile-guided optimisation (scripts/pgo.sh): "generate" counts what runs, "use" compiles by what was counted. Both in the same
# build directory: the compiler finds a file's counts by the path of its object.
set(SUPERDB_PGO "" CACHE STRING "'generate', 'use', or empty")
set(SUPERDB_PGO_PROFILE "${CMAKE_BINARY_DIR}/profile" CACHE PATH "Where the counts are")
if(SUPERDB_PGO)
    # Other functions are inlined than usual, and two warnings of paths that nothing takes come with it.
    add_compile_options(-Wno-maybe-uninitialized -Wno-restrict)
endif()
if(SUPERDB_PGO STREQUAL "generate")
    add_compile_options(-fprofile-generate -fprofile-update=prefer-atomic -fprofile-dir=${SUPERDB_PGO_PROFILE})
    add_link_options(-fprofile-generate)
elseif(SUPERDB_PGO STREQUAL "use")
    if(NOT EXISTS "${SUPERDB_PGO_PROFILE}")
        message(FATAL_ERROR "superdb: no profile in ${SUPERDB_PGO_PROFILE}: scripts/pgo.sh makes one and builds with it")
    endif()
    # What the training did not run is optimised as ever, not for size. Threads make counts that do not quite add up.
    add_compile_options(-fprofile-use=${SUPERDB_PGO_PROFILE} -fprofile-partial-training -fprofile-correction
                        -Wno-missing-profile)
endif()
