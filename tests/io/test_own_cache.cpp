// SPDX-License-Identifier: GPL-3.0-or-later
// What is found out once: the first answer stands, and a folder that cannot be written loses
// nothing but that.
#include <QTemporaryDir>
#include <QtTest>

#include <fstream>

#include "engine/io/own_cache.h"

using namespace luthier;
namespace fs = std::filesystem;

class TestOwnCache : public QObject {
  Q_OBJECT

 private slots:
  void init() { qputenv("XDG_CACHE_HOME", home_.path().toUtf8()); }

  void the_first_answer_stands() {
    QVERIFY(!found_before("products/one"));
    QCOMPARE(found_first("products/one", "mkl"), std::string("mkl"));
    QCOMPARE(found_first("products/one", "onednn"), std::string("mkl"));
    QVERIFY(found_before("products/one") == "mkl");
    QCOMPARE(found_first("products/two", "onednn"), std::string("onednn"));
    // Of what was written meanwhile nothing is left.
    QCOMPARE(std::distance(fs::directory_iterator(own_cache_folder() / "products"), {}), 2);
  }

  void no_more_than_a_little_is_read() {
    fs::create_directories(own_cache_folder());
    std::ofstream(own_cache_folder() / "long") << std::string(1 << 20, 'x');
    QCOMPARE(found_before("long")->size(), std::size_t(4096));
  }

  void where_nothing_can_be_written() {
    std::ofstream(home_.filePath("file").toStdString()) << "no folder";
    qputenv("XDG_CACHE_HOME", home_.filePath("file").toUtf8());
    QCOMPARE(found_first("products/one", "mkl"), std::string("mkl"));
    QCOMPARE(found_first("products/one", "onednn"), std::string("onednn"));
    QVERIFY(!found_before("products/one"));
  }

  void without_a_folder_of_the_user() {
    qputenv("XDG_CACHE_HOME", "relative");
    qputenv("HOME", "");
    QVERIFY(own_cache_folder().empty());
    QCOMPARE(found_first("one", "mkl"), std::string("mkl"));
    QVERIFY(!found_before("one"));
  }

 private:
  QTemporaryDir home_;
};

QTEST_APPLESS_MAIN(TestOwnCache)
#include "test_own_cache.moc"
