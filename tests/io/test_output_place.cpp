// SPDX-License-Identifier: GPL-3.0-or-later
// Where a result is to be written: what stands in its way is told before the work, and nothing is
// made by looking.
#include <QtTest>

#include <fstream>

#include "engine/io/output_place.h"

using namespace luthier;
namespace fs = std::filesystem;

class TestOutputPlace : public QObject {
  Q_OBJECT

 private slots:
  void a_file_needs_its_folder() {
    const QTemporaryDir temporary;
    const fs::path root = temporary.path().toStdString();
    QVERIFY(check_output_file(root / "a.txt").ok());
    QVERIFY(!fs::exists(root / "a.txt"));
    std::ofstream(root / "a.txt") << "x";
    QVERIFY(check_output_file(root / "a.txt").ok());  // to be written over
    for (const fs::path& wrong : {root, root / "none" / "b.txt", root / "a.txt" / "b.txt"}) {
      const Status told = check_output_file(wrong);
      QVERIFY2(!told.ok(), wrong.c_str());
      QCOMPARE(told.error().code, ErrorCode::Input);
      QCOMPARE(told.error().where, wrong.string());
    }
    QVERIFY(!check_output_file({}).ok());
  }

  void a_folder_is_made_with_those_above_it() {
    const QTemporaryDir temporary;
    const fs::path root = temporary.path().toStdString();
    QVERIFY(check_output_folder(root / "a" / "b" / "c").ok());
    QVERIFY(!fs::exists(root / "a"));
    QVERIFY(make_output_folder(root / "a" / "b" / "c").ok());
    QVERIFY(fs::is_directory(root / "a" / "b" / "c"));
    QVERIFY(make_output_folder(root / "a" / "b" / "c").ok());
    std::ofstream(root / "file") << "x";
    for (const fs::path& wrong : {root / "file", root / "file" / "a", root / "file" / "a" / "b"}) {
      const Status told = make_output_folder(wrong);
      QVERIFY2(!told.ok(), wrong.c_str());
      QCOMPARE(told.error().code, ErrorCode::Input);  // and not the machine's fault
      QCOMPARE(told.error().where, wrong.string());
    }
    QVERIFY(!check_output_folder({}).ok());
  }

  void where_nothing_can_be_written() {
    const Status told = make_output_folder("/proc/none/of/this");
    QVERIFY(!told.ok());
    QCOMPARE(told.error().exit_status(), 2);
  }
};

QTEST_GUILESS_MAIN(TestOutputPlace)
#include "test_output_place.moc"
