# SPDX-License-Identifier: GPL-3.0-or-later
# Which files include LibTorch, by themselves or through a header of ours. Each file that is compiled
# behind torch's precompiled header pays three seconds for the templates that those headers leave
# open, whether it uses one or not: who needs no torch is told apart and spared.

# result: whether `file`, or a header of ours that it includes, includes a header of LibTorch.
function(includes_torch file result)
  cmake_path(NORMAL_PATH file)
  get_property(known GLOBAL PROPERTY "includes_torch ${file}")
  if("${known}" STREQUAL "")
    set(known FALSE)
    set_property(GLOBAL PROPERTY "includes_torch ${file}" FALSE)  # a circle ends here
    file(STRINGS ${file} lines REGEX "^#include [<\"]")
    cmake_path(GET file PARENT_PATH beside)
    foreach(line IN LISTS lines)
      string(REGEX REPLACE "^#include [<\"]([^>\"]+).*" "\\1" header "${line}")
      if(header MATCHES "^(torch|ATen|c10)/")
        set(known TRUE)
        break()
      endif()
      foreach(path ${CMAKE_SOURCE_DIR}/${header} ${beside}/${header})
        if(EXISTS ${path})
          includes_torch(${path} known)
          break()
        endif()
      endforeach()
      if(known)
        break()
      endif()
    endforeach()
    set_property(GLOBAL PROPERTY "includes_torch ${file}" ${known})
  endif()
  set(${result} ${known} PARENT_SCOPE)
endfunction()

# Splits `files` into those that include LibTorch and those that do not.
function(split_by_torch with without)
  set(torch)
  set(plain)
  foreach(file ${ARGN})
    includes_torch(${file} needs)
    if(needs)
      list(APPEND torch ${file})
    else()
      list(APPEND plain ${file})
    endif()
  endforeach()
  set(${with} ${torch} PARENT_SCOPE)
  set(${without} ${plain} PARENT_SCOPE)
endfunction()

option(LUTHIER_JOINED "Compile neighbouring files of a room as one" ON)

# While files are added: those that this commit does not have stand by themselves, so that the room's
# other files stay grouped, and compiled, as they were.
set(LUTHIER_APART_SINCE "" CACHE STRING "A commit; files that it lacks are compiled each by itself")
if(LUTHIER_APART_SINCE)
  execute_process(COMMAND git ls-tree -r --name-only ${LUTHIER_APART_SINCE} -- engine ui app
    WORKING_DIRECTORY ${CMAKE_SOURCE_DIR} OUTPUT_VARIABLE grouped_files COMMAND_ERROR_IS_FATAL ANY)
  string(REPLACE "\n" ";" grouped_files "${grouped_files}")
endif()

# Compiles the files of each room of `target` ten at a time: most of what a file costs is what its
# headers leave to be instantiated, which files of one room share. The price is a rule: what stands in
# a room's anonymous namespaces has names of its own there.
function(join_files target)
  if(NOT LUTHIER_JOINED)
    return()
  endif()
  get_target_property(sources ${target} SOURCES)
  list(FILTER sources INCLUDE REGEX "\\.cpp$")
  list(SORT sources)
  set_target_properties(${target} PROPERTIES UNITY_BUILD ON UNITY_BUILD_MODE GROUP)
  set(room)
  foreach(source IN LISTS sources)
    cmake_path(RELATIVE_PATH source BASE_DIRECTORY ${CMAKE_SOURCE_DIR} OUTPUT_VARIABLE path)
    if(LUTHIER_APART_SINCE AND NOT path IN_LIST grouped_files)
      set_source_files_properties(${source} PROPERTIES SKIP_UNITY_BUILD_INCLUSION ON)
      continue()
    endif()
    # ui is one room, and so is each folder of engine and app.
    string(REGEX MATCH "^(ui|[^/]+/[^/]+)/" own_room "${path}")
    if(NOT own_room STREQUAL room)
      set(room ${own_room})
      set(count 0)
    endif()
    math(EXPR piece "${count} / 10")
    math(EXPR count "${count} + 1")
    string(MAKE_C_IDENTIFIER "${room}${piece}" group)
    set_source_files_properties(${source} PROPERTIES UNITY_GROUP ${group})
  endforeach()
  if(CMAKE_CXX_COMPILER_ID STREQUAL "GNU")
    # Told of types that stand in a file which is included, as each of these then is.
    target_compile_options(${target} PRIVATE -Wno-subobject-linkage)
  endif()
endfunction()
