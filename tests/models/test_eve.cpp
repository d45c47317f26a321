// SPDX-License-Identifier: GPL-3.0-or-later
// What parity cannot see of EVE: refusals of configurations and processors that do not hold
// together, and what a picture of the published sizes comes to.
#include "engine/models/families.h"

// After LibTorch, whose names Qt's keywords would break.
#include <QTemporaryDir>
#include <QtTest>

#include "tests/models/family_files.h"

using namespace luthier;
using namespace luthier::test;

namespace {

const Json kEveConfig = Json::parse(R"({"model_type": "eve", "mm_hidden_size": 16,
  "vocab_size": 40, "hidden_size": 16, "intermediate_size": 24, "num_hidden_layers": 1,
  "num_attention_heads": 2})");

}  // namespace

class TestEve : public QObject {
  Q_OBJECT

 private slots:
  void refuses_what_does_not_hold_together_data() {
    QTest::addColumn<QString>("patch");
    QTest::addColumn<QString>("field");
    const auto add = [](const char* patch, const char* field) {
      QTest::addRow("%s", patch) << patch << field;
    };
    add(R"({"mm_hidden_size": 12})", "mm_hidden_size");
    add(R"({"mm_hidden_size": 0})", "mm_hidden_size");
    add(R"({"mm_projector_type": "linear"})", "mm_projector_type");
    add(R"({"patch_stride": 0})", "patch_stride");
    add(R"({"conv_stride": 65})", "conv_stride");
    add(R"({"image_token_id": -1})", "image_token_id");
    add(R"({"num_attention_heads": 0})", "num_attention_heads");
    add(R"({"alignment_config": 1})", "alignment_config");
    add(R"({"alignment_config": {"layer_rate": 2}})", "alignment_config: layer_rate");
    add(R"({"alignment_config": {"layer_rate": 1, "hidden_size": 12}})",
        "alignment_config: hidden_size");
    add(R"({"alignment_config": {"layer_rate": 1, "image_size": 30}})",
        "alignment_config: image_size");
  }
  void refuses_what_does_not_hold_together() {
    QFETCH(QString, patch);
    QFETCH(QString, field);
    const auto plain = eve_family.read(kEveConfig, "");
    QVERIFY2(plain.ok(), plain.ok() ? "" : plain.error().sentence().c_str());
    const auto plan = eve_family.read(merged(kEveConfig, Json::parse(patch.toStdString())), "");
    QVERIFY(!plan.ok());
    QCOMPARE(QString::fromStdString(plan.error().where), "config.json: " + field);
  }

  void a_processor_belongs_to_its_model_data() {
    QTest::addColumn<QString>("patch");
    QTest::addColumn<QString>("field");
    QTest::newRow("patches") << R"({"patch_stride": 8})"
                             << "patch_stride";
    QTest::newRow("squares") << R"({"conv_stride": 1})"
                             << "conv_stride";
    QTest::newRow("sizes") << R"({"image_size": 80})"
                           << "image_size";
    QTest::newRow("CLIP's patches") << R"({"patch_stride_clip": 5})"
                                    << "image_size_clip";
    QTest::newRow("blocks") << R"({"image_size": 32})"
                            << "patch_stride";
    // 63 squares along either side, of 512 positions.
    QTest::newRow("positions") << R"({"image_size": 512})"
                               << "image_size";
  }
  /// Both files say whether CLIP's picture stands beside a picture's own patches.
  void a_teachers_picture_goes_by_the_aligning_layers() {
    const Json aligned = {{"hidden_size", 16}, {"image_size", 32}, {"layer_rate", 1}};
    for (const bool layers : {false, true}) {
      for (const bool picture : {false, true}) {
        QTemporaryDir scratch;
        const std::filesystem::path folder =
            std::filesystem::path(scratch.path().toStdString()) / "model";
        write_changed(eve_family, folder, "preprocessor_config.json",
                      {{"teacher_picture", picture}});  // else it goes by config.json
        if (layers) {
          const Json config = *read_json_file(folder / "config.json");
          std::ofstream(folder / "config.json")
              << merged(config, {{"alignment_config", aligned}}).dump();
        }
        const auto tokens = tokens_of(eve_family, folder);
        QCOMPARE(tokens.ok(), layers == picture);
        if (!tokens.ok())
          QVERIFY2(tokens.error().where.ends_with("preprocessor_config.json: teacher_picture"),
                   tokens.error().sentence().c_str());
      }
    }
  }

  void a_processor_belongs_to_its_model() {
    QFETCH(QString, patch);
    QFETCH(QString, field);
    QTemporaryDir scratch;
    const std::filesystem::path folder =
        std::filesystem::path(scratch.path().toStdString()) / "model";
    write_changed(eve_family, folder, "preprocessor_config.json", Json::parse(patch.toStdString()));
    const auto tokens = tokens_of(eve_family, folder);
    QVERIFY(!tokens.ok());
    QCOMPARE(QString::fromStdString(tokens.error().where),
             QString::fromStdString((folder / "preprocessor_config.json").string()) + ": " + field);
  }

  /// EVE-7B and its HD: a picture twice as wide as high, and one that is a line.
  void pictures_of_the_published_sizes() {
    const auto tokens_at = [](int edge, int width, int height) {
      const auto processor = ImageProcessor::create(
          {{"image_processor_type", "EveImageProcessor"}, {"image_size", edge}}, "");
      const auto outline = (*processor)->outline(width, height);
      const auto rows = outline->grid.at(1) / 2, columns = outline->grid.at(2) / 2;
      return 1 + rows * (columns + 1);
    };
    QCOMPARE(tokens_at(672, 640, 640), 1 + 24 * 25);
    QCOMPARE(tokens_at(672, 640, 320), 1 + 12 * 25);
    QCOMPARE(tokens_at(672, 1, 500), 1 + 24 * 2);
    QCOMPARE(tokens_at(1344, 640, 320), 1 + 24 * 49);
  }
};

QTEST_GUILESS_MAIN(TestEve)
#include "test_eve.moc"
