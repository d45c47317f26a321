// SPDX-License-Identifier: GPL-3.0-or-later
// What a report says, and that nothing skipped ever counts as passed.
#include "engine/check/check.h"

#include <QtTest>

using namespace luthier;
using Outcome = CheckRow::Outcome;

namespace {

CheckRow row_of(const char* name, Outcome outcome, const char* detail) {
  CheckRow row;
  row.part = "part", row.name = name, row.outcome = outcome, row.detail = detail;
  row.seconds = 1.25;
  return row;
}

}  // namespace

class TestReport : public QObject {
  Q_OBJECT

 private slots:
  void what_was_not_done_is_not_passed() {
    CheckReport report;
    QVERIFY(!report.passed());
    report.rows.push_back(row_of("a", Outcome::Skipped, "no time"));
    QVERIFY(!report.passed());
    report.rows.push_back(row_of("b", Outcome::Passed, ""));
    QVERIFY(report.passed());
    report.rows.push_back(row_of("c", Outcome::Failed, ""));
    QVERIFY(!report.passed());
    QCOMPARE(counts_line(report), std::string("1 passed, 1 failed, 1 skipped"));
  }

  void lines() {
    const std::string failed = to_line(row_of("llava, LoRA", Outcome::Failed, "far off"));
    QVERIFY(failed.starts_with("failed   part"));
    QVERIFY(failed.ends_with("1.2 s    far off") || failed.ends_with("1.3 s    far off"));
    // No time is shown for what was not done.
    QVERIFY(to_line(row_of("x", Outcome::Skipped, "no time")).find(" s ") == std::string::npos);
  }

  void documents() {
    CheckReport report;
    report.device = "cuda:0", report.card = "NVIDIA H100", report.driver = "580.65.06";
    report.torch = "2.11.0", report.cuda = 13000, report.date = "2026-01-02T03:04:05Z";
    report.rows = {row_of("a", Outcome::Passed, "one | two\nthree"),
                   row_of("b", Outcome::Skipped, "no time")};
    const std::string text = to_markdown(report);
    for (const char* part :
         {"# NVIDIA H100\n", "- driver: 580.65.06\n", "- LibTorch: 2.11.0\n",
          "- CUDA of LibTorch: 13.0\n", "2026-01-02T03:04:05Z", "1 passed, 0 failed, 1 skipped",
          "## part\n", "| a | passed | 1.2 s | one \\| two three |",
          "| b | skipped |  | no time |"})
      QVERIFY2(text.find(part) != std::string::npos, (std::string(part) + "\n" + text).c_str());
    const Json document = to_json(report);
    QCOMPARE(document["passed"].get<int>(), 1);
    QCOMPARE(document["skipped"].get<int>(), 1);
    QCOMPARE(document["rows"][1]["outcome"].get<std::string>(), std::string("skipped"));
  }
};

QTEST_GUILESS_MAIN(TestReport)
#include "test_report.moc"
