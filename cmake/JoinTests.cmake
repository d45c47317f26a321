# SPDX-License-Identifier: GPL-3.0-or-later
# Run as a script by the build: writes one source of several tests, each in a namespace of its own
# name, so that what stands in one is no other's business.
#   OUTPUT: the .cpp;  SOURCES: the tests' paths, with | between them.
string(REPLACE "|" ";" SOURCES "${SOURCES}")
set(includes)
set(bodies)
foreach(source IN LISTS SOURCES)
  # What a test includes is included here, outside of its namespace.
  file(STRINGS ${source} own REGEX "^#include [<\"]")
  list(FILTER own EXCLUDE REGEX "\\.moc\"")
  list(TRANSFORM own REPLACE "([>\"])[ \t]*//.*$" "\\1")
  list(APPEND includes ${own})
  cmake_path(GET source STEM name)
  string(APPEND bodies "namespace ${name} {\n#include \"${source}\"\n}  // namespace ${name}\n"
    "static const luthier::test::OneTest one_${name}{\"${name}\", ${name}::main};\n")
endforeach()
list(REMOVE_DUPLICATES includes)
list(JOIN includes "\n" includes)
# Qt's keyword `slots` is a name in LibTorch: it is one of Qt's again where all headers are read.
file(WRITE ${OUTPUT}.new "#ifndef slots\n#define QT_NO_KEYWORDS\n#endif\n${includes}\n
#include \"tests/one_test.h\"\n
#ifndef slots\n#define slots Q_SLOTS\n#define signals Q_SIGNALS\n#define emit Q_EMIT\n#endif\n
${bodies}")
file(RENAME ${OUTPUT}.new ${OUTPUT})
