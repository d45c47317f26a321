// SPDX-License-Identifier: GPL-3.0-or-later
// Which part of a picture the model is shown: a crop around the centre, a square around it, or all.
#include "engine/vision/shown_part.h"

#include <QtTest>

#include "engine/vision/image_processor.h"

using namespace luthier;

class TestShownPart : public QObject {
  Q_OBJECT

  static PicturePart part(const Json& config, int width, int height) {
    const auto made = ImageProcessor::create(config, "preprocessor_config.json");
    const auto* shows = made ? dynamic_cast<const ShowsPart*>(made->get()) : nullptr;
    if (!shows) return {0, 0, -1, -1};
    const auto shown = shows->shown_part(width, height);
    return shown ? *shown : PicturePart{0, 0, -2, -2};
  }
  static bool is(const PicturePart& got, double left, double top, double width, double height) {
    const auto near = [](double a, double b) { return std::abs(a - b) < 1e-9; };
    return near(got.left, left) && near(got.top, top) && near(got.width, width) &&
           near(got.height, height);
  }

 private slots:
  void a_crop_leaves_the_ends_out() {
    const Json clip = {{"image_processor_type", "CLIPImageProcessor"},
                       {"size", {{"shortest_edge", 224}}},
                       {"crop_size", {{"height", 224}, {"width", 224}}}};
    QVERIFY(is(part(clip, 400, 200), 0.25, 0, 0.5, 1));
    QVERIFY(is(part(clip, 200, 400), 0, 0.25, 1, 0.5));
    QVERIFY(is(part(clip, 300, 300), 0, 0, 1, 1));
  }

  void a_square_reaches_beyond_the_picture() {
    const Json llava = {{"image_processor_type", "LlavaImageProcessor"},
                        {"do_pad", true},
                        {"size", {{"shortest_edge", 224}}},
                        {"crop_size", {{"height", 224}, {"width", 224}}}};
    QVERIFY(is(part(llava, 200, 100), 0, -0.5, 1, 2));
    QVERIFY(is(part(llava, 100, 200), -0.5, 0, 2, 1));
  }

  void others_show_all_of_it() {
    const Json siglip = {{"image_processor_type", "SiglipImageProcessor"},
                         {"size", {{"height", 224}, {"width", 224}}}};
    QVERIFY(is(part(siglip, 400, 100), 0, 0, 1, 1));
  }
};

QTEST_APPLESS_MAIN(TestShownPart)
#include "test_shown_part.moc"
