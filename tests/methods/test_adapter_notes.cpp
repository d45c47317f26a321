// SPDX-License-Identifier: GPL-3.0-or-later
// Pixel limits stay with an adapter: written beside it, read back, found in the run of an older
// version, and never read from a file that is broken or of a newer version.
#include <QtTest>

#include <fstream>

#include "engine/io/json.h"
#include "engine/methods/adapter_notes.h"

using namespace luthier;
namespace fs = std::filesystem;

class TestAdapterNotes : public QObject {
  Q_OBJECT

 private slots:
  void init() { folder_ = std::make_unique<QTemporaryDir>(); }

  void written_and_read_back() {
    for (const MediaLimits& limits :
         {MediaLimits{}, MediaLimits{{{}, 50176}}, MediaLimits{{3136, {}}},
          MediaLimits{{}, {8, {}, {}, {256, 1024}, {}}},
          MediaLimits{{3136, {}}, {{}, 1.5, 32, {}, 6}}, MediaLimits{{3136, 50176}}}) {
      QVERIFY(write_adapter_notes(root(), limits).ok());
      QVERIFY(adapter_pixels(root()).value() == limits);
    }
    const Json notes = read_json_file(root() / kAdapterNotesName).take();
    QCOMPARE(notes.dump(),
             std::string(R"({"format_version":1,"image":{"min_pixels":3136,"max_pixels":50176}})"));
    QVERIFY(write_adapter_notes(root(), {{}, {8}}).ok());
    const Json film = read_json_file(root() / kAdapterNotesName).take()["film"];
    QCOMPARE(film["num_frames"], Json(8));
    QVERIFY(film["fps"].is_null() && film.size() == 6);
  }

  void an_older_run_says_it_in_its_recipe() {
    const fs::path run = root() / "run";
    put(run / "recipe.yaml", "model: base\ndataset: rows.jsonl\nimage: {max_pixels: 1600}\n");
    for (const char* place : {"adapter", "checkpoints/step-000100/adapter"}) {
      put(run / place / "adapter_config.json", "{}");
      QVERIFY(adapter_pixels(run / place).value() == (MediaLimits{{{}, 1600}}));
      QVERIFY(adapter_pixels(run / place / "").value() == (MediaLimits{{{}, 1600}}));
    }
    put(run / "elsewhere/adapter_config.json", "{}");  // not the run's result
    QVERIFY(!adapter_pixels(run / "elsewhere").value().any());
    // The adapter's own word wins: it may have been copied here.
    QVERIFY(write_adapter_notes(run / "adapter", {}).ok());
    QVERIFY(!adapter_pixels(run / "adapter").value().any());
  }

  void nothing_is_known_of_others() {
    put(root() / "adapter/adapter_config.json", "{}");
    QVERIFY(!adapter_pixels(root() / "adapter").value().any());
    put(root() / "recipe.yaml", "nonsense: [");
    QVERIFY(!adapter_pixels(root() / "adapter").value().any());  // said in the log, and no error
  }

  void broken_notes_are_refused_data() {
    QTest::addColumn<QString>("text");
    QTest::addColumn<QString>("says");
    QTest::newRow("no JSON") << "{"
                             << "luthier.json";
    QTest::newRow("a list") << "[]"
                            << "object";
    QTest::newRow("no version") << "{}"
                                << "format_version";
    QTest::newRow("newer") << R"({"format_version": 2})"
                           << "newer version";
    QTest::newRow("image") << R"({"format_version": 1, "image": 7})"
                           << "image";
    QTest::newRow("text") << R"({"format_version": 1, "image": {"max_pixels": "many"}})"
                          << "max_pixels";
    QTest::newRow("negative") << R"({"format_version": 1, "image": {"max_pixels": -1}})"
                              << "max_pixels";
    QTest::newRow("huge")
        << R"({"format_version": 1, "image": {"min_pixels": 9223372036854775807}})"
        << "min_pixels";
    QTest::newRow("film") << R"({"format_version": 1, "film": [1]})"
                          << "film";
    QTest::newRow("film's frames") << R"({"format_version": 1, "film": {"num_frames": 0}})"
                                   << "film: num_frames";
    QTest::newRow("film's fps") << R"({"format_version": 1, "film": {"fps": -1}})"
                                << "film: fps";
  }
  void broken_notes_are_refused() {
    QFETCH(QString, text);
    QFETCH(QString, says);
    put(root() / kAdapterNotesName, text.toStdString());
    const auto pixels = adapter_pixels(root());
    QVERIFY(!pixels.ok() && pixels.error().exit_status() == 2);
    QVERIFY2(QString::fromStdString(pixels.error().sentence()).contains(says),
             pixels.error().sentence().c_str());
  }

  void what_is_asked_for_wins() {
    const MediaLimits own{{100, 200}, {8, {}, 16, {}, {}}};
    QVERIFY(chosen_pixels({}, own) == own);
    QVERIFY(chosen_pixels({{{}, 300}}, own) == (MediaLimits{{100, 300}, own.film}));
    QVERIFY(chosen_pixels({{50, 60}, {{}, 2.0}}, own) == (MediaLimits{{50, 60}, {{}, 2.0, 16}}));
    QCOMPARE(pixels_text(own), std::string("image.min_pixels 100, image.max_pixels 200, "
                                           "film.num_frames 8, film.max_frames 16"));
    QCOMPARE(pixels_text({{{}, 200}}), std::string("image.max_pixels 200"));
  }

 private:
  fs::path root() const { return folder_->path().toStdString(); }
  static void put(const fs::path& path, const std::string& text) {
    fs::create_directories(path.parent_path());
    std::ofstream(path) << text;
  }
  std::unique_ptr<QTemporaryDir> folder_;
};

QTEST_APPLESS_MAIN(TestAdapterNotes)
#include "test_adapter_notes.moc"
