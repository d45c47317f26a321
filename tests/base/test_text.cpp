// SPDX-License-Identifier: GPL-3.0-or-later
// Small things done to text.
#include <QtTest>

#include "engine/base/text.h"

using namespace luthier;

class TestText : public QObject {
  Q_OBJECT

 private slots:
  void ends_are_trimmed() {
    QCOMPARE(trimmed(" \t a b\r\n"), std::string("a b"));
    QCOMPARE(trimmed(" \n"), std::string());
  }

  void first_lines() {
    QCOMPARE(first_line("a fault\nat 0x1\nat 0x2"), std::string("a fault"));
    QCOMPARE(first_line("one line"), std::string("one line"));
    QCOMPARE(first_line(""), std::string());
  }

  void sizes_name_their_unit() {
    QCOMPARE(size_text(0), std::string("0 B"));
    QCOMPARE(size_text(1023), std::string("1023 B"));
    QCOMPARE(size_text(1536), std::string("1.5 KiB"));
    QCOMPARE(size_text(12.6 * (1 << 30)), std::string("12.6 GiB"));
    QCOMPARE(size_text(5000.0 * 1024 * (1ull << 30)), std::string("5000.0 TiB"));
  }

  void shapes() {
    QCOMPARE(shape_text({2, 3}), std::string("[2, 3]"));
    QCOMPARE(shape_text({}), std::string("[]"));
  }
};

QTEST_APPLESS_MAIN(TestText)
#include "test_text.moc"
