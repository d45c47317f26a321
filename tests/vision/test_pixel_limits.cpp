// SPDX-License-Identifier: GPL-3.0-or-later
// The numbers of pixels that a configuration, a recipe and a result say: read from every layout,
// and written so that the processor made from the result is the one that the run had.
#include <QtTest>

#include <fstream>

#include "engine/vision/pixel_limits.h"

using namespace luthier;
namespace fs = std::filesystem;

class TestPixelLimits : public QObject {
  Q_OBJECT

 private slots:
  void read_from_every_layout_data() {
    QTest::addColumn<QString>("config");
    QTest::addColumn<int>("least");
    QTest::addColumn<int>("most");
    QTest::newRow("none") << "{}" << 56 * 56 << 28 * 28 * 1280;
    QTest::newRow("size") << R"({"size": {"shortest_edge": 100, "longest_edge": 900}})" << 100
                          << 900;
    QTest::newRow("old size") << R"({"size": {"min_pixels": 100, "max_pixels": 900}})" << 100
                              << 900;
    QTest::newRow("top") << R"({"min_pixels": 100, "max_pixels": 900})" << 100 << 900;
    QTest::newRow("top wins")
        << R"({"size": {"shortest_edge": 1, "longest_edge": 2}, "max_pixels": 900})" << 1 << 900;
    QTest::newRow("null at the top")
        << R"({"size": {"shortest_edge": 100, "longest_edge": 900}, "max_pixels": null})" << 100
        << 900;
  }
  void read_from_every_layout() {
    QFETCH(QString, config);
    QFETCH(int, least);
    QFETCH(int, most);
    const Json json = Json::parse(config.toStdString());
    const auto range = read_pixel_range(json, "x", {});
    QVERIFY(range.ok());
    QCOMPARE(range->least, std::int64_t(least));
    QCOMPARE(range->most, std::int64_t(most));
    QCOMPARE(read_pixel_range(json, "x", {7, {}})->least, std::int64_t(7));
    QCOMPARE(read_pixel_range(json, "x", {{}, 5000})->most, std::int64_t(5000));
    QVERIFY(!read_pixel_range(json, "x", {9, 8}).ok());
    QVERIFY(!read_pixel_range(json, "x", {0, {}}).ok());
  }

  void a_result_carries_them_data() {
    QTest::addColumn<QString>("newer");  // processor_config.json
    QTest::addColumn<QString>("older");  // preprocessor_config.json
    const QString settings = R"({"image_processor_type": "Qwen2VLImageProcessor", "patch_size": 4,)"
                             R"( "size": {"shortest_edge": 256, "longest_edge": 4096}})";
    const QString aged = R"({"image_processor_type": "Qwen2VLImageProcessor", "patch_size": 4,)"
                         R"( "min_pixels": 256, "max_pixels": 4096})";
    QTest::newRow("new layout") << "{\"image_processor\": " + settings + "}" << QString();
    QTest::newRow("old layout") << QString() << aged;
    QTest::newRow("both") << "{\"image_processor\": " + settings + "}" << settings;
    QTest::newRow("beside another file") << "{\"processor_class\": \"Qwen2VLProcessor\"}" << aged;
  }
  void a_result_carries_them() {
    QFETCH(QString, newer);
    QFETCH(QString, older);
    const QTemporaryDir temporary;
    const fs::path folder = temporary.path().toStdString();
    if (!newer.isEmpty()) std::ofstream(folder / "processor_config.json") << newer.toStdString();
    if (!older.isEmpty()) std::ofstream(folder / "preprocessor_config.json") << older.toStdString();
    const PixelLimits limits{{}, 1024};
    const auto wanted = ImageProcessor::load(folder, {}, limits).take()->outline(200, 100);
    const auto before = ImageProcessor::load(folder).take()->outline(200, 100);
    QVERIFY(wanted->shape != before->shape);
    QVERIFY(store_pixel_limits(folder, {}, {}).ok());  // nothing to say
    QVERIFY(ImageProcessor::load(folder).take()->outline(200, 100)->shape == before->shape);
    QVERIFY(store_pixel_limits(folder, {}, limits).ok());
    QVERIFY(ImageProcessor::load(folder).take()->outline(200, 100)->shape == wanted->shape);
    QCOMPARE(fs::exists(folder / "processor_config.json"), !newer.isEmpty());
    QCOMPARE(fs::exists(folder / "preprocessor_config.json"), !older.isEmpty());
    for (const char* name : {"processor_config.json", "preprocessor_config.json"}) {
      if (!fs::exists(folder / name)) continue;
      Json file = read_json_file(folder / name).take();
      if (file.contains("processor_class")) {
        QCOMPARE(file.size(), std::size_t(1));  // not the picture processor's: left as it is
        continue;
      }
      const Json& settings = file.contains("image_processor") ? file["image_processor"] : file;
      QCOMPARE(settings["size"].dump(),
               std::string(R"({"shortest_edge":256,"longest_edge":1024})"));
      QCOMPARE(settings["patch_size"].get<int>(), 4);
    }
  }

  void a_processor_without_limits_refuses_them() {
    const QTemporaryDir temporary;
    const fs::path folder = temporary.path().toStdString();
    std::ofstream(folder / "preprocessor_config.json")
        << R"({"image_processor_type": "CLIPImageProcessor", "size": {"shortest_edge": 28},)"
        << R"( "crop_size": {"height": 28, "width": 28}})";
    QVERIFY(store_pixel_limits(folder, {}, {}).ok());
    QVERIFY(!store_pixel_limits(folder, {}, {{}, 1024}).ok());
  }
};

QTEST_APPLESS_MAIN(TestPixelLimits)
#include "test_pixel_limits.moc"
