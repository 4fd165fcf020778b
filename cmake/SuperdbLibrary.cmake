# SPDX-License-Identifier: BSD-3-Clause
#
# libsuperdb, shared (versioned) and static. Both show only sdb_ symbols: the shared one by hidden visibility and a version
# script, the static one by linking all objects into one and making its hidden symbols local.
if(NOT TARGET sdb_store)
    message(STATUS "superdb: no engine yet, libsuperdb skipped")
    return()
endif()

superdb_objects(library_objects store pmem base)
set(library_libraries PkgConfig::pmem PkgConfig::xxhash Threads::Threads m)

# ---- shared ----
add_library(superdb SHARED ${library_objects})
add_library(superdb::superdb ALIAS superdb)
target_include_directories(superdb PUBLIC
    $<BUILD_INTERFACE:${CMAKE_CURRENT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
target_link_libraries(superdb PRIVATE ${library_libraries})
target_link_options(superdb PRIVATE
    "-Wl,--version-script=${CMAKE_CURRENT_SOURCE_DIR}/cmake/superdb.map")
if(NOT SUPERDB_SANITIZE)
    target_link_options(superdb PRIVATE -Wl,-z,defs)
endif()
set_target_properties(superdb PROPERTIES
    LINKER_LANGUAGE C
    VERSION ${PROJECT_VERSION}
    SOVERSION ${PROJECT_VERSION_MAJOR}
    LINK_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/cmake/superdb.map")

# ---- static ----
set(merged "${CMAKE_CURRENT_BINARY_DIR}/superdb_merged.o")
if(SUPERDB_LTO)
    # The merged object is machine code, optimised as a whole.
    set(merge ${CMAKE_C_COMPILER} -r -nostdlib -O2 -flto=auto -flinker-output=nolto-rel)
else()
    set(merge ${CMAKE_LINKER} -r)
endif()
add_custom_command(OUTPUT "${merged}"
    COMMAND ${merge} -o "${merged}" ${library_objects}
    COMMAND ${CMAKE_OBJCOPY} --localize-hidden "${merged}"
    DEPENDS ${library_objects}
    COMMAND_EXPAND_LISTS VERBATIM
    COMMENT "Merging the library's objects, hidden symbols made local")
add_library(superdb_static STATIC "${merged}")
add_library(superdb::superdb_static ALIAS superdb_static)
set_source_files_properties("${merged}" PROPERTIES EXTERNAL_OBJECT ON GENERATED ON)
set_target_properties(superdb_static PROPERTIES LINKER_LANGUAGE C OUTPUT_NAME superdb)
target_include_directories(superdb_static PUBLIC
    $<BUILD_INTERFACE:${CMAKE_CURRENT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
# By file name, so that the installed package needs no pkg-config to resolve them.
target_link_libraries(superdb_static PUBLIC
    $<BUILD_INTERFACE:PkgConfig::pmem> $<BUILD_INTERFACE:PkgConfig::xxhash>
    $<INSTALL_INTERFACE:pmem> $<INSTALL_INTERFACE:xxhash> Threads::Threads m)
