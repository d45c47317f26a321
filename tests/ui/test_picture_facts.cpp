// SPDX-License-Identifier: GPL-3.0-or-later
// What the Model page says of a picture, for processors of one size, of tiles and of patches. The
// figures are those of transformers' processors: Qwen2-VL's pixel bounds divided by 14 · 14,
// InternVL's 12 tiles and a thumbnail.
#include <QtTest>

#include "ui/model/picture_facts.h"

using namespace luthier;
using Kind = PictureReading::Kind;

class TestPictureFacts : public QObject {
  Q_OBJECT

 private slots:
  void one_size();
  void patches_by_size();
  void limits_of_a_recipe();
  void tiles_by_shape();
  void tiles_beside_a_larger_whole();
  void tiles_behind_one_mark();
  void no_processor();

 private:
  ModelSummary summary(const char* processor) {
    ModelSummary made;
    made.pictures = PictureSummary{};
    made.folder = folder_.filePath(QString::number(++count_)).toStdString();
    QDir().mkpath(QString::fromStdString(made.folder.string()));
    QFile file(QString::fromStdString((made.folder / "preprocessor_config.json").string()));
    if (*processor && file.open(QIODevice::WriteOnly)) file.write(processor);
    return made;
  }
  static ModuleSummary convolution(std::int64_t edge) {
    return {"model.vision_tower.patch_embedding",
            "Conv2d",
            {64, 3, edge, edge},
            "F32",
            1,
            "vision_tower"};
  }

  QTemporaryDir folder_;
  int count_ = 0;
};

void TestPictureFacts::one_size() {
  ModelSummary clip = summary(
      R"({"image_processor_type": "CLIPImageProcessor", "size": {"shortest_edge": 336},
          "crop_size": {"height": 336, "width": 336}})");
  clip.model_type = "llava";
  clip.modules = {convolution(14)};
  clip.geometry.vision_tokens = 577;  // with the class token, which is no patch
  clip.geometry.image_tokens = 576;
  const PictureReading facts = picture_facts(clip);
  QVERIFY(facts.kind == Kind::Fixed);
  QCOMPARE(facts.width, 336);
  QCOMPARE(facts.height, 336);
  QCOMPARE(facts.most_patches, 576);
  QCOMPARE(facts.most_tokens, 576);
}

namespace {
constexpr char kQwen[] =
    R"({"image_processor_type": "Qwen2VLImageProcessor", "patch_size": 14, "merge_size": 2,
                             "temporal_patch_size": 2, "min_pixels": 3136, "max_pixels": 1003520})";
}

void TestPictureFacts::patches_by_size() {
  ModelSummary qwen = summary(kQwen);
  qwen.model_type = "qwen2_vl";
  qwen.geometry.patches_per_token = 4;
  const PictureReading facts = picture_facts(qwen);
  QVERIFY(facts.kind == Kind::Patches);
  QCOMPARE(facts.least_tokens, 4);    // 3136 / (28 · 28)
  QCOMPARE(facts.most_tokens, 1280);  // 1003520 / (28 · 28)
  QCOMPARE(facts.least_patches, 16);
  QCOMPARE(facts.most_patches, 5120);
}

void TestPictureFacts::limits_of_a_recipe() {
  ModelSummary qwen = summary(kQwen);
  qwen.geometry.patches_per_token = 4;
  const PictureReading facts = picture_facts(qwen, {784 * 64, 784 * 256});
  QCOMPARE(facts.least_tokens, 64);
  QCOMPARE(facts.most_tokens, 256);
}

void TestPictureFacts::tiles_by_shape() {
  ModelSummary internvl = summary(
      R"({"image_processor_type": "GotOcr2ImageProcessor", "crop_to_patches": true, "min_patches":1,
          "max_patches": 12, "size": {"height": 448, "width": 448}})");
  internvl.model_type = "internvl";
  internvl.modules = {convolution(14)};
  internvl.geometry.vision_tokens = 1025;
  internvl.geometry.image_tokens = 256;
  const PictureReading facts = picture_facts(internvl);
  QVERIFY(facts.kind == Kind::Tiles);
  QCOMPARE(facts.width, 448);
  QCOMPARE(facts.least_tiles, 1);
  QCOMPARE(facts.most_tiles, 13);  // and the thumbnail
  QCOMPARE(facts.most_patches, 1024);
  QCOMPARE(facts.least_tokens, 256);
  QCOMPARE(facts.most_tokens, 13 * 256);
}

/// DeepSeek-OCR-2's: two to six tiles of 768 and the whole of 1024, which come to tokens of their
/// own numbers.
void TestPictureFacts::tiles_beside_a_larger_whole() {
  ModelSummary deepseek = summary(R"({"image_processor_type": "DeepseekOcr2ImageProcessor"})");
  deepseek.model_type = "deepseek_ocr2";
  deepseek.modules = {convolution(16)};
  deepseek.geometry.tile_tokens = TileTokens::Varying;
  const PictureReading facts = picture_facts(deepseek);
  QVERIFY(facts.kind == Kind::Tiles);
  QCOMPARE(facts.width, 768);
  QCOMPARE(facts.least_tiles, 1);
  QCOMPARE(facts.most_tiles, 7);
  QCOMPARE(facts.most_patches, 48 * 48);
  QCOMPARE(facts.most_tokens, 0);
}

/// Llama 3.2 Vision's: the text has a mark for the picture, however many tiles it becomes.
void TestPictureFacts::tiles_behind_one_mark() {
  ModelSummary mllama = summary(
      R"({"image_processor_type": "MllamaImageProcessor", "max_image_tiles": 4,
          "size": {"height": 28, "width": 28}})");
  mllama.model_type = "mllama";
  mllama.modules = {convolution(14)};
  mllama.geometry.image_tokens = 1;
  mllama.geometry.tile_tokens = TileTokens::OfThePicture;
  const PictureReading facts = picture_facts(mllama);
  QVERIFY(facts.kind == Kind::Tiles);
  QCOMPARE(facts.most_tiles, 4);
  QCOMPARE(facts.least_tokens, 1);
  QCOMPARE(facts.most_tokens, 1);
}

void TestPictureFacts::no_processor() {
  const PictureReading facts = picture_facts(summary(""));
  QVERIFY(facts.kind == Kind::Unknown);
}

QTEST_GUILESS_MAIN(TestPictureFacts)
#include "test_picture_facts.moc"
