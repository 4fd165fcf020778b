# SPDX-License-Identifier: BSD-3-Clause
#
# superdb-server and superdb-pool. Both link the static library, so that they run from wherever they are copied to.
# The server sees the library through its public header alone; the pool tool sees pmem's checker besides.
if(TARGET superdb_static AND TARGET sdb_server AND EXISTS "${CMAKE_CURRENT_SOURCE_DIR}/src/server/main.c")
    superdb_objects(server_objects server resp base)
    add_executable(superdb-server src/server/main.c ${server_objects})
    target_include_directories(superdb-server PRIVATE src/server src/resp src/base include)
    target_link_libraries(superdb-server PRIVATE superdb_flags superdb_static PkgConfig::uring Threads::Threads m)
else()
    message(STATUS "superdb: the parts of superdb-server are not complete yet, skipped")
endif()

file(GLOB pool_sources CONFIGURE_DEPENDS src/tools/pool_*.c)
if(TARGET superdb_static AND pool_sources)
    superdb_objects(pool_objects pmem base)
    add_executable(superdb-pool ${pool_sources} ${pool_objects})
    target_include_directories(superdb-pool PRIVATE src/tools include pmem src/base)
    target_link_libraries(superdb-pool PRIVATE superdb_flags superdb_static PkgConfig::pmem PkgConfig::xxhash
                          Threads::Threads m)
else()
    message(STATUS "superdb: the parts of superdb-pool are not complete yet, skipped")
endif()
