// SPDX-License-Identifier: GPL-3.0-or-later
// Errors as sentences and exit statuses, the macros that pass them on, UTF-8, and the log.
#include <QtTest>

#include "engine/base/log.h"
#include "engine/base/result.h"
#include "engine/base/utf8.h"

using namespace luthier;

namespace {

Result<int> half(int number) {
  if (number % 2) return input_error("This must be even.", "f: n", "Double it.");
  return number / 2;
}

Result<int> quarter(int number) {
  LUTHIER_TRY(const int once, half(number));
  LUTHIER_TRY(const int twice, half(once));
  return twice;
}

Status check(int number) {
  LUTHIER_CHECK(quarter(number));
  return {};
}

}  // namespace

class TestBase : public QObject {
  Q_OBJECT

 private slots:
  void errors() {
    QCOMPARE(input_error("What.", "file: field", "Do this.").sentence(),
             std::string("file: field: What. Do this."));
    QCOMPARE(input_error("What.").sentence(), std::string("What."));
    QCOMPARE(input_error("").exit_status(), 2);
    QCOMPARE(machine_error("").exit_status(), 3);
    QCOMPARE(interrupted_error().exit_status(), 130);
  }

  void results() {
    QCOMPARE(*quarter(12), 3);
    QCOMPARE(quarter(6).error().where, std::string("f: n"));
    QVERIFY(check(8).ok());
    QVERIFY(!check(2).ok());
    Result<std::unique_ptr<int>> owner(std::make_unique<int>(7));
    QCOMPARE(*owner.take(), 7);
  }

  void utf8_data() {
    QTest::addColumn<QByteArray>("bytes");
    QTest::addColumn<bool>("valid");
    QTest::newRow("empty") << QByteArray("") << true;
    QTest::newRow("ASCII") << QByteArray("abc\n\x7f") << true;
    QTest::newRow("two, three, four bytes")
        << QByteArray("\xc3\xa9\xed\x95\x9c\xf0\x9f\x90\x88") << true;
    QTest::newRow("edges") << QByteArray(
                                  "\xc2\x80\xdf\xbf\xe0\xa0\x80\xef\xbf\xbf\xf0\x90\x80\x80\xf4\x8f"
                                  "\xbf\xbf\xed\x9f\xbf\xee\x80\x80")
                           << true;
    QTest::newRow("lone continuation") << QByteArray("\x80") << false;
    QTest::newRow("cut") << QByteArray("\xe2\x82") << false;
    QTest::newRow("overlong 2") << QByteArray("\xc1\xbf") << false;
    QTest::newRow("overlong 3") << QByteArray("\xe0\x9f\xbf") << false;
    QTest::newRow("overlong 4") << QByteArray("\xf0\x8f\xbf\xbf") << false;
    QTest::newRow("surrogate") << QByteArray("\xed\xa0\x80") << false;
    QTest::newRow("above U+10FFFF") << QByteArray("\xf4\x90\x80\x80") << false;
    QTest::newRow("five bytes") << QByteArray("\xf8\x88\x80\x80\x80") << false;
    QTest::newRow("broken second byte") << QByteArray("\xc3(") << false;
  }

  void utf8() {
    QFETCH(QByteArray, bytes);
    QFETCH(bool, valid);
    QCOMPARE(is_utf8(std::string_view(bytes.constData(), static_cast<std::size_t>(bytes.size()))),
             valid);
  }

  void shortening() {
    QCOMPARE(shortened("abc", 3), std::string("abc"));
    QCOMPARE(shortened("abcd", 3), std::string("abc..."));
    QCOMPARE(shortened("a\xed\x95\x9c"
                       "b",
                       3),
             std::string("a..."));
    QCOMPARE(shortened("a\xed\x95\x9c"
                       "b",
                       4),
             std::string("a\xed\x95\x9c..."));
    QCOMPARE(shortened("\x80\x80\x80", 1), std::string("..."));
  }

  void log() {
    std::vector<std::pair<LogLevel, std::string>> lines;
    set_log_sink([&](LogLevel level, const std::string& text) { lines.emplace_back(level, text); });
    set_log_level(LogLevel::Warning);
    log_info("dropped");
    log_warning("kept {} %s");
    set_log_sink({});
    log_warning("not to the sink");
    set_log_level(LogLevel::Info);
    QCOMPARE(lines.size(), std::size_t(1));
    QVERIFY(lines[0] == std::pair(LogLevel::Warning, std::string("kept {} %s")));
  }
};

QTEST_APPLESS_MAIN(TestBase)
#include "test_base.moc"
