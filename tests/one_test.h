// SPDX-License-Identifier: GPL-3.0-or-later
// The tests of a room are one program, which runs the one that its first argument names: a source
// of several tests (cmake/JoinTests.cmake) is compiled in little more time than one of them, since
// most of it goes into what headers leave to be instantiated.
#pragma once

#include <QtTest>

namespace luthier::test {

/// A test of this program: the room's main() calls `run` with the arguments behind its name.
struct OneTest {
  OneTest(const char* name, int (*run)(int, char**));
  const char* name;
  int (*run)(int, char**);
};

}  // namespace luthier::test

#undef QTEST_APPLESS_MAIN
#undef QTEST_GUILESS_MAIN
#undef QTEST_MAIN

#define QTEST_APPLESS_MAIN(Test)            \
  int main(int argc, char** argv) {         \
    Test test;                              \
    return QTest::qExec(&test, argc, argv); \
  }
#define LUTHIER_TEST_UNDER(Application, Test) \
  int main(int argc, char** argv) {           \
    Application app(argc, argv);              \
    app.setAttribute(Qt::AA_Use96Dpi, true);  \
    Test test;                                \
    return QTest::qExec(&test, argc, argv);   \
  }
#define QTEST_GUILESS_MAIN(Test) LUTHIER_TEST_UNDER(QCoreApplication, Test)
#define QTEST_MAIN(Test) LUTHIER_TEST_UNDER(QApplication, Test)
