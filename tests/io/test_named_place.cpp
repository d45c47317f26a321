// SPDX-License-Identifier: GPL-3.0-or-later
// However a person writes a folder, what lies beside it lies beside it.
#include <QtTest>

#include "engine/io/named_place.h"

using namespace luthier;
namespace fs = std::filesystem;

class TestNamedPlace : public QObject {
  Q_OBJECT

 private slots:
  void it_has_its_name_data() {
    QTest::addColumn<QString>("path");
    QTest::addColumn<QString>("named");
    QTest::newRow("empty") << ""
                           << "";
    QTest::newRow("plain") << "runs/first"
                           << "runs/first";
    QTest::newRow("slash") << "runs/first/"
                           << "runs/first";
    QTest::newRow("slashes") << "runs//first//"
                             << "runs/first";
    QTest::newRow("dot") << "./runs/./first/."
                         << "runs/first";
    QTest::newRow("absolute") << "/tmp/first/"
                              << "/tmp/first";
    QTest::newRow("root") << "/"
                          << "/";
  }
  void it_has_its_name() {
    QFETCH(QString, path);
    QFETCH(QString, named);
    QCOMPARE(QString::fromStdString(named_place(path.toStdString()).string()), named);
  }

  void what_is_above_is_what_the_system_finds() {
    const QTemporaryDir temporary;
    const fs::path root = fs::canonical(temporary.path().toStdString());
    fs::create_directories(root / "far/deep");
    fs::create_directories(root / "near");
    fs::create_directory_symlink(root / "far/deep", root / "near/link");
    // By the text alone it would be near/run.
    QCOMPARE(named_place(root / "near/link/../run"), root / "far/run");
    QCOMPARE(named_place(root / "far/deep/.."), root / "far");
    const fs::path before = fs::current_path();
    fs::current_path(root / "near");
    const fs::path here = named_place("."), above = named_place("..");
    fs::current_path(before);
    QCOMPARE(here, root / "near");
    QCOMPARE(above, root);
  }

  void beside_is_never_within() {
    QCOMPARE(place_beside("runs/first/", ".teacher"), fs::path("runs/first.teacher"));
    QCOMPARE(place_beside("runs/first", "-1"), fs::path("runs/first-1"));
  }
};

QTEST_GUILESS_MAIN(TestNamedPlace)
#include "test_named_place.moc"
