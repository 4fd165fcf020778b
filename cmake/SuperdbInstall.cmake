# SPDX-License-Identifier: BSD-3-Clause
#
# What an installed tree holds: the headers, the libraries, the programs, superdb.pc, superdb_client.pc, superdb_crashtest.pc, and the CMake
# package, whose targets are superdb::superdb, superdb::superdb_static, superdb::client, superdb::client_static and superdb::crashtest.
if(NOT TARGET superdb)
    return()
endif()
include(CMakePackageConfigHelpers)

set(package_dir "${CMAKE_INSTALL_LIBDIR}/cmake/superdb")
install(TARGETS superdb superdb_static superdb_client superdb_client_static superdb_crashtest EXPORT superdb-targets
        LIBRARY DESTINATION ${CMAKE_INSTALL_LIBDIR} ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(EXPORT superdb-targets NAMESPACE superdb:: DESTINATION ${package_dir} FILE superdbTargets.cmake)
file(GLOB headers CONFIGURE_DEPENDS include/superdb/*.h)
install(FILES ${headers} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/superdb)
foreach(program IN ITEMS superdb-server superdb-pool superdb-bench)
    if(TARGET ${program})
        install(TARGETS ${program} RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
    endif()
endforeach()

configure_package_config_file(cmake/superdbConfig.cmake.in "${PROJECT_BINARY_DIR}/superdbConfig.cmake"
                              INSTALL_DESTINATION ${package_dir})
# Before 1.0 a minor version may change the interface.
write_basic_package_version_file("${PROJECT_BINARY_DIR}/superdbConfigVersion.cmake" COMPATIBILITY SameMinorVersion)
install(FILES "${PROJECT_BINARY_DIR}/superdbConfig.cmake" "${PROJECT_BINARY_DIR}/superdbConfigVersion.cmake"
        DESTINATION ${package_dir})

# From libdir/pkgconfig back to the prefix, however deep libdir is, so that an installed tree may be moved.
file(RELATIVE_PATH superdb_pc_prefix "/prefix/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/prefix")
string(REGEX REPLACE "/$" "" superdb_pc_prefix "${superdb_pc_prefix}")
configure_file(cmake/superdb.pc.in "${PROJECT_BINARY_DIR}/superdb.pc" @ONLY)
foreach(name IN ITEMS superdb_client superdb_crashtest)
    configure_file(cmake/${name}.pc.in "${PROJECT_BINARY_DIR}/${name}.pc" @ONLY)
endforeach()
install(FILES "${PROJECT_BINARY_DIR}/superdb.pc" "${PROJECT_BINARY_DIR}/superdb_client.pc" "${PROJECT_BINARY_DIR}/superdb_crashtest.pc"
        DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
