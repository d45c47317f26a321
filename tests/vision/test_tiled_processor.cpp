// SPDX-License-Identifier: GPL-3.0-or-later
// The processors that give tiles or patches: pixel_values equal transformers' Pillow backend
// (torchvision's where there is none) to the bit, with the grid that the families count by;
// outlines agree with what is made, also for large pictures; what transformers refuses is refused;
// hostile settings are named.
#include "tests/vision/fixtures.h"

#include <fstream>

#include "engine/vision/image_processor.h"

using namespace luthier;
using namespace luthier::test;

namespace {

std::string with(const std::string& type, const std::string& fields) {
  return R"({"image_processor_type": ")" + type + "\"" + (fields.empty() ? "" : ", " + fields) +
         "}";
}

Result<std::unique_ptr<ImageProcessor>> made(const std::string& type,
                                             const std::string& fields = {},
                                             const PixelLimits& limits = {}) {
  return ImageProcessor::create(Json::parse(with(type, fields)), "c.json", limits);
}

void write(const std::filesystem::path& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

/// Who takes the pictures of a row that has as many as the expectation says.
const ImageProcessor& taken(const std::unique_ptr<ImageProcessor>& processor, const Json& row) {
  return processor->among(row.value("among", std::size_t{1}));
}

std::int64_t product(const std::vector<std::int64_t>& shape) {
  std::int64_t count = 1;
  for (const std::int64_t extent : shape) count *= extent;
  return count;
}

}  // namespace

class TestTiledProcessor : public QObject {
  Q_OBJECT

 private slots:
  void equalsTransformers() {
    std::size_t equal = 0, refused = 0;
    for (const Json& row : expectations("families")) {
      const auto processor = ImageProcessor::create(row["config"], "config");
      QVERIFY2(processor.ok(), processor ? "" : processor.error().sentence().c_str());
      for (const Json& picture : row["pictures"]) {
        const std::string what = row["config"].dump() + " " + picture.dump();
        const int width = picture[0], height = picture[1];
        const auto pixels =
            taken(*processor, row)
                .process(noise(width, height, static_cast<std::uint32_t>(width * 1000 + height)));
        if (picture.size() == 2) {
          QVERIFY2(!pixels.ok(), what.c_str());
          QVERIFY(pixels.error().sentence().size() > 20);
          ++refused;
          continue;
        }
        QVERIFY2(pixels.ok(), (what + (pixels ? "" : pixels.error().sentence())).c_str());
        QVERIFY2(Json(pixels->shape) == picture[2] && Json(pixels->grid) == picture[3],
                 what.c_str());
        QCOMPARE(static_cast<std::int64_t>(pixels->values.size()), product(pixels->shape));
        QVERIFY2(digest(pixels->values) == picture[4].get<std::string>(), what.c_str());
        ++equal;
      }
    }
    QVERIFY(equal > 300 && refused > 5);
  }

  void outlinesEqualTransformers() {
    for (const Json& row : expectations("outlines")) {
      const auto processor = ImageProcessor::create(row["config"], "config");
      for (const Json& picture : row["pictures"]) {
        const std::string what = row["config"].dump() + " " + picture.dump();
        const auto outline = taken(*processor, row).outline(picture[0], picture[1]);
        QVERIFY2(outline.ok() == (picture.size() > 2),
                 (what + (outline ? "" : outline.error().sentence())).c_str());
        if (!outline) continue;
        QVERIFY2(Json(outline->shape) == picture[2] && Json(outline->grid) == picture[3] &&
                     outline->values.empty(),
                 what.c_str());
      }
    }
  }

  void outlineAndProcessAgreeOnRefusals() {
    for (const Json& row : expectations("families")) {
      const auto processor = ImageProcessor::create(row["config"], "config");
      const ImageProcessor& several = taken(*processor, row);
      for (const auto& [width, height] : {std::pair{1, 900}, {900, 1}, {3, 601}, {17, 4}}) {
        if (row["config"].size() == 1) continue;
        const auto outline = several.outline(width, height);
        const auto pixels = several.process(noise(width, height, 1));
        QVERIFY2(outline.ok() == pixels.ok(), row["config"].dump().c_str());
        if (outline) QVERIFY(outline->shape == pixels->shape && outline->grid == pixels->grid);
      }
      QVERIFY(!several.outline(0, 4).ok() && !several.outline(4, -1).ok() &&
              !several.process(Image{}).ok());
      QVERIFY(!several.outline(1 << 30, 4).ok());
    }
  }

  void theRecipeChangesPixelLimits() {
    PixelLimits limits;
    limits.max_pixels = 28 * 28 * 6;
    auto qwen = made("Qwen2VLImageProcessorFast",
                     R"("size": {"shortest_edge": 784, "longest_edge": 99999})", limits);
    QCOMPARE((*qwen)->outline(400, 400)->shape[0],
             std::int64_t{16});  // 56 x 56: as many whole blocks as the limit holds
    limits.min_pixels = 28 * 28 * 4;
    qwen = made("Qwen2VLImageProcessor", R"("min_pixels": 1, "max_pixels": 2)", limits);
    QCOMPARE((*qwen)->outline(3, 3)->shape[0], std::int64_t{16});
    limits.max_pixels = 0;
    const auto wrong = made("Qwen2VLImageProcessor", "", limits);
    QVERIFY(!wrong.ok());
    QCOMPARE(wrong.error().where, std::string("image.max_pixels"));
    for (const char* type :
         {"Idefics3ImageProcessor", "LlavaNextImageProcessor", "LlavaOnevisionImageProcessor",
          "GotOcr2ImageProcessor", "PixtralImageProcessor", "MiniCPMV4_6ImageProcessor",
          "Gemma3ImageProcessor", "Gemma4ImageProcessor", "Gemma4UnifiedImageProcessor",
          "Ovis2ImageProcessor", "MllamaImageProcessor", "DeepseekOcr2ImageProcessor"})
      QVERIFY(!made(type, "", limits).ok());
  }

  void aPictureTooLongIsASentence() {
    const auto outline = (*made("Qwen2VLImageProcessor"))->outline(2010, 10);
    QVERIFY(!outline.ok());
    QVERIFY(outline.error().sentence().find("200 times") != std::string::npos);
    QVERIFY((*made("Qwen2VLImageProcessor"))->outline(2000, 10).ok());
  }

  void badSettingsNameTheirField() {
    struct Case {
      const char *type, *fields, *named;
    };
    const Case cases[] = {
        {"Qwen2VLImageProcessor", R"("patch_size": 0)", "patch_size"},
        {"MllamaImageProcessor", R"("do_resize": false)", "do_resize"},
        {"MllamaImageProcessor", R"("do_pad": false)", "do_pad"},
        {"MllamaImageProcessor", R"("max_image_tiles": 0)", "max_image_tiles"},
        {"MllamaImageProcessor", R"("size": {"height": 8, "width": 9})", "size"},
        {"MllamaImageProcessor", R"("size": {"shortest_edge": 8})", "size"},
        {"Qwen2VLImageProcessor", R"("merge_size": -1)", "merge_size"},
        {"Qwen2VLImageProcessor", R"("temporal_patch_size": 1000000)", "temporal_patch_size"},
        {"Qwen2VLImageProcessor", R"("size": {"shortest_edge": 0, "longest_edge": 5})",
         "size: shortest_edge"},
        {"Qwen2VLImageProcessor", R"("size": {"shortest_edge": 5})", "size"},
        {"Qwen2VLImageProcessor", R"("size": 5)", "size"},
        {"Qwen2VLImageProcessor", R"("max_pixels": 9223372036854775807)", "max_pixels"},
        {"Qwen2VLImageProcessor", R"("min_pixels": 1.5)", "min_pixels"},
        {"Idefics3ImageProcessor", R"("max_image_size": 5)", "max_image_size"},
        {"Idefics3ImageProcessor", R"("max_image_size": {"longest_edge": 0})",
         "max_image_size.longest_edge"},
        {"SmolVLMImageProcessor", R"("max_image_size": {})", "max_image_size"},
        {"SmolVLMImageProcessor", R"("size": {"shortest_edge": 5})", "size"},
        {"LlavaNextImageProcessor", R"("image_grid_pinpoints": [])", "image_grid_pinpoints"},
        {"LlavaNextImageProcessor", R"("image_grid_pinpoints": [[1, 2], [3]])",
         "image_grid_pinpoints[1]"},
        {"LlavaNextImageProcessor", R"("image_grid_pinpoints": [[1, 0]])",
         "image_grid_pinpoints[0]"},
        {"LlavaNextImageProcessor", R"("image_grid_pinpoints": [[16384, 16384]])",
         "image_grid_pinpoints[0]"},
        {"LlavaNextImageProcessor", R"("crop_size": {"height": 0, "width": 1})",
         "crop_size.height"},
        {"LlavaNextImageProcessor", R"("size": {"longest_edge": 5})", "size"},
        {"LlavaOnevisionImageProcessor", R"("do_center_crop": true)", "crop_size"},
        {"LlavaOnevisionImageProcessor", R"("do_resize": false)", "do_resize"},
        {"GotOcr2ImageProcessor", R"("max_patches": 100000)", "max_patches"},
        {"GotOcr2ImageProcessor", R"("min_patches": -5)", "min_patches"},
        {"GotOcr2ImageProcessor", R"("crop_to_patches": true, "size": {"shortest_edge": 5})",
         "size"},
        {"GotOcr2ImageProcessor", R"("crop_to_patches": 1)", "crop_to_patches"},
        {"Ovis2ImageProcessor", R"("max_patches": 4096)", "max_patches"},
        {"Ovis2ImageProcessor", R"("min_patches": -1)", "min_patches"},
        {"Ovis2ImageProcessor", R"("do_center_crop": true)", "do_center_crop"},
        {"Ovis2ImageProcessor", R"("use_covering_area_grid": "no")", "use_covering_area_grid"},
        {"Ovis2ImageProcessor", R"("crop_to_patches": true, "size": {"shortest_edge": 5})", "size"},
        {"DeepseekOcr2ImageProcessor", R"("max_patches": 4097)", "max_patches"},
        {"DeepseekOcr2ImageProcessor", R"("min_patches": -1)", "min_patches"},
        {"DeepseekOcr2ImageProcessor", R"("tile_size": 0)", "tile_size"},
        {"DeepseekOcr2ImageProcessor", R"("crop_to_patches": 1)", "crop_to_patches"},
        {"DeepseekOcr2ImageProcessor", R"("size": {"shortest_edge": 5})", "size"},
        {"DeepseekOcr2ImageProcessor", R"("background_color": [1, 2])", "background_color"},
        {"DeepseekOcr2ImageProcessor", R"("background_color": [1, 2, 256])", "background_color"},
        {"PixtralImageProcessor", R"("patch_size": 0)", "patch_size"},
        {"PixtralImageProcessor", R"("patch_size": 1025)", "patch_size"},
        {"PixtralImageProcessor", R"("patch_size": {"height": 4, "width": 6})", "patch_size"},
        {"PixtralImageProcessor", R"("spatial_merge_size": 65)", "spatial_merge_size"},
        {"PixtralImageProcessor", R"("size": {"height": 50})", "size"},
        {"PixtralImageProcessor", R"("size": 15)", "size"},
        {"PixtralImageProcessor", R"("size": 50, "default_to_square": false)", "size"},
        {"PixtralImageProcessor", R"("do_center_crop": true)", "do_center_crop"},
        {"MiniCPMV4_6ImageProcessor", R"("patch_size": 0)", "patch_size"},
        {"MiniCPMV4_6ImageProcessor", R"("scale_resolution": 16385)", "scale_resolution"},
        {"MiniCPMV4_6ImageProcessor", R"("max_slice_nums": 4096)", "max_slice_nums"},
        {"MiniCPMV4_6ImageProcessor", R"("slice_mode": "no")", "slice_mode"},
        {"Gemma3ImageProcessor", R"("pan_and_scan_max_num_crops": 0)",
         "pan_and_scan_max_num_crops"},
        {"Gemma3ImageProcessor", R"("pan_and_scan_min_crop_size": 0)",
         "pan_and_scan_min_crop_size"},
        {"Gemma4ImageProcessor", R"("patch_size": 0)", "patch_size"},
        {"Gemma4ImageProcessor", R"("pooling_kernel_size": 65)", "pooling_kernel_size"},
        {"Gemma4ImageProcessor", R"("max_soft_tokens": 256)", "max_soft_tokens"},
        {"Gemma4UnifiedImageProcessor", R"("max_soft_tokens": 71)", "max_soft_tokens"},
        {"Gemma4UnifiedImageProcessor", R"("pooling_kernel_size": 0)", "pooling_kernel_size"},
        {"Gemma4UnifiedImageProcessor", R"("resample": 1)", "resample"},
        {"Gemma3ImageProcessor", R"("image_std": 1e-60)", "image_std"},
        {"Gemma3ImageProcessor", R"("image_mean": 1e300)", "image_mean"},
        {"Gemma3ImageProcessor", R"("rescale_factor": -1e300)", "rescale_factor"},
    };
    for (const Case& one : cases) {
      const auto processor = made(one.type, one.fields);
      QVERIFY2(!processor.ok(), one.fields);
      QVERIFY2(processor.error().where.find(std::string("c.json: ") + one.named) == 0,
               processor.error().where.c_str());
    }
  }

  void nothingBecomesBoundless() {
    struct Case {
      const char *type, *fields;
      int width, height;
    };
    const Case cases[] = {
        {"Qwen2VLImageProcessor", R"("min_pixels": 281474976710656)", 5, 5},
        {"Qwen2VLImageProcessor", R"("max_pixels": 281474976710656, "temporal_patch_size": 64)",
         8000, 8000},
        {"Idefics3ImageProcessor",
         R"("size": {"longest_edge": 16384}, "max_image_size": {"longest_edge": 1})", 5, 5},
        {"Idefics3ImageProcessor", R"("max_image_size": {"longest_edge": 16384})", 5, 5},
        {"Idefics3ImageProcessor", R"("size": {"height": 16384, "width": 16384})", 5, 5},
        {"LlavaNextImageProcessor", R"("crop_size": 1, "size": 1)", 5, 5},
        {"LlavaNextImageProcessor", R"("crop_size": 16384, "size": 16384)", 5, 5},
        {"LlavaNextImageProcessor", R"("crop_size": 8000, "size": 8)", 5, 5},
        {"LlavaNextImageProcessor",
         R"("do_center_crop": false, "image_grid_pinpoints": [[300, 300]])", 5, 5},
        {"LlavaOnevisionImageProcessor", R"("size": 1)", 5, 5},
        {"GotOcr2ImageProcessor", R"("crop_to_patches": true, "max_patches": 4095, "size": 384)",
         9000, 9000},
        {"Ovis2ImageProcessor", R"("crop_to_patches": true, "max_patches": 4095, "size": 384)",
         90000, 90000},
        {"DeepseekOcr2ImageProcessor", R"("tile_size": 16384, "size": 9)", 20000, 16384},
        {"DeepseekOcr2ImageProcessor", R"("size": 16384)", 5, 5},
        {"DeepseekOcr2ImageProcessor", "", 1, 4096},
        {"PixtralImageProcessor", R"("size": 16384, "patch_size": 1)", 16384, 16384},
        {"PixtralImageProcessor", R"("size": {"longest_edge": 40})", 1, 900},
        {"PixtralImageProcessor", R"("do_resize": false)", 30, 32},
        {"MiniCPMV4_6ImageProcessor", R"("scale_resolution": 16384)", 5, 5},
        {"MiniCPMV4_6ImageProcessor", R"("scale_resolution": 8000, "max_slice_nums": 4095)", 9000,
         60000},
        {"MiniCPMV4_6ImageProcessor", R"("do_resize": false, "patch_size": 4)", 24, 32},
        // Three slices, the height of which is no block.
        {"MiniCPMV4_6ImageProcessor",
         R"("do_resize": false, "patch_size": 4, "scale_resolution": 40)", 32, 80},
        {"Gemma4ImageProcessor", R"("do_resize": false)", 48, 50},
        {"Gemma4ImageProcessor", R"("do_resize": false, "max_soft_tokens": 70)", 480, 384},
        {"Gemma4ImageProcessor", R"("patch_size": 1024, "pooling_kernel_size": 64)", 9, 9},
        {"Gemma4UnifiedImageProcessor", R"("do_resize": false)", 48, 50},
        {"Gemma4UnifiedImageProcessor", R"("patch_size": 1024, "pooling_kernel_size": 64)", 9, 9},
        {"Gemma3ImageProcessor", R"("size": 16384)", 5, 5},
        {"Gemma3ImageProcessor",
         R"("do_pan_and_scan": true, "pan_and_scan_min_crop_size": 1, "pan_and_scan_max_num_crops": 4)",
         5, 1},
        {"Gemma3ImageProcessor",
         R"("do_pan_and_scan": true, "pan_and_scan_min_crop_size": 1, "do_resize": false)", 50, 10},
        {"LlavaImageProcessor", R"("do_pad": true)", 1, 900000},
    };
    for (const Case& one : cases) {
      const auto processor = made(one.type, one.fields);
      QVERIFY2(processor.ok(), one.fields);
      const auto outline = (*processor)->outline(one.width, one.height);
      QVERIFY2(!outline.ok(), one.fields);
      QVERIFY2(outline.error().sentence().size() > 30, one.fields);
    }
  }

  void familiesCompleteTheirProcessor() {
    QTemporaryDir temporary;
    const std::filesystem::path folder = temporary.path().toStdString();
    const auto outline = [&](const ProcessorDefaults& family, const char* settings, int width,
                             int height) {
      write(folder / "preprocessor_config.json", settings);
      const auto processor = ImageProcessor::load(folder, family);
      return processor ? (*processor)->outline(width, height).take() : PixelValues{};
    };
    using Shape = std::vector<std::int64_t>;
    QCOMPARE(
        outline({"SiglipImageProcessor"}, R"({"size": {"height": 32, "width": 32}})", 9, 5).shape,
        (Shape{1, 3, 32, 32}));
    QCOMPARE(
        outline({"SiglipImageProcessor"},
                R"({"image_processor_type": "SiglipImageProcessor", "image_seq_length": 4})", 9, 5)
            .shape,
        (Shape{1, 3, 224, 224}));
    QCOMPARE(outline({"Qwen2VLImageProcessor"}, R"({"min_pixels": 3136, "max_pixels": 12845056})",
                     280, 140)
                 .grid,
             (Shape{1, 10, 20}));
    QCOMPARE(
        outline({"Qwen2VLImageProcessor"},
                R"({"size": {"shortest_edge": 1024, "longest_edge": 99999}, "patch_size": 16})", 64,
                96)
            .shape,
        (Shape{24, 1536}));
    QCOMPARE(
        outline({"SmolVLMImageProcessor"},
                R"({"size": {"longest_edge": 64}, "max_image_size": {"longest_edge": 32}})", 64, 32)
            .grid,
        (Shape{1, 2}));
    QCOMPARE(outline({"LlavaNextImageProcessor"}, "{}", 400, 300).grid, (Shape{300, 400}));
    // Mistral 3's model says what a block is
    QCOMPARE(
        outline({"PixtralImageProcessor", {{"patch_size", 14}, {"spatial_merge_size", 2}}},
                R"({"patch_size": {"height": 16, "width": 16}, "size": {"longest_edge": 1540}})",
                200, 90)
            .grid,
        (Shape{1, 8, 16}));
    // InternVL's whole processor always tiles, Gemma 3's never pans, whatever the picture
    // processor's own settings say
    const char* untiled =
        R"({"image_processor_type": "GotOcr2ImageProcessorFast", "crop_to_patches": false, "size": 28})";
    QCOMPARE(outline({"GotOcr2ImageProcessor", {{"crop_to_patches", true}}}, untiled, 56, 28).shape,
             (Shape{3, 3, 28, 28}));
    QCOMPARE(outline({"GotOcr2ImageProcessor", {{"crop_to_patches", true}}},
                     R"({"size": {"height": 28, "width": 28}})", 28, 28)
                 .grid,
             (Shape{1}));
    QCOMPARE(outline({"Gemma3ImageProcessor", {{"do_pan_and_scan", false}}},
                     R"({"do_pan_and_scan": true})", 900, 300)
                 .grid,
             (Shape{0}));
    QVERIFY(made("InternVLImageProcessor").ok() && made("SmolVLMImageProcessorPil").ok());
  }
};

QTEST_APPLESS_MAIN(TestTiledProcessor)
#include "test_tiled_processor.moc"
