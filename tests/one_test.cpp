// SPDX-License-Identifier: GPL-3.0-or-later
#include "tests/one_test.h"

#include <cstdio>
#include <cstring>
#include <vector>

namespace luthier::test {
namespace {

std::vector<OneTest>& tests_of_the_room() {
  static std::vector<OneTest> tests;
  return tests;
}

}  // namespace

OneTest::OneTest(const char* name, int (*run)(int, char**)) : name(name), run(run) {
  tests_of_the_room().push_back(*this);
}

}  // namespace luthier::test

int main(int argc, char** argv) {
  using namespace luthier::test;
  for (const OneTest& test : tests_of_the_room()) {
    if (argc < 2 || std::strcmp(argv[1], test.name) != 0) continue;
    argv[1] = argv[0];
    return test.run(argc - 1, argv + 1);
  }
  std::fprintf(stderr, "Usage: %s TEST [what Qt Test takes]\nTests:\n", argv[0]);
  for (const OneTest& test : tests_of_the_room()) std::fprintf(stderr, "  %s\n", test.name);
  return 2;
}
