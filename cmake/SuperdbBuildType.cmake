# SPDX-License-Identifier: BSD-3-Clause
#
# The default build type is RelWithDebInfo, without NDEBUG: the asserts that guard what is written to the medium stay in
# every build. Debug builds (and the sanitizer presets, which are Debug builds) define SUPERDB_DEBUG=1 on top, which
# switches on the expensive ones.
if(NOT CMAKE_BUILD_TYPE AND NOT CMAKE_CONFIGURATION_TYPES)
    set(CMAKE_BUILD_TYPE RelWithDebInfo CACHE STRING "Debug or RelWithDebInfo" FORCE)
endif()
set(CMAKE_C_FLAGS_RELWITHDEBINFO "-O2 -g" CACHE STRING "" FORCE)
set(CMAKE_C_FLAGS_RELEASE "-O2" CACHE STRING "" FORCE)
set(CMAKE_C_FLAGS_DEBUG "-O1 -g -fno-omit-frame-pointer" CACHE STRING "" FORCE)
