# SPDX-License-Identifier: GPL-3.0-or-later
# Debian packages, and LibTorch from LUTHIER_TORCH_DIR (cache variable or environment) or
# .deps/libtorch/torch.
find_package(nlohmann_json REQUIRED)
find_package(yaml-cpp REQUIRED)
find_package(spdlog REQUIRED)
find_package(JPEG REQUIRED)
find_package(PNG REQUIRED)
find_package(Threads REQUIRED)
find_package(PkgConfig REQUIRED)
pkg_check_modules(WEBP REQUIRED IMPORTED_TARGET libwebp)
pkg_check_modules(WEBPDEMUX IMPORTED_TARGET libwebpdemux)
pkg_check_modules(TIFF REQUIRED IMPORTED_TARGET libtiff-4)
# Films' files: the headers alone, since the libraries are loaded when a film is first opened
# (engine/vision/film_libraries.h).
pkg_check_modules(FFMPEG IMPORTED_TARGET libavformat>=59 libavcodec>=59 libswscale>=6 libavutil>=57)
if(NOT FFMPEG_FOUND)
  message(STATUS "FFmpeg's libraries were not found (libavformat-dev, libavcodec-dev, libswscale-dev): films are read as folders of pictures alone.")
endif()
pkg_check_modules(ONIG REQUIRED IMPORTED_TARGET oniguruma)
pkg_check_modules(UTF8PROC REQUIRED IMPORTED_TARGET libutf8proc)
pkg_check_modules(SENTENCEPIECE REQUIRED IMPORTED_TARGET sentencepiece)
pkg_check_modules(LIBCRYPTO REQUIRED IMPORTED_TARGET libcrypto)
pkg_check_modules(LIBCURL REQUIRED IMPORTED_TARGET libcurl>=7.85)

if(LUTHIER_TORCH)
  if(NOT LUTHIER_TORCH_DIR AND DEFINED ENV{LUTHIER_TORCH_DIR})
    set(LUTHIER_TORCH_DIR $ENV{LUTHIER_TORCH_DIR})
  endif()
  if(NOT LUTHIER_TORCH_DIR)
    set(LUTHIER_TORCH_DIR ${CMAKE_SOURCE_DIR}/.deps/libtorch/torch)
  endif()
  set(LUTHIER_TORCH_DIR ${LUTHIER_TORCH_DIR} CACHE PATH
    "LibTorch: the folder that holds include/ and lib/")
  if(NOT EXISTS ${LUTHIER_TORCH_DIR}/lib/libtorch_cpu.so)
    message(FATAL_ERROR "LibTorch was not found in ${LUTHIER_TORCH_DIR}. Run ./luthier setup, or set LUTHIER_TORCH_DIR to a LibTorch 2.11 folder.")
  endif()
  # Plain imported targets: find_package(Torch) would demand a CUDA toolkit on the machine.
  add_library(luthier_torch INTERFACE)
  # In front of LibTorch's own headers stand ours for what modules are not saved with here
  # (engine/device/declared says what).
  target_include_directories(luthier_torch SYSTEM INTERFACE
    ${CMAKE_SOURCE_DIR}/engine/device/declared ${LUTHIER_TORCH_DIR}/include
    ${LUTHIER_TORCH_DIR}/include/torch/csrc/api/include)
  target_link_directories(luthier_torch INTERFACE ${LUTHIER_TORCH_DIR}/lib)
  set(torch_libraries torch_cpu c10)
  if(EXISTS ${LUTHIER_TORCH_DIR}/lib/libtorch_cuda.so)
    # Loaded at run time where a device is there (engine/device/cuda_libraries.cpp).
    target_compile_definitions(luthier_torch INTERFACE LUTHIER_HAS_CUDA_LIBRARIES=1)
  else()
    message(STATUS "LibTorch in ${LUTHIER_TORCH_DIR} has no CUDA half: programs compute on the CPU, but for carried or installed ones that are started beside another (LUTHIER_TORCH_DIR).")
  endif()
  list(TRANSFORM torch_libraries PREPEND "-l")
  # installed and carried programs find LibTorch through their launcher instead
  list(APPEND CMAKE_BUILD_RPATH ${LUTHIER_TORCH_DIR}/lib)
  # libstdc++ before LibTorch: its libraries export parts of another libstdc++ (std::filesystem
  # among them), which crash when ours are bound to them.
  target_link_libraries(luthier_torch INTERFACE -Wl,--no-as-needed -lstdc++ ${torch_libraries}
    -Wl,--as-needed)
  # What fits scaling laws (engine/lab/law_fit.cpp): its C half, which has no dependencies.
  pkg_check_modules(NLOPT REQUIRED IMPORTED_TARGET nlopt)
  # At run time it is LibTorch's: its libgomp bears the system's name and is found first.
  find_package(OpenMP REQUIRED COMPONENTS CXX)
endif()

# Apache Arrow from LUTHIER_ARROW_DIR (cache variable or environment) or .deps/arrow/pyarrow: without
# it Parquet and Arrow files are not read, and nothing else lacks. The core preset goes without, and
# so do the sanitizers, which know nothing of its libraries' memory.
if(NOT LUTHIER_ARROW_DIR AND DEFINED ENV{LUTHIER_ARROW_DIR})
  set(LUTHIER_ARROW_DIR $ENV{LUTHIER_ARROW_DIR})
endif()
if(NOT LUTHIER_ARROW_DIR AND EXISTS ${CMAKE_SOURCE_DIR}/.deps/arrow/pyarrow/include/arrow/api.h)
  set(LUTHIER_ARROW_DIR ${CMAKE_SOURCE_DIR}/.deps/arrow/pyarrow)
endif()
if(LUTHIER_SANITIZE OR NOT LUTHIER_TORCH)
  set(LUTHIER_ARROW_DIR "")
endif()
if(LUTHIER_ARROW_DIR)
  file(GLOB ARROW_LIBRARIES ${LUTHIER_ARROW_DIR}/libarrow.so.?*
    ${LUTHIER_ARROW_DIR}/libparquet.so.?*)
  list(LENGTH ARROW_LIBRARIES arrow_count)
  if(NOT arrow_count EQUAL 2 OR NOT EXISTS ${LUTHIER_ARROW_DIR}/include/arrow/api.h)
    message(FATAL_ERROR "Apache Arrow was not found in ${LUTHIER_ARROW_DIR}. Run ./luthier setup, or unset LUTHIER_ARROW_DIR.")
  endif()
else()
  message(STATUS "Apache Arrow was not found (.deps/arrow): Parquet and Arrow files are not read.")
endif()

# Qt's imported targets are visible only below the folder that finds them: the window, its program
# and the tests all use them.
if(LUTHIER_UI)
  find_package(Qt6 6.4 REQUIRED COMPONENTS Widgets Svg PrintSupport DBus LinguistTools)
  find_package(QCustomPlotQt6 REQUIRED)
endif()
