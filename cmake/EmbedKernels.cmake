# SPDX-License-Identifier: GPL-3.0-or-later
# Run as a script by the build: writes the kernels' source files as string constants into one .cpp,
# and brings what nvcc made of them into it.
#   OUTPUT: the .cpp;  SOURCES, HEADERS: paths;  AHEAD: a folder with NAME.fatbin, or empty.
file(WRITE ${OUTPUT}.new "// SPDX-License-Identifier: GPL-3.0-or-later
// Made by cmake/EmbedKernels.cmake from engine/kernels/source.
#include \"engine/kernels/sources.h\"\n\nnamespace luthier {\nnamespace {\n")
set(rows_sources)
set(rows_headers)
foreach(kind sources headers)
  string(TOUPPER ${kind} list)
  string(REPLACE "|" ";" paths "${${list}}")
  foreach(path IN LISTS paths)
    cmake_path(GET path FILENAME name)
    string(MAKE_C_IDENTIFIER ${name} constant)
    file(READ ${path} text)
    file(APPEND ${OUTPUT}.new "constexpr char ${constant}[] = R\"luthier(${text})luthier\";\n")
    set(ahead "{}")
    if(AHEAD AND kind STREQUAL "sources")
      # The bytes between two names of the assembler's.
      file(APPEND ${OUTPUT}.new
        "__asm__(\".section .rodata\\n.balign 16\\nluthier_ahead_${constant}:\\n"
        ".incbin \\\"${AHEAD}/${name}.fatbin\\\"\\nluthier_ahead_end_${constant}:\\n.previous\\n\");\n"
        "extern \"C\" const char luthier_ahead_${constant}[], luthier_ahead_end_${constant}[];\n")
      set(ahead "std::string_view(luthier_ahead_${constant}, static_cast<std::size_t>(luthier_ahead_end_${constant} - luthier_ahead_${constant}))")
    endif()
    string(APPEND rows_${kind} "      {\"${name}\", ${constant}, ${ahead}},\n")
  endforeach()
endforeach()
file(APPEND ${OUTPUT}.new "}  // namespace\n")
foreach(kind sources headers)
  string(REGEX REPLACE "s$" "" one ${kind})
  file(APPEND ${OUTPUT}.new "
std::span<const KernelSource> kernel_${kind}() {
  static const KernelSource list[] = {
${rows_${kind}}  };
  return list;
}\n")
endforeach()
file(APPEND ${OUTPUT}.new "\n}  // namespace luthier\n")
file(RENAME ${OUTPUT}.new ${OUTPUT})
