# SPDX-License-Identifier: BSD-3-Clause
#
# superdb-server, superdb-pool, superdb-bench. All link the static library, so that they run from wherever they are copied
# to; with link-time optimisation they link its objects, so that calls into it are optimised, too. The server sees the
# library through its public header alone; the pool tool sees pmem's checker besides.
function(superdb_program name)
    cmake_parse_arguments(program "" "" "SOURCES;LAYERS;LIBRARIES" ${ARGN})
    list(GET program_LAYERS 0 own_layer)
    if(NOT TARGET superdb_static OR NOT TARGET sdb_${own_layer})
        message(STATUS "superdb: the parts of ${name} are not complete, skipped")
        return()
    endif()
    set(layers ${program_LAYERS})
    set(library superdb_static)
    if(SUPERDB_LTO)
        list(APPEND layers store pmem base)
        list(REMOVE_DUPLICATES layers)
        set(library PkgConfig::pmem PkgConfig::xxhash)
    endif()
    superdb_objects(objects ${layers})
    add_executable(${name} ${program_SOURCES} ${objects})
    set_target_properties(${name} PROPERTIES LINKER_LANGUAGE C)
    target_link_libraries(${name} PRIVATE superdb_flags ${library} ${program_LIBRARIES} Threads::Threads m)
endfunction()

if(EXISTS "${CMAKE_CURRENT_SOURCE_DIR}/src/server/main.c")
    superdb_program(superdb-server SOURCES src/server/main.c LAYERS server resp wire base
                    LIBRARIES PkgConfig::uring PkgConfig::nettle PkgConfig::numa PkgConfig::lua)
endif()
if(TARGET superdb-server)
    target_include_directories(superdb-server PRIVATE src/server src/resp src/wire src/base include)
endif()
superdb_program(superdb-pool LAYERS tools pmem base LIBRARIES PkgConfig::pmem PkgConfig::xxhash)
if(EXISTS "${CMAKE_CURRENT_SOURCE_DIR}/bench/main.c")
    superdb_program(superdb-bench SOURCES bench/main.c LAYERS bench base
                    LIBRARIES superdb_client_static PkgConfig::xxhash PkgConfig::uring)
endif()
if(TARGET superdb-bench)
    target_include_directories(superdb-bench PRIVATE bench include src/base)
endif()

# The same embedded benchmark on libpmemobj: a program of its own, so that superdb-bench does not depend on libpmemobj.
if(TARGET sdb_bench AND EXISTS "${CMAKE_CURRENT_SOURCE_DIR}/bench/pmemobj_map.c")
    add_executable(superdb-bench-pmemobj bench/pmemobj_map.c)
    target_include_directories(superdb-bench-pmemobj PRIVATE bench include src/base)
    target_link_libraries(superdb-bench-pmemobj PRIVATE superdb_flags sdb_bench_archive sdb_base_archive
                          PkgConfig::pmemobj PkgConfig::xxhash Threads::Threads m)
endif()

# The hot-handle cache by itself, beside others of its size: sees the engine's cache.h.
if(TARGET sdb_bench AND TARGET sdb_store)
    file(GLOB cache_sources CONFIGURE_DEPENDS bench/cache/*.c)
    add_executable(superdb-bench-cache ${cache_sources})
    target_include_directories(superdb-bench-cache PRIVATE bench/cache bench src/store src/base include)
    target_link_libraries(superdb-bench-cache PRIVATE superdb_flags sdb_bench_archive sdb_store_archive
                          sdb_base_archive PkgConfig::xxhash Threads::Threads m)
endif()

# The engine once more, on a medium that is slower (bench/medium/medium.h): nothing of it is in the library.
if(TARGET sdb_bench AND TARGET sdb_store)
    file(GLOB medium_engine CONFIGURE_DEPENDS pmem/*.c src/store/*.c)
    file(GLOB medium_sources CONFIGURE_DEPENDS bench/medium/*.c)
    set(medium_directory ${CMAKE_CURRENT_SOURCE_DIR}/bench/medium)
    add_executable(superdb-bench-medium ${medium_sources} ${medium_engine})
    target_include_directories(superdb-bench-medium PRIVATE bench/medium bench src/store pmem src/base include)
    target_compile_definitions(superdb-bench-medium PRIVATE "SDB_PERSIST_BACKEND=\"backend.h\"")
    target_compile_options(superdb-bench-medium PRIVATE "SHELL:-include ${medium_directory}/medium.h")
    target_link_libraries(superdb-bench-medium PRIVATE superdb_flags sdb_bench_archive sdb_base_archive PkgConfig::pmem
                          PkgConfig::xxhash Threads::Threads m)
endif()
