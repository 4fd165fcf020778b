# SPDX-License-Identifier: BSD-3-Clause
#
# What SuperDB is built on, found by pkg-config (scripts/packages.txt names the Debian packages). hiredis and cmocka
# serve tests, libpmemobj serves a comparison in the bench; the library needs libpmem and xxHash, the server liburing,
# nettle, libnuma and Lua.
find_package(PkgConfig REQUIRED)
find_package(Threads REQUIRED)
pkg_check_modules(pmem REQUIRED IMPORTED_TARGET libpmem)
pkg_check_modules(xxhash REQUIRED IMPORTED_TARGET libxxhash)
pkg_check_modules(uring REQUIRED IMPORTED_TARGET liburing)
pkg_check_modules(nettle REQUIRED IMPORTED_TARGET nettle)
pkg_check_modules(numa REQUIRED IMPORTED_TARGET numa)
pkg_check_modules(lua REQUIRED IMPORTED_TARGET lua5.1 lua5.1-cjson lua5.1-bitop)
if(CMAKE_CROSSCOMPILING)
    # Lua's configuration includes a header of the target's own, which says where modules are: scripts load none.
    file(WRITE "${CMAKE_BINARY_DIR}/lua/lua5.1-deb-multiarch.h" "#define DEB_HOST_MULTIARCH \"${CMAKE_SYSTEM_PROCESSOR}\"\n")
    set_property(TARGET PkgConfig::lua APPEND PROPERTY INTERFACE_INCLUDE_DIRECTORIES "${CMAKE_BINARY_DIR}/lua")
endif()
pkg_check_modules(pmemobj REQUIRED IMPORTED_TARGET libpmemobj)
if(BUILD_TESTING)
    pkg_check_modules(hiredis REQUIRED IMPORTED_TARGET hiredis)
    pkg_check_modules(cmocka REQUIRED IMPORTED_TARGET cmocka)
endif()
