// SPDX-License-Identifier: GPL-3.0-or-later
// Masks: what a picture of black and white, a box and a polygon mean, their runs at other sizes,
// and what rows of masks refuse.
#include <QTemporaryDir>
#include <QtTest>

#include <fstream>

#include "engine/data/mask.h"
#include "engine/data/mask_rows.h"

using namespace luthier;
namespace fs = std::filesystem;

namespace {

Image plain(int width, int height, std::uint8_t value) {
  Image image{width, height, {}};
  image.rgb.assign(static_cast<std::size_t>(3 * width * height), value);
  return image;
}

std::string drawn(const Mask& mask) {
  std::string text;
  for (int y = 0; y < mask.height; ++y) {
    for (int x = 0; x < mask.width; ++x)
      text += mask.inside[static_cast<std::size_t>(y * mask.width + x)] ? '#' : '.';
    text += '\n';
  }
  return text;
}

Mask shaped(const char* shapes, ImageSize size) {
  const auto made = mask_of_shapes(Json::parse(shapes), size, "row 1: mask");
  if (!made) qFatal("%s", made.error().sentence().c_str());
  return *made;
}

}  // namespace

class TestMask : public QObject {
  Q_OBJECT

 private slots:
  void black_and_white_alone() {
    Image image = plain(3, 2, 0);
    for (int channel = 0; channel < 3; ++channel)
      image.rgb[static_cast<std::size_t>(3 * 4 + channel)] = 255;
    const auto mask = mask_of_picture(image, "row 1: mask");
    QVERIFY(mask.ok());
    QCOMPARE(drawn(*mask), std::string("...\n.#.\n"));
    image.rgb[3] = 1;
    const auto refused = mask_of_picture(image, "row 1: mask");
    QVERIFY(!refused.ok());
    QCOMPARE(refused.error().where, std::string("row 1: mask"));
    QVERIFY(refused.error().what.find("pixel 1, 0 is 1, 0, 0") != std::string::npos);
  }

  void shapes_by_the_pixels_centres() {
    QCOMPARE(drawn(shaped("[1, 0, 3, 2]", {4, 3})), std::string(".##.\n.##.\n....\n"));
    // A border through a centre is inside where a shape begins, and outside where it ends.
    QCOMPARE(drawn(shaped("[0.5, 0.5, 2.5, 1.5]", {4, 3})), std::string("##..\n....\n....\n"));
    QCOMPARE(drawn(shaped("[[0, 0], [4, 0], [0, 4]]", {4, 4})),
             std::string("###.\n##..\n#...\n....\n"));
    const std::string both = "#...\n....\n...#\n";
    QCOMPARE(drawn(shaped("[[0, 0, 1, 1], [3, 2, 4, 3]]", {4, 3})), both);
    QCOMPARE(drawn(shaped("[[0, 0, 1, 0, 1, 1, 0, 1], [[3, 2], [4, 2], [4, 3], [3, 3]]]", {4, 3})),
             both);
    // A ring that crosses itself is empty where it goes round twice.
    QCOMPARE(
        drawn(shaped("[[[0, 0], [5, 0], [5, 5], [0, 5], [0, 0], [1, 1], [4, 1], [4, 4], [1, 4],"
                     "[1, 1]]]",
                     {5, 5})),
        std::string("#####\n#...#\n#...#\n#...#\n#####\n"));
  }

  void what_is_no_shape_is_refused_data() {
    QTest::addColumn<QString>("shapes");
    QTest::addColumn<QString>("said");
    const auto row = [](const char* shapes, const char* said) {
      QTest::newRow(shapes) << shapes << said;
    };
    row("[]", "empty");
    row("[1, 2, 3]", "neither");
    row("[1, 2, 3, 4, 5]", "neither");
    row("[2, 0, 1, 3]", "corner");
    row("[\"a\"]", "neither");
    row("[[1, 2], [3, 4]]", "neither");
    row("[[[0, 0], [1, 1]]]", "neither");
    row("[0, 0, 40, 2]", "outside");
    row("[0, -7, 2, 2]", "outside");
    row("[0.6, 0.6, 1.2, 1.2]", "no pixel");
    row("[[0, 0, 1e400, 0, 1, 1]]", "neither");
  }
  void what_is_no_shape_is_refused() {
    QFETCH(QString, shapes);
    QFETCH(QString, said);
    Json written = Json::parse(shapes.toStdString(), nullptr, /*allow_exceptions=*/false);
    if (written.is_discarded()) written = Json::array({Json::array({0, 0, "far", 0, 1, 1})});
    const auto made = mask_of_shapes(written, {4, 3}, "row 1: mask");
    QVERIFY(!made.ok());
    QVERIFY2(made.error().what.find(said.toStdString()) != std::string::npos,
             made.error().what.c_str());
    QVERIFY(made.error().where.starts_with("row 1: mask"));
  }

  void runs_hold_a_mask_at_every_size() {
    const Mask mask = shaped("[1, 0, 3, 2]", {4, 3});
    const std::vector<double> runs = mask_runs(mask);
    QCOMPARE(runs, (std::vector<double>{4, 3, 1, 2, 2, 2, 5}));
    const std::vector<float> same = mask_at(runs, 3, 4);
    for (std::size_t i = 0; i < same.size(); ++i)
      QCOMPARE(same[i], static_cast<float>(mask.inside[i]));
    // As Pillow's NEAREST: the old pixel at each new one's centre.
    QCOMPARE(mask_at(runs, 2, 3), (std::vector<float>{0, 1, 0, 0, 0, 0}));
    const std::vector<float> larger = mask_at(runs, 6, 8);
    for (std::size_t y = 0; y < 6; ++y)
      for (std::size_t x = 0; x < 8; ++x)
        QCOMPARE(larger[y * 8 + x], static_cast<float>(mask.inside[y / 2 * 4 + x / 2]));
    Mask full{2, 1, {1, 1}};
    QCOMPARE(mask_runs(full), (std::vector<double>{2, 1, 0, 2}));
    QCOMPARE(mask_at(mask_runs(full), 1, 1), (std::vector<float>{1}));
  }

  void rows_say_what_they_lack_data() {
    QTest::addColumn<QString>("row");
    QTest::addColumn<QString>("field");
    const auto row = [](const char* written, const char* field) {
      QTest::newRow(written) << written << field;
    };
    row(R"({"text": "a", "mask": [0, 0, 1, 1]})", "image");
    row(R"({"image": ["a.png", "b.png"], "text": "a", "mask": [0, 0, 1, 1]})", "image");
    row(R"({"image": "a.png", "text": "a"})", "mask");
    row(R"({"image": "a.png", "mask": [0, 0, 1, 1]})", "text");
    row(R"({"image": "a.png", "text": " ", "mask": [0, 0, 1, 1]})", "text");
    row(R"({"image": "a.png", "text": 3, "mask": [0, 0, 1, 1]})", "text");
    row(R"({"image": "a.png", "text": "a", "prompt_image": "b.png", "mask": [0, 0, 1, 1]})",
        "prompt_image");
    row(R"({"image": "a.png", "prompt_image": 7, "mask": [0, 0, 1, 1]})", "prompt_image");
    row(R"({"image": "a.png", "text": "a", "mask": 7})", "mask");
    row(R"({"image": "a.png", "text": "a", "mask": ""})", "mask");
    row(R"({"image": "a.png", "text": "a", "mask": {"size": [2, 2], "counts": "04"}})", "mask");
    row(R"({"image": "a.png", "text": "a", "mask": {"size": [2, 2], "counts": [0, 4]}})", "mask");
  }
  void rows_say_what_they_lack() {
    QFETCH(QString, row);
    QFETCH(QString, field);
    RowFault fault = RowFault::UnknownKey;
    const auto read =
        mask_rows().read(Json::parse(row.toStdString()), fs::path("/"), "row 1", &fault);
    QVERIFY(!read.ok());
    QCOMPARE(read.error().where, "row 1: " + field.toStdString());
    QCOMPARE(fault, RowFault::BadRow);
  }

  void rows_are_told_apart() {
    const Json row = {{"image", "a.png"}, {"text", "a"}, {"mask", {0, 0, 1, 1}}};
    const auto read = any_rows().read(row, fs::path("/"), "row 1", nullptr);
    QVERIFY(read.ok());
    QCOMPARE(read->kind, std::string("masks"));
    QVERIFY(!mask_rows().recognises({{"image", "a.png"}, {"text", "a"}}));
  }
};

QTEST_GUILESS_MAIN(TestMask)
#include "test_mask.moc"
