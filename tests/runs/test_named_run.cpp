// SPDX-License-Identifier: GPL-3.0-or-later
// What may be resumed: a run, or the recipe's own folder; every other folder is refused with what
// it is and which run was probably meant.
#include <QtTest>

#include <fstream>

#include "engine/runs/named_run.h"

using namespace luthier;
namespace fs = std::filesystem;

class TestNamedRun : public QObject {
  Q_OBJECT

  static void put(const fs::path& path, const std::string& bytes = "{}") {
    fs::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << bytes;
  }

  /// A run with a checkpoint and a result, as far as names go.
  static void make_run(const fs::path& folder) {
    put(folder / "run.json");
    put(folder / "recipe.yaml");
    put(folder / "adapter" / "adapter_config.json");
    put(folder / "checkpoints" / "step-000005" / "adapter" / "adapter_config.json");
  }

  QString refusal(const fs::path& run, const fs::path& output_dir) const {
    const Status status = check_named_run(run, output_dir);
    if (status) return {};
    if (status.error().exit_status() != 2) return QStringLiteral("not the input's fault");
    return QString::fromStdString(status.error().sentence());
  }

 private slots:
  void init() {
    temporary_ = std::make_unique<QTemporaryDir>();
    root_ = fs::canonical(temporary_->path().toStdString());
    make_run(root_ / "runs/first");
    make_run(root_ / "runs/second");
    fs::current_path(root_);
  }
  void cleanup() { fs::current_path("/"); }

  void runs_and_the_recipes_own_folder_may_be_resumed() {
    QCOMPARE(refusal(root_ / "runs/first", root_ / "elsewhere"), QString());
    QCOMPARE(refusal("runs/first/", "elsewhere"), QString());
    for (const char* own : {"runs/third", "runs/third/", "./runs/../runs/third", "new/deep/run"}) {
      QCOMPARE(refusal(own, own), QString());
      QCOMPARE(refusal(root_ / own, own), QString());
      QCOMPARE(refusal(own, root_ / own), QString());
    }
    fs::create_directory(root_ / "runs/empty");
    QCOMPARE(refusal("runs/empty", "runs/empty"), QString());
    fs::create_directory_symlink(root_ / "runs", root_ / "link");
    QCOMPARE(refusal("link/third", "runs/third"), QString());
    put(root_ / "killed/recipe.yaml");  // before its run.json was written
    put(root_ / "killed/.lock", "");
    put(root_ / "copied/recipe.yaml");  // without what begins with a dot, and its run.json lost
    fs::create_directories(root_ / "copied/checkpoints/step-000005");
    QCOMPARE(refusal("killed", "elsewhere"), QString());
    QCOMPARE(refusal("copied", "elsewhere"), QString());
  }

  void what_is_not_there_is_refused_with_near_names() {
    for (const char* wrong : {"runs/frist", "rnus/first", "runs/first2", "first"}) {
      const QString text = refusal(wrong, "runs/new");
      QVERIFY2(text.contains("no such run") && text.contains("runs/first"), qPrintable(text));
      QVERIFY(!fs::exists(root_ / wrong));
    }
    QVERIFY(
        refusal("runs/secnd", "")
            .contains("near there: " + QString::fromStdString((root_ / "runs/second").string())));
    QVERIFY(refusal("/no/such", root_ / "runs/new").contains("runs/first"));
    QVERIFY(refusal("/no/such", "").contains("No run was found"));
    QVERIFY(refusal("runs/new", "").contains("no such run"));  // a recipe that names no folder
  }

  void other_folders_are_called_what_they_are_data() {
    QTest::addColumn<QString>("path");
    QTest::addColumn<QString>("what");
    QTest::addColumn<QString>("hint");
    QTest::newRow("a result") << "runs/first/adapter"
                              << "part of a run"
                              << "The run is ROOT/runs/first.";
    QTest::newRow("checkpoints") << "runs/first/checkpoints"
                                 << "part of a run"
                                 << "The run is ROOT/runs/first.";
    QTest::newRow("a checkpoint") << "runs/first/checkpoints/step-000005"
                                  << "part of a run"
                                  << "ROOT/runs/first.";
    QTest::newRow("its adapter") << "runs/first/checkpoints/step-000005/adapter"
                                 << "part of a run"
                                 << "ROOT/runs/first.";
    QTest::newRow("a run's file") << "runs/first/run.json"
                                  << "part of a run"
                                  << "ROOT/runs/first.";
    QTest::newRow("absent in a run") << "runs/first/checkpoints/step-000007"
                                     << "no such run"
                                     << "ROOT/runs/first.";
    QTest::newRow("a folder of runs") << "runs"
                                      << "holds runs"
                                      << "ROOT/runs/first, ROOT/runs/second";
    QTest::newRow("an adapter") << "adapters/mine"
                                << "an adapter, not a run"
                                << "adapter.init_from";
    QTest::newRow("a model") << "models/base"
                             << "a model, not a run"
                             << "recipe's model";
    QTest::newRow("a file") << "rows.jsonl"
                            << "a file"
                            << "ROOT/runs/first";
    QTest::newRow("empty") << "nothing"
                           << "empty"
                           << "ROOT/runs/first";
    QTest::newRow("a recipe") << "recipes"
                              << "not a run"
                              << "ROOT/runs/first";
    QTest::newRow("pictures") << "pictures"
                              << "not a run"
                              << "ROOT/runs/first";
  }
  void other_folders_are_called_what_they_are() {
    QFETCH(QString, path);
    QFETCH(QString, what);
    QFETCH(QString, hint);
    put(root_ / "adapters/mine/adapter_config.json");
    put(root_ / "models/base/config.json");
    put(root_ / "rows.jsonl");
    put(root_ / "recipes/recipe.yaml");
    put(root_ / "pictures/a.png");
    fs::create_directory(root_ / "nothing");
    const QString text = refusal(path.toStdString(), "runs/new");
    hint.replace("ROOT", QString::fromStdString(root_.string()));
    QVERIFY2(text.contains(what) && text.contains(hint), qPrintable(text));
  }

 private:
  std::unique_ptr<QTemporaryDir> temporary_;
  fs::path root_;
};

QTEST_APPLESS_MAIN(TestNamedRun)
#include "test_named_run.moc"
