# SPDX-License-Identifier: GPL-3.0-or-later
# Run as a script by the build: writes the kernels' source files as string constants into one .cpp,
# and brings what nvcc made of them into it.
#   OUTPUT: the .cpp;  SOURCES, HEADERS: paths;  BINARIES: paths FOLDER/NAME.CARD.cubin (or .ptx) of
#   what was made ahead, or empty.
file(WRITE ${OUTPUT}.new "// SPDX-License-Identifier: GPL-3.0-or-later
// Made by cmake/EmbedKernels.cmake from engine/kernels/source.
#include \"engine/kernels/sources.h\"\n\nnamespace luthier {\nnamespace {\n")
set(rows_sources)
set(rows_headers)
set(binaries)  # what was made ahead, between two names of the assembler's
set(lists)     # of these, one a source
string(REPLACE "|" ";" BINARIES "${BINARIES}")
foreach(kind sources headers)
  string(TOUPPER ${kind} list)
  string(REPLACE "|" ";" paths "${${list}}")
  foreach(path IN LISTS paths)
    cmake_path(GET path FILENAME name)
    string(MAKE_C_IDENTIFIER ${name} constant)
    file(READ ${path} text)
    file(APPEND ${OUTPUT}.new "constexpr char ${constant}[] = R\"luthier(${text})luthier\";\n")
    set(ahead "{}")
    set(own ${BINARIES})
    list(FILTER own INCLUDE REGEX "/${name}\\.[0-9]+\\.(cubin|ptx)$")
    foreach(binary IN LISTS own)
      string(REGEX MATCH "([0-9]+)\\.(cubin|ptx)$" _ ${binary})
      set(capability ${CMAKE_MATCH_1})
      string(REPLACE "cubin" "Cubin" form ${CMAKE_MATCH_2})
      string(REPLACE "ptx" "Ptx" form ${form})
      set(symbol luthier_ahead_${constant}_${capability}_${CMAKE_MATCH_2})
      # The sum is a comment: a compiler's cache sees this text and not the file.
      file(SHA256 ${binary} sum)
      string(APPEND binaries
        "__asm__(\".section .rodata\\n.balign 16\\n${symbol}: /* ${sum} */\\n\"\n"
        "        \".incbin \\\"${binary}\\\"\\n${symbol}_end:\\n.previous\\n\");\n"
        "extern \"C\" const char ${symbol}[], ${symbol}_end[];\n")
      if(ahead STREQUAL "{}")
        string(APPEND lists "  static const AheadBinary ahead_${constant}[] = {\n")
        set(ahead ahead_${constant})
      endif()
      string(APPEND lists "      {${capability}, AheadBinary::Form::${form}, "
        "{${symbol}, static_cast<std::size_t>(${symbol}_end - ${symbol})}},\n")
    endforeach()
    if(own)
      string(APPEND lists "  };\n")
    endif()
    string(APPEND rows_${kind} "      {\"${name}\", ${constant}, ${ahead}},\n")
  endforeach()
endforeach()
file(APPEND ${OUTPUT}.new "}  // namespace\n${binaries}")
foreach(kind sources headers)
  string(REGEX REPLACE "s$" "" one ${kind})
  file(APPEND ${OUTPUT}.new "
std::span<const KernelSource> kernel_${kind}() {
${lists}  static const KernelSource list[] = {
${rows_${kind}}  };
  return list;
}\n")
  set(lists)  # headers have none
endforeach()
file(APPEND ${OUTPUT}.new "\n}  // namespace luthier\n")
file(RENAME ${OUTPUT}.new ${OUTPUT})
