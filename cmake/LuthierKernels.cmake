# SPDX-License-Identifier: GPL-3.0-or-later
# The kernels of engine/kernels/source go into the program as text, which is compiled on the machine
# with the card. Where a CUDA toolkit is, nvcc can also compile them here, for all cards at once.
option(LUTHIER_KERNELS_AHEAD "Compile the kernels ahead of time with nvcc, where it is found" OFF)
set(LUTHIER_KERNEL_CARDS 75 80 86 89 90 100 120 CACHE STRING
  "Compute capabilities that LUTHIER_KERNELS_AHEAD compiles for; the last one also as PTX")

# output: the name of a variable for the .cpp that holds them.
function(embed_kernels output)
  set(folder ${CMAKE_SOURCE_DIR}/engine/kernels/source)
  file(GLOB sources CONFIGURE_DEPENDS ${folder}/*.cu)
  file(GLOB headers CONFIGURE_DEPENDS ${folder}/*.cuh ${folder}/*.h)
  set(ahead)
  set(binaries)
  if(LUTHIER_KERNELS_AHEAD)
    find_program(NVCC_PROGRAM nvcc PATHS /usr/local/cuda/bin)
    if(NVCC_PROGRAM)
      set(ahead ${CMAKE_CURRENT_BINARY_DIR}/kernels_ahead)
      file(MAKE_DIRECTORY ${ahead})
      set(cards)
      foreach(card IN LISTS LUTHIER_KERNEL_CARDS)
        list(APPEND cards -gencode arch=compute_${card},code=sm_${card})
      endforeach()
      list(APPEND cards -gencode arch=compute_${card},code=compute_${card})
      foreach(source IN LISTS sources)
        cmake_path(GET source FILENAME name)
        add_custom_command(OUTPUT ${ahead}/${name}.fatbin
          COMMAND ${NVCC_PROGRAM} --fatbin --std=c++17 --fmad=false ${cards}
            -o ${ahead}/${name}.fatbin ${source}
          DEPENDS ${source} ${headers} VERBATIM)
        list(APPEND binaries ${ahead}/${name}.fatbin)
      endforeach()
    else()
      message(STATUS "LUTHIER_KERNELS_AHEAD: nvcc was not found; the kernels are compiled on the machine with the card.")
    endif()
  endif()
  set(made ${CMAKE_CURRENT_BINARY_DIR}/embedded_kernels/embedded_kernels.cpp)
  set(script ${CMAKE_SOURCE_DIR}/cmake/EmbedKernels.cmake)
  # A list would be taken apart on its way through the command.
  string(REPLACE ";" "|" source_list "${sources}")
  string(REPLACE ";" "|" header_list "${headers}")
  add_custom_command(OUTPUT ${made}
    COMMAND ${CMAKE_COMMAND} -DOUTPUT=${made} "-DSOURCES=${source_list}" "-DHEADERS=${header_list}"
      -DAHEAD=${ahead} -P ${script}
    DEPENDS ${sources} ${headers} ${binaries} ${script} VERBATIM)
  set(${output} ${made} PARENT_SCOPE)
endfunction()
