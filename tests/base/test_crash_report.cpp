// SPDX-License-Identifier: GPL-3.0-or-later
// A program that dies leaves a report, and dies as it would have. Each death is a child's.
#include "engine/base/crash_report.h"

#include <sys/wait.h>
#include <unistd.h>

#include <QtTest>
#include <csignal>
#include <cstdlib>
#include <fstream>

using namespace luthier;

class TestCrashReport : public QObject {
  Q_OBJECT

 private slots:
  void says_what_it_was_at_data();
  void says_what_it_was_at();
  void an_end_in_order_leaves_nothing();
  void ten_reports_stay();
  void a_folder_that_cannot_be_made();
};

/// Runs `life` in a child that reports its crashes into `folder`; its status.
template <class Life>
static int live(const std::filesystem::path& folder, Life life) {
  const pid_t child = ::fork();
  if (child == 0) {
    // No file of its memory, and no words of Qt's.
    if (!report_crashes(folder, "1.2.3")) ::_exit(9);
    life();
    ::_exit(0);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  return status;
}

static std::string text_of(const std::filesystem::path& file) {
  std::ifstream in(file);
  return {std::istreambuf_iterator<char>(in), {}};
}

void TestCrashReport::says_what_it_was_at_data() {
  QTest::addColumn<int>("signal");
  for (const auto& [name, signal] :
       {std::pair("fault", SIGSEGV), std::pair("abort", SIGABRT), std::pair("arithmetic", SIGFPE)})
    QTest::newRow(name) << signal;
}

void TestCrashReport::says_what_it_was_at() {
  QFETCH(int, signal);
  QTemporaryDir desk;
  const std::filesystem::path folder = desk.filePath("a/crashes").toStdString();
  const int status = live(folder, [signal] {
    note_for_crash(CrashNote::Page, "dataPage");
    note_for_crash(CrashNote::Page, "trainPage");
    note_for_crash(CrashNote::Run, std::string(5000, 'r'));
    note_for_crash(CrashNote::Run, "runs/first");
    ::raise(signal);
  });
  QVERIFY(WIFSIGNALED(status));
  QCOMPARE(WTERMSIG(status), signal);
  const auto reports = crash_reports(folder);
  QCOMPARE(reports.size(), std::size_t(1));
  const std::string text = text_of(reports.front());
  for (const char* part : {"version: 1.2.3\n", "page: trainPage\n", "run: runs/first\n", "time: "})
    QVERIFY2(text.find(part) != std::string::npos, text.c_str());
  QVERIFY2(text.find(signal == SIGSEGV   ? "SIGSEGV"
                     : signal == SIGABRT ? "SIGABRT"
                                         : "SIGFPE") != std::string::npos,
           text.c_str());
  // Frames: the program by its name, with addresses.
  QVERIFY2(text.find("base_tests") != std::string::npos, text.c_str());
  // What a person was at is nobody else's to read.
  QCOMPARE(std::filesystem::status(reports.front()).permissions(),
           std::filesystem::perms::owner_read | std::filesystem::perms::owner_write);
}

void TestCrashReport::an_end_in_order_leaves_nothing() {
  QTemporaryDir desk;
  const std::filesystem::path folder = desk.path().toStdString();
  QCOMPARE(live(folder, [] {}), 0);
  QVERIFY(crash_reports(folder).empty());
}

void TestCrashReport::ten_reports_stay() {
  QTemporaryDir desk;
  const std::filesystem::path folder = desk.path().toStdString();
  for (int i = 10; i < 40; ++i)
    std::ofstream(folder / ("crash-202001" + std::to_string(i) + "-000000-1.txt")) << i;
  std::ofstream(folder / "notes.txt") << "mine";
  live(folder, [] { ::raise(SIGSEGV); });
  const auto reports = crash_reports(folder);
  QCOMPARE(reports.size(), std::size_t(10));
  QVERIFY(text_of(reports.front()).starts_with("Luthier"));
  QCOMPARE(reports.back().filename().string(), std::string("crash-20200131-000000-1.txt"));
  QVERIFY(std::filesystem::exists(folder / "notes.txt"));
}

void TestCrashReport::a_folder_that_cannot_be_made() {
  QTemporaryDir desk;
  std::ofstream(desk.filePath("file").toStdString()) << "x";
  const Status refused = report_crashes(desk.filePath("file/crashes").toStdString(), "1.2.3");
  QVERIFY(!refused);
  QVERIFY(QString::fromStdString(refused.error().where).contains("file/crashes"));
}

QTEST_GUILESS_MAIN(TestCrashReport)
#include "test_crash_report.moc"
