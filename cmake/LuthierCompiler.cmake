# SPDX-License-Identifier: GPL-3.0-or-later
# Compiler settings of our own targets: warnings are errors; ccache and mold where present.
find_program(CCACHE_PROGRAM ccache)
if(CCACHE_PROGRAM)
  set(CMAKE_CXX_COMPILER_LAUNCHER ${CMAKE_COMMAND} -E env CCACHE_SLOPPINESS=pch_defines,time_macros,include_file_mtime,include_file_ctime ${CCACHE_PROGRAM})
endif()
find_program(MOLD_PROGRAM mold)
if(MOLD_PROGRAM)
  add_link_options(-fuse-ld=mold)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  # The compiler collects its garbage from a gigabyte on, not from 128 MB: a test behind LibTorch's
  # precompiled header took a quarter more time, for a tenth less memory.
  add_compile_options(-fpch-preprocess --param=ggc-min-heapsize=1000000)
endif()

# What arranges calls, and computes in no loop of its own, is optimised little: two fifths of the time
# that a family took to compile, for code that is waited for by nobody.
function(arranges_calls target)
  target_compile_options(${target} PRIVATE $<$<CONFIG:Release>:-O1>)
endfunction()

add_library(luthier_flags INTERFACE)
target_compile_options(luthier_flags INTERFACE -Wall -Wextra -Wpedantic -Wnon-virtual-dtor -Werror)
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
  target_compile_options(luthier_flags INTERFACE -Wshadow=local)
endif()
if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU" AND CMAKE_CXX_COMPILER_VERSION VERSION_LESS 14)
  # False alarms on "text" + std::string. Behind a precompiled header the library's own lines no
  # longer count as a system header's, so that two more kinds of them are told. The sanitizers look
  # where these would have.
  target_compile_options(luthier_flags INTERFACE
    -Wno-restrict -Wno-stringop-overflow -Wno-array-bounds)
endif()
target_include_directories(luthier_flags INTERFACE ${CMAKE_SOURCE_DIR})
if(LUTHIER_SANITIZE)
  add_compile_options(-fsanitize=${LUTHIER_SANITIZE} -fno-omit-frame-pointer -fno-sanitize-recover=undefined)
  add_link_options(-fsanitize=${LUTHIER_SANITIZE})
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # Between the checks that it puts in, g++ loses sight of what is set (so its manual says too).
    target_compile_options(luthier_flags INTERFACE -Wno-maybe-uninitialized)
  endif()
endif()
# A program finds its small libraries beside itself first, so that its folder can be carried to another machine.
set(CMAKE_BUILD_RPATH "$ORIGIN")
