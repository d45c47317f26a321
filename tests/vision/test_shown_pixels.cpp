// SPDX-License-Identifier: GPL-3.0-or-later
// Pixels shown again: what a processor made of a picture that needs no resizing is that picture, in
// whichever order its family lays it out.
#include <QtTest>

#include "engine/vision/shown_pixels.h"

using namespace luthier;

namespace {

Image noise(int width, int height) {
  Image image{width, height, {}};
  std::uint32_t state = 7;
  for (int i = 0; i < width * height * 3; ++i) {
    state = state * 1664525u + 1013904223u;
    image.rgb.push_back(static_cast<std::uint8_t>(state >> 24));
  }
  return image;
}

std::unique_ptr<ImageProcessor> processor(const char* text) {
  const auto config = parse_json(text, "test");
  auto made = ImageProcessor::create(*config, "test");
  if (!made) qWarning("%s", made.error().sentence().c_str());
  return made ? made.take() : nullptr;
}

}  // namespace

class TestShownPixels : public QObject {
  Q_OBJECT

 private slots:
  void a_picture_is_itself_data();
  void a_picture_is_itself();
  void tiles_are_frames();
  void an_order_of_its_own_is_said();
};

void TestShownPixels::a_picture_is_itself_data() {
  QTest::addColumn<QByteArray>("config");
  QTest::addColumn<QSize>("size");
  QTest::addColumn<int>("patch");
  QTest::newRow("CLIP") << QByteArray(R"({"image_processor_type": "CLIPImageProcessor",
      "size": {"shortest_edge": 48}, "crop_size": {"height": 48, "width": 48}})")
                        << QSize(48, 48) << 0;
  QTest::newRow("Qwen2-VL") << QByteArray(R"({"image_processor_type": "Qwen2VLImageProcessor",
      "patch_size": 4, "merge_size": 2, "temporal_patch_size": 2, "min_pixels": 64,
      "max_pixels": 100000})")
                            << QSize(40, 24) << 4;
  QTest::newRow("merged by three") << QByteArray(
                                          R"({"image_processor_type": "Qwen2VLImageProcessor",
      "patch_size": 5, "merge_size": 3, "temporal_patch_size": 1, "min_pixels": 64,
      "max_pixels": 100000})") << QSize(45, 30)
                                   << 5;
  QTest::newRow("Pixtral") << QByteArray(R"({"image_processor_type": "PixtralImageProcessor",
      "patch_size": 4, "size": {"longest_edge": 256}})")
                           << QSize(40, 24) << 4;
}

void TestShownPixels::a_picture_is_itself() {
  QFETCH(QByteArray, config);
  QFETCH(QSize, size);
  QFETCH(int, patch);
  const auto how = processor(config.constData());
  QVERIFY(how);
  const Image picture = noise(size.width(), size.height());
  const auto pixels = how->process(picture);
  QVERIFY(pixels.ok());
  const auto frames = shown_frames(*pixels, *how);
  QVERIFY2(frames.ok(), frames.ok() ? "" : frames.error().sentence().c_str());
  QCOMPARE(frames->size(), std::size_t(1));
  QCOMPARE(QSize(frames->front().width, frames->front().height), size);
  QCOMPARE(frames->front().patch, patch);
  QVERIFY(frames->front().rgb == picture.rgb);
}

void TestShownPixels::tiles_are_frames() {
  const auto how = processor(R"({"image_processor_type": "Idefics3ImageProcessor",
      "size": {"longest_edge": 96}, "max_image_size": {"longest_edge": 48}})");
  QVERIFY(how);
  const auto pixels = how->process(noise(96, 96));
  QVERIFY(pixels.ok());
  const auto frames = shown_frames(*pixels, *how);
  QVERIFY(frames.ok());
  QCOMPARE(frames->size(), std::size_t(5));  // four tiles and the whole
  QCOMPARE(shown_frames(*pixels, *how, 2)->size(), std::size_t(2));
}

void TestShownPixels::an_order_of_its_own_is_said() {
  const auto how = processor(R"({"image_processor_type": "Qwen2VLImageProcessor"})");
  PixelValues odd;
  odd.shape = {7, 11};
  odd.grid = {7};
  odd.values.resize(77);
  const auto refused = shown_frames(odd, *how);
  QVERIFY(!refused.ok());
  QVERIFY(!refused.error().what.empty());
}

QTEST_GUILESS_MAIN(TestShownPixels)
#include "test_shown_pixels.moc"
