// SPDX-License-Identifier: GPL-3.0-or-later
// Questions about paths, where the answer is yes, no, or cannot be had.
#include <QTemporaryDir>
#include <QtTest>

#include <fstream>

#include "engine/io/probe.h"

using namespace luthier;
namespace fs = std::filesystem;

class TestProbe : public QObject {
  Q_OBJECT

 private slots:
  void says_what_stands_there() {
    const QTemporaryDir temporary;
    const fs::path root = temporary.path().toStdString();
    fs::create_directory(root / "folder");
    std::ofstream(root / "file") << "x";
    fs::create_symlink(root / "folder", root / "link");
    fs::create_symlink(root / "gone", root / "dangling");
    QVERIFY(is_there(root / "folder") && is_folder(root / "folder"));
    QVERIFY(is_there(root / "file") && !is_folder(root / "file"));
    QVERIFY(is_folder(root / "link"));
    QVERIFY(!is_there(root / "dangling") && !is_there(root / "nothing"));
    QVERIFY(!is_there(root / std::string(5000, 'a')));  // longer than any name may be
    QCOMPARE(names_in(root), (std::vector<std::string>{"dangling", "file", "folder", "link"}));
    QCOMPARE(names_in(root, 2).size(), std::size_t{2});
    QVERIFY(names_in(root / "file").empty() && names_in(root / "nothing").empty());
  }
};

QTEST_APPLESS_MAIN(TestProbe)
#include "test_probe.moc"
