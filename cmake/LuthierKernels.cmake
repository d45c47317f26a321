# SPDX-License-Identifier: GPL-3.0-or-later
# The kernels of engine/kernels/source go into the program as text, which is compiled on the machine
# with the card. Where a CUDA toolkit is, nvcc can also compile them here, once for each kind of card.
option(LUTHIER_KERNELS_AHEAD "Compile the kernels ahead of time with nvcc, where it is found" OFF)
set(LUTHIER_KERNEL_CARDS 75 80 86 89 90 100 120 CACHE STRING
  "Compute capabilities that LUTHIER_KERNELS_AHEAD compiles for; the last one also as PTX")

# Sets `result` to those of LUTHIER_KERNEL_CARDS that this nvcc compiles for.
function(cards_of_nvcc result)
  execute_process(COMMAND ${NVCC_PROGRAM} --list-gpu-code OUTPUT_VARIABLE known
    COMMAND_ERROR_IS_FATAL ANY)
  set(cards)
  foreach(card IN LISTS LUTHIER_KERNEL_CARDS)
    if(NOT card MATCHES "^[0-9]+$")
      message(FATAL_ERROR "LUTHIER_KERNEL_CARDS: ${card} is no compute capability; 9.0 is 90.")
    endif()
    if(known MATCHES "sm_${card}\n")
      list(APPEND cards ${card})
    else()
      message(STATUS "LUTHIER_KERNELS_AHEAD: this nvcc does not know sm_${card}; such a card compiles the kernels by itself.")
    endif()
  endforeach()
  set(${result} ${cards} PARENT_SCOPE)
endfunction()

# Compiles each source once a card, and for the last card also as PTX, into `folder`. Appends to
# `binaries` what is made: NAME.cu.90.cubin, NAME.cu.120.ptx.
function(compile_kernels_ahead folder binaries)
  cards_of_nvcc(cards)
  set(forms)
  foreach(card IN LISTS cards)
    list(APPEND forms ${card}.cubin)
  endforeach()
  list(GET cards -1 last)
  list(APPEND forms ${last}.ptx)
  set(made)
  foreach(source ${ARGN})
    cmake_path(GET source FILENAME name)
    foreach(form IN LISTS forms)
      string(REGEX MATCH "^([0-9]+)\\.(.+)$" _ ${form})
      if(CMAKE_MATCH_2 STREQUAL "ptx")
        set(code compute_${CMAKE_MATCH_1})
      else()
        set(code sm_${CMAKE_MATCH_1})
      endif()
      # The options of KernelCompiler::options.
      add_custom_command(OUTPUT ${folder}/${name}.${form}
        COMMAND ${NVCC_PROGRAM} --${CMAKE_MATCH_2} --std=c++17 --fmad=false
          -gencode arch=compute_${CMAKE_MATCH_1},code=${code} -o ${folder}/${name}.${form} ${source}
        DEPENDS ${source} ${headers} VERBATIM)
      list(APPEND made ${folder}/${name}.${form})
    endforeach()
  endforeach()
  set(${binaries} ${made} PARENT_SCOPE)
endfunction()

# output: the name of a variable for the .cpp that holds them.
function(embed_kernels output)
  set(folder ${CMAKE_SOURCE_DIR}/engine/kernels/source)
  file(GLOB sources CONFIGURE_DEPENDS ${folder}/*.cu)
  file(GLOB headers CONFIGURE_DEPENDS ${folder}/*.cuh ${folder}/*.h)
  set(binaries)
  if(LUTHIER_KERNELS_AHEAD)
    find_program(NVCC_PROGRAM nvcc PATHS /usr/local/cuda/bin)
    if(NVCC_PROGRAM)
      file(MAKE_DIRECTORY ${CMAKE_CURRENT_BINARY_DIR}/kernels_ahead)
      compile_kernels_ahead(${CMAKE_CURRENT_BINARY_DIR}/kernels_ahead binaries ${sources})
    else()
      message(STATUS "LUTHIER_KERNELS_AHEAD: nvcc was not found; the kernels are compiled on the machine with the card.")
    endif()
  endif()
  set(made ${CMAKE_CURRENT_BINARY_DIR}/embedded_kernels/embedded_kernels.cpp)
  set(script ${CMAKE_SOURCE_DIR}/cmake/EmbedKernels.cmake)
  # A list would be taken apart on its way through the command.
  string(REPLACE ";" "|" source_list "${sources}")
  string(REPLACE ";" "|" header_list "${headers}")
  string(REPLACE ";" "|" binary_list "${binaries}")
  add_custom_command(OUTPUT ${made}
    COMMAND ${CMAKE_COMMAND} -DOUTPUT=${made} "-DSOURCES=${source_list}" "-DHEADERS=${header_list}"
      "-DBINARIES=${binary_list}" -P ${script}
    DEPENDS ${sources} ${headers} ${binaries} ${script} VERBATIM)
  set(${output} ${made} PARENT_SCOPE)
endfunction()
