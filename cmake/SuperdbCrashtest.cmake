# SPDX-License-Identifier: BSD-3-Clause
#
# libsuperdb_crashtest: the engine on a simulated medium, and the harness that crashes it (include/superdb/crashtest.h)
#
# The sources of the engine are compiled once more, with another backend behind persist.h's seam, and with their system calls
# led to simulated files. The lock's slow ways are the scheduler's.
if(NOT TARGET sdb_store)
    return()
endif()

file(GLOB crashtest_engine CONFIGURE_DEPENDS pmem/*.c src/store/*.c src/base/*.c)
file(GLOB crashtest_harness CONFIGURE_DEPENDS src/crashtest/*.c)
list(REMOVE_ITEM crashtest_engine ${CMAKE_CURRENT_SOURCE_DIR}/src/base/lock.c)
set(crashtest_includes include src/crashtest src/store pmem src/base)
list(TRANSFORM crashtest_includes PREPEND "${CMAKE_CURRENT_SOURCE_DIR}/")

add_library(sdb_crashtest_engine OBJECT ${crashtest_engine})
target_compile_options(sdb_crashtest_engine PRIVATE "SHELL:-include ${CMAKE_CURRENT_SOURCE_DIR}/src/crashtest/files.h")
add_library(sdb_crashtest OBJECT ${crashtest_harness})
foreach(part IN ITEMS sdb_crashtest_engine sdb_crashtest)
    target_include_directories(${part} PRIVATE ${crashtest_includes})
    target_compile_definitions(${part} PRIVATE "SDB_PERSIST_BACKEND=\"backend.h\"")
    target_link_libraries(${part} PRIVATE superdb_flags PkgConfig::pmem PkgConfig::xxhash Threads::Threads)
endforeach()
set(crashtest_objects $<TARGET_OBJECTS:sdb_crashtest_engine> $<TARGET_OBJECTS:sdb_crashtest>)

set(merged "${CMAKE_CURRENT_BINARY_DIR}/superdb_crashtest_merged.o")
add_custom_command(OUTPUT "${merged}"
    COMMAND ${CMAKE_LINKER} -r -o "${merged}" ${crashtest_objects}
    COMMAND ${CMAKE_OBJCOPY} --localize-hidden "${merged}"
    DEPENDS ${crashtest_objects}
    COMMAND_EXPAND_LISTS VERBATIM
    COMMENT "Merging the crash harness' objects, hidden symbols made local")
add_library(superdb_crashtest STATIC "${merged}")
add_library(superdb::crashtest ALIAS superdb_crashtest)
set_source_files_properties("${merged}" PROPERTIES EXTERNAL_OBJECT ON GENERATED ON)
set_target_properties(superdb_crashtest PROPERTIES LINKER_LANGUAGE C EXPORT_NAME crashtest)
target_include_directories(superdb_crashtest PUBLIC
    $<BUILD_INTERFACE:${CMAKE_CURRENT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
target_link_libraries(superdb_crashtest PUBLIC
    $<BUILD_INTERFACE:PkgConfig::pmem> $<BUILD_INTERFACE:PkgConfig::xxhash>
    $<INSTALL_INTERFACE:pmem> $<INSTALL_INTERFACE:xxhash> Threads::Threads m)
