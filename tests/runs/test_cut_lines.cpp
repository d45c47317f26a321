// SPDX-License-Identifier: GPL-3.0-or-later
// Lines go back to a step: what is dropped at the end only makes the file shorter, and what is torn
// or no JSON goes with it.
#include <QtTest>

#include <fstream>

#include "engine/io/files.h"
#include "engine/runs/cut_lines.h"

using namespace luthier;
namespace fs = std::filesystem;

class TestCutLines : public QObject {
  Q_OBJECT

  QTemporaryDir temporary_;
  fs::path file() const { return fs::path(temporary_.path().toStdString()) / "lines.jsonl"; }
  std::string cut(const std::string& text, const std::function<bool(const Json&)>& keep) const {
    std::ofstream(file(), std::ios::binary) << text;
    const Status done = keep_lines(file(), keep);
    if (!done) return done.error().sentence();
    return *read_file(file());
  }
  static bool up_to_two(const Json& line) { return line.value("step", 9) <= 2; }

 private slots:
  void what_is_kept_data() {
    QTest::addColumn<QByteArray>("text");
    QTest::addColumn<QByteArray>("kept");
    const char *one = "{\"step\":1}\n", *two = "{\"step\":2}\n", *three = "{\"step\":3}\n";
    const auto all = [](std::initializer_list<const char*> lines) {
      QByteArray text;
      for (const char* line : lines) text += line;
      return text;
    };
    QTest::newRow("nothing") << QByteArray() << QByteArray();
    QTest::newRow("all") << all({one, two}) << all({one, two});
    QTest::newRow("a beginning") << all({one, two, three, three}) << all({one, two});
    QTest::newRow("none") << all({three}) << QByteArray();
    QTest::newRow("a torn end") << all({one, "{\"step\":2"}) << all({one});
    QTest::newRow("a torn end alone") << QByteArray("{\"step\":1}") << QByteArray();
    QTest::newRow("one within") << all({one, three, two}) << all({one, two});
    QTest::newRow("no JSON") << all({one, "step 2\n", two}) << all({one, two});
  }
  void what_is_kept() {
    QFETCH(QByteArray, text);
    QFETCH(QByteArray, kept);
    QCOMPARE(QByteArray::fromStdString(cut(text.toStdString(), up_to_two)), kept);
  }

  /// In pieces that end within lines, and a line that is longer than a piece.
  void a_long_file() {
    std::string text, kept;
    for (int step = 0; step < 40; ++step) {
      const std::size_t length = step == 1 ? 3u << 20 : 100'003;
      const std::string line =
          Json{{"step", step}, {"text", std::string(length, 'a')}}.dump() + "\n";
      text += line;
      if (step <= 2) kept += line;
    }
    QVERIFY(cut(text, up_to_two) == kept);
  }

  /// Gigabytes of roll-outs are neither read into memory nor copied.
  void the_end_is_cut_in_place() {
    std::ofstream(file(), std::ios::binary) << "{\"step\":1}\n{\"step\":3}\n";
    fs::create_hard_link(file(), file().string() + ".same");
    QVERIFY(keep_lines(file(), up_to_two).ok());
    QCOMPARE(fs::file_size(file().string() + ".same"), std::uintmax_t{11});
  }

  void no_file_is_nothing_to_do() {
    QVERIFY(keep_lines(file().string() + ".none", up_to_two).ok());
  }

  void a_step_that_will_be_logged_again() {
    const fs::path run = temporary_.path().toStdString();
    const std::string lines = "{\"step\":1}\n{\"step\":2}\n";
    for (const char* name : {"metrics.jsonl", "samples.jsonl", "rollouts.jsonl", "events.jsonl"})
      std::ofstream(run / name, std::ios::binary) << lines;
    QVERIFY(forget_logged_step(run, 2).ok());
    QCOMPARE(*read_file(run / "metrics.jsonl"), std::string("{\"step\":1}\n"));
    QCOMPARE(*read_file(run / "samples.jsonl"), std::string("{\"step\":1}\n"));
    QCOMPARE(*read_file(run / "rollouts.jsonl"), lines);
    QCOMPARE(*read_file(run / "events.jsonl"), lines);
  }
};

QTEST_GUILESS_MAIN(TestCutLines)
#include "test_cut_lines.moc"
