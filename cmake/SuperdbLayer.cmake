# SPDX-License-Identifier: BSD-3-Clause
#
# superdb_layer(NAME SOURCES dir INCLUDES dir... [EXCLUDE file...] [LIBRARIES target...])
#
# Makes the object library sdb_NAME of all sources in a directory, and an archive sdb_NAME_archive of the same objects
# for the unit tests (which link only the members that they need). INCLUDES are all that the layer may include of ours.
# Without sources there is no target, and superdb_objects and superdb_archives leave the layer out.
# superdb-layers: compiles every layer and links nothing (the arm64 preset)
add_custom_target(superdb-layers)

function(superdb_layer name)
    cmake_parse_arguments(layer "" "SOURCES" "INCLUDES;EXCLUDE;LIBRARIES" ${ARGN})
    file(GLOB sources CONFIGURE_DEPENDS "${CMAKE_CURRENT_SOURCE_DIR}/${layer_SOURCES}/*.c")
    foreach(file IN LISTS layer_EXCLUDE)
        list(REMOVE_ITEM sources "${CMAKE_CURRENT_SOURCE_DIR}/${layer_SOURCES}/${file}")
    endforeach()
    if(NOT sources)
        message(STATUS "superdb: no sources in ${layer_SOURCES} yet, layer ${name} skipped")
        return()
    endif()
    add_library(sdb_${name} OBJECT ${sources})
    target_link_libraries(sdb_${name} PRIVATE superdb_flags Threads::Threads ${layer_LIBRARIES})
    foreach(directory IN LISTS layer_INCLUDES)
        target_include_directories(sdb_${name} PRIVATE "${CMAKE_CURRENT_SOURCE_DIR}/${directory}")
    endforeach()
    add_dependencies(superdb-layers sdb_${name})
    add_library(sdb_${name}_archive STATIC EXCLUDE_FROM_ALL $<TARGET_OBJECTS:sdb_${name}>)
    set_target_properties(sdb_${name}_archive PROPERTIES LINKER_LANGUAGE C)
endfunction()

# superdb_objects(OUT name...): the objects of those layers that exist
function(superdb_objects out)
    set(objects "")
    foreach(name IN LISTS ARGN)
        if(TARGET sdb_${name})
            list(APPEND objects $<TARGET_OBJECTS:sdb_${name}>)
        endif()
    endforeach()
    set(${out} "${objects}" PARENT_SCOPE)
endfunction()

# superdb_archives(OUT name...): the archives of those layers that exist, in the order of the link line
function(superdb_archives out)
    set(archives "")
    foreach(name IN LISTS ARGN)
        if(TARGET sdb_${name}_archive)
            list(APPEND archives sdb_${name}_archive)
        endif()
    endforeach()
    set(${out} "${archives}" PARENT_SCOPE)
endfunction()
