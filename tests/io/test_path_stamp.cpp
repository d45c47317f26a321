// SPDX-License-Identifier: GPL-3.0-or-later
// What was written anew is told, wherever in a folder it lies.
#include <QtTest>

#include <fstream>

#include "engine/io/path_stamp.h"

using namespace luthier;
namespace fs = std::filesystem;

class TestPathStamp : public QObject {
  Q_OBJECT

 private slots:
  void what_changed_is_told() {
    const QTemporaryDir temporary;
    const fs::path root = temporary.path().toStdString();
    const auto write = [&](const char* name, const char* text) {
      fs::create_directories((root / name).parent_path());
      std::ofstream(root / name) << text;
    };
    write("data/a.jsonl", "one");
    write("data/deep/b.jsonl", "two");
    std::string before = path_stamp(root);
    QCOMPARE(path_stamp(root), before);
    // In its place, so that no folder's time changes.
    for (const char* name : {"data/a.jsonl", "data/deep/b.jsonl"}) {
      const auto time = fs::last_write_time((root / name).parent_path());
      std::ofstream(root / name, std::ios::app) << "more";
      QVERIFY(fs::last_write_time((root / name).parent_path()) == time);
      QVERIFY(path_stamp(root) != before);
      before = path_stamp(root);
    }
    const std::string file = path_stamp(root / "data/a.jsonl");
    write("data/a.jsonl", "x");
    QVERIFY(path_stamp(root / "data/a.jsonl") != file && path_stamp(root) != before);
    // As long as before, at another time.
    before = path_stamp(root);
    fs::last_write_time(root / "data/a.jsonl",
                        fs::file_time_type::clock::now() - std::chrono::hours(1));
    QVERIFY(path_stamp(root) != before);
    before = path_stamp(root);
    write("data/c.jsonl", "new");
    QVERIFY(path_stamp(root) != before);
    before = path_stamp(root);
    fs::rename(root / "data/c.jsonl", root / "data/d.jsonl");
    QVERIFY(path_stamp(root) != before);
    QVERIFY(path_stamp(root / "gone") != path_stamp(root / "nothing"));
  }

  // However large a folder is, what is looked at is bounded, and so is what is told.
  void what_is_looked_at_is_bounded() {
    const QTemporaryDir temporary;
    const fs::path root = temporary.path().toStdString();
    std::ofstream(root / "a") << "x";
    const std::string before = path_stamp(root, 0);
    std::ofstream(root / "a", std::ios::app) << "y";
    QCOMPARE(path_stamp(root, 0), before);
    QVERIFY(path_stamp(root, 1) != before);
  }
};

QTEST_GUILESS_MAIN(TestPathStamp)
#include "test_path_stamp.moc"
