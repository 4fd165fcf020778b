# SPDX-License-Identifier: BSD-3-Clause
#
# What every test gets: its name, labels, time limit and environment.

# The system's python first: it is the one that Debian's python3-redis serves.
if(NOT DEFINED SUPERDB_PYTHON)
    foreach(python IN ITEMS /usr/bin/python3 python3)
        execute_process(COMMAND ${python} -c "import redis" RESULT_VARIABLE result OUTPUT_QUIET ERROR_QUIET)
        if(result EQUAL 0)
            set(SUPERDB_PYTHON ${python} CACHE STRING "The python that runs the integration tests")
            break()
        endif()
    endforeach()
    if(NOT DEFINED SUPERDB_PYTHON)
        message(FATAL_ERROR "superdb: no python3 that can import redis; run scripts/install-deps.sh, or set "
                            "-DBUILD_TESTING=OFF")
    endif()
endif()

# superdb_test_name(OUT FILE): test_X.c is X
function(superdb_test_name out file)
    get_filename_component(name "${file}" NAME_WE)
    string(REGEX REPLACE "^test_" "" name "${name}")
    set(${out} "${name}" PARENT_SCOPE)
endfunction()

# superdb_test_properties(TEST FILE LABEL): the labels and the time limit that the file asks for, besides LABEL
function(superdb_test_properties test file label)
    set(labels "${label}")
    set(timeout 300)
    set(serial FALSE)
    set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS "${file}")
    file(STRINGS "${file}" lines LIMIT_COUNT 40)
    foreach(line IN LISTS lines)
        if(line MATCHES "ctest-labels: *([a-z ]+)")
            string(STRIP "${CMAKE_MATCH_1}" words)
            string(REPLACE " " ";" words "${words}")
            list(APPEND labels ${words})
        elseif(line MATCHES "ctest-timeout: *([0-9]+)")
            set(timeout "${CMAKE_MATCH_1}")
        endif()
    endforeach()
    if(test MATCHES "_long$")
        list(APPEND labels long)
    endif()
    if("serial" IN_LIST labels)
        set(serial TRUE)
    endif()
    list(REMOVE_DUPLICATES labels)
    set(environment "SUPERDB_BUILD_DIR=${PROJECT_BINARY_DIR};SUPERDB_SOURCE_DIR=${PROJECT_SOURCE_DIR}")
    foreach(program IN ITEMS server pool bench)
        if(TARGET superdb-${program})
            string(TOUPPER "${program}" upper)
            list(APPEND environment "SUPERDB_${upper}=$<TARGET_FILE:superdb-${program}>")
        endif()
    endforeach()
    set_tests_properties(${test} PROPERTIES LABELS "${labels}" TIMEOUT ${timeout} RUN_SERIAL ${serial}
                         ENVIRONMENT "${environment}")
endfunction()
