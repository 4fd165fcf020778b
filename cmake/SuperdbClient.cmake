# SPDX-License-Identifier: BSD-3-Clause
#
# libsuperdb_client, shared (versioned) and static: the binary protocol's client (include/superdb/client.h), without the engine. Both show
# only sdb_ symbols, as libsuperdb does, and both may be linked beside it.
if(NOT TARGET sdb_client)
    return()
endif()

superdb_objects(client_objects client base)

add_library(superdb_client SHARED ${client_objects})
add_library(superdb_client_static STATIC "${CMAKE_CURRENT_BINARY_DIR}/superdb_client_merged.o")
add_library(superdb::client ALIAS superdb_client)
add_library(superdb::client_static ALIAS superdb_client_static)

# ---- shared ----
target_link_options(superdb_client PRIVATE "-Wl,--version-script=${CMAKE_CURRENT_SOURCE_DIR}/cmake/superdb.map")
if(NOT SUPERDB_SANITIZE)
    target_link_options(superdb_client PRIVATE -Wl,-z,defs)
endif()
set_target_properties(superdb_client PROPERTIES
    LINKER_LANGUAGE C
    EXPORT_NAME client
    VERSION ${PROJECT_VERSION}
    SOVERSION ${PROJECT_VERSION_MAJOR}
    LINK_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/cmake/superdb.map")

# ---- static ----
set(merged "${CMAKE_CURRENT_BINARY_DIR}/superdb_client_merged.o")
add_custom_command(OUTPUT "${merged}"
    COMMAND ${CMAKE_LINKER} -r -o "${merged}" ${client_objects}
    COMMAND ${CMAKE_OBJCOPY} --localize-hidden "${merged}"
    DEPENDS ${client_objects}
    COMMAND_EXPAND_LISTS VERBATIM
    COMMENT "Merging the client's objects, hidden symbols made local")
set_source_files_properties("${merged}" PROPERTIES EXTERNAL_OBJECT ON GENERATED ON)
set_target_properties(superdb_client_static PROPERTIES LINKER_LANGUAGE C OUTPUT_NAME superdb_client EXPORT_NAME client_static)

foreach(library IN ITEMS superdb_client superdb_client_static)
    target_include_directories(${library} PUBLIC
        $<BUILD_INTERFACE:${CMAKE_CURRENT_SOURCE_DIR}/include> $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
endforeach()
target_link_libraries(superdb_client PRIVATE Threads::Threads)
target_link_libraries(superdb_client_static PUBLIC Threads::Threads)
