// SPDX-License-Identifier: GPL-3.0-or-later
// pixel_values equal transformers' Pillow backend to the bit under every kind of configuration, and
// bad configurations name their field.
#include "tests/vision/fixtures.h"

#include <fstream>

#include "engine/vision/image_processor.h"

using namespace luthier;
using namespace luthier::test;

namespace {

Json config(const std::string& text) { return Json::parse(text); }

void write(const std::filesystem::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

}  // namespace

class TestProcessor : public QObject {
  Q_OBJECT

 private slots:
  void equalsTransformers() {
    const Json rows = expectations("processed");
    QVERIFY(rows.size() > 80);
    for (const Json& row : rows) {
      const auto processor = ImageProcessor::create(row["config"], "config");
      QVERIFY2(processor.ok(), processor ? "" : processor.error().sentence().c_str());
      const int width = row["width"], height = row["height"];
      const auto pixels =
          (*processor)
              ->process(noise(width, height, static_cast<std::uint32_t>(width * 1000 + height)));
      QVERIFY2(pixels.ok(), row.dump().c_str());
      QVERIFY2(pixels->shape == row["shape"].get<std::vector<std::int64_t>>(), row.dump().c_str());
      const auto outline = (*processor)->outline(width, height);
      QVERIFY2(outline.ok() && outline->shape == pixels->shape && outline->grid == pixels->grid,
               row.dump().c_str());
      QVERIFY2(digest(pixels->values) == row["digest"].get<std::string>(), row.dump().c_str());
    }
  }

  void allNamesOfOneProcessorAreKnown() {
    for (const std::string name :
         {"CLIPImageProcessor", "CLIPImageProcessorFast", "CLIPImageProcessorPil",
          "SiglipImageProcessorFast", "LlavaImageProcessorFast"})
      QVERIFY(ImageProcessor::create(config(R"({"image_processor_type": ")" + name + R"("})"), "c")
                  .ok());
    QVERIFY(
        ImageProcessor::create(config(R"({"feature_extractor_type": "CLIPFeatureExtractor"})"), "c")
            .ok());
    const auto unknown =
        ImageProcessor::create(config(R"({"image_processor_type": "OwlViTImageProcessor"})"),
                               "dir/preprocessor_config.json");
    QVERIFY(!unknown.ok());
    QCOMPARE(unknown.error().where,
             std::string("dir/preprocessor_config.json: image_processor_type"));
  }

  void badSettingsNameTheirField() {
    const std::pair<const char*, const char*> cases[] = {
        {R"("size": {"shortest_edge": -3})", "size.shortest_edge"},
        {R"("size": 1e9)", "size"},
        {R"("size": {"longest_edge": 3})", "size"},
        {R"("size": "big")", "size"},
        {R"("crop_size": {"height": 3})", "crop_size"},
        {R"("resample": 9)", "resample"},
        {R"("image_std": [0, 1, 1])", "image_std"},
        {R"("image_mean": [1, 2])", "image_mean"},
        {R"("do_resize": "yes")", "do_resize"},
        {R"("size": {"height": 99999999, "width": 3})", "size.height"}};
    for (const auto& [field, name] : cases) {
      const auto processor = ImageProcessor::create(
          config(std::string(R"({"image_processor_type": "CLIPImageProcessor", )") + field + "}"),
          "c.json");
      QVERIFY2(!processor.ok(), field);
      QVERIFY2(processor.error().sentence().find(name) != std::string::npos,
               processor.error().sentence().c_str());
    }
    QVERIFY(!ImageProcessor::create(config("[]"), "c.json").ok());
    PixelLimits limits;
    limits.max_pixels = 1000;
    QVERIFY(!ImageProcessor::create(config(R"({"image_processor_type": "CLIPImageProcessor"})"),
                                    "c.json", limits)
                 .ok());
  }

  void extremeProportionsAreRefusedOrCropped() {
    const Image line = noise(1, 4000, 2);
    const auto cropping =
        ImageProcessor::create(config(R"({"image_processor_type": "CLIPImageProcessor"})"), "c");
    const auto pixels = (*cropping)->process(line);  // 896,000 rows, of which 224 are wanted
    QVERIFY(pixels.ok());
    QCOMPARE(pixels->values.size(), std::size_t(3 * 224 * 224));
    const auto whole = ImageProcessor::create(
        config(R"({"image_processor_type": "CLIPImageProcessor", "do_center_crop": false})"), "c");
    QVERIFY(!(*whole)->process(line).ok());
  }

  void foldersOldAndNew() {
    QTemporaryDir temporary;
    const std::filesystem::path folder = temporary.path().toStdString();
    QVERIFY(!ImageProcessor::load(folder).ok());
    write(
        folder / "preprocessor_config.json",
        R"({"image_processor_type": "SiglipImageProcessor", "size": {"height": 32, "width": 32}})");
    write(folder / "processor_config.json",
          R"({"processor_class": "LlavaProcessor", "patch_size": 14})");
    auto processor = ImageProcessor::load(folder);
    QVERIFY(processor.ok());
    QCOMPARE((*processor)->outline(5, 5)->shape[2], std::int64_t{32});
    write(
        folder / "processor_config.json",
        R"({"image_processor": {"image_processor_type": "CLIPImageProcessorFast", "crop_size": 20}})");
    processor = ImageProcessor::load(folder);
    QVERIFY(processor.ok());
    QCOMPARE((*processor)->outline(5, 5)->shape[2], std::int64_t{20});
    // no type anywhere: the model's family decides, and what it sets wins
    write(folder / "processor_config.json", R"({"image_processor": {"crop_size": 18}})");
    QVERIFY(!ImageProcessor::load(folder).ok());
    processor = ImageProcessor::load(folder, {"LlavaImageProcessor"});
    QVERIFY(processor.ok());
    QCOMPARE((*processor)->outline(5, 5)->shape[2], std::int64_t{18});
    processor = ImageProcessor::load(folder, {"LlavaImageProcessor", {{"crop_size", 22}}});
    QVERIFY(processor.ok());
    QCOMPARE((*processor)->outline(5, 5)->shape[2], std::int64_t{22});
    write(folder / "processor_config.json", "{");
    QVERIFY(!ImageProcessor::load(folder).ok());
  }
};

QTEST_APPLESS_MAIN(TestProcessor)
#include "test_processor.moc"
