// SPDX-License-Identifier: GPL-3.0-or-later
// Resampling is Pillow's to the pixel, a region is that part of the whole, and crops fall where
// transformers' do.
#include "tests/vision/fixtures.h"

using namespace luthier;
using namespace luthier::test;

class TestResample : public QObject {
  Q_OBJECT

 private slots:
  void equalsPillow() {
    const Json rows = expectations("resampled");
    QVERIFY(rows.size() > 100);
    for (const Json& row : rows) {
      const int width = row[0], height = row[1];
      Image image = noise(width, height, static_cast<std::uint32_t>(width * 1000 + height));
      if (row[4] == 1)
        for (std::size_t i = 0; i < image.rgb.size(); ++i) {
          const int x = static_cast<int>(i / 3) % width;
          image.rgb[i] = static_cast<std::uint8_t>(image.rgb[i] / 16 + x * 200 / width);
        }
      const Image out = resize(image, row[2], row[3], static_cast<Resample>(row[5].get<int>()));
      QCOMPARE(out.width, row[2].get<int>());
      QCOMPARE(out.height, row[3].get<int>());
      QVERIFY2(digest(out.rgb) == row[6].get<std::string>(), row.dump().c_str());
    }
  }

  void regionIsPartOfTheWhole() {
    const Image image = noise(57, 41, 3);
    const Region region{5, 7, 11, 9};  // some sizes take the columns first, some the rows
    for (int filter = 0; filter < 6; ++filter)
      for (const auto& [width, height] :
           {std::pair{30, 20}, {57, 20}, {30, 41}, {90, 100}, {57, 41}, {56, 20}, {80, 17}}) {
        const Image whole = resize(image, width, height, static_cast<Resample>(filter));
        const Image part =
            resize_region(image, width, height, static_cast<Resample>(filter), region);
        for (int y = 0; y < region.height; ++y)
          QVERIFY(std::memcmp(part.rgb.data() + y * region.width * 3,
                              whole.rgb.data() + ((region.top + y) * width + region.left) * 3,
                              std::size_t(region.width) * 3) == 0);
      }
  }

  void cropsAroundTheCentre() {
    const Image image = noise(5, 4, 4);
    const Image inside = center_crop(image, 2, 3);  // left (5 - 2) / 2 = 1, top (4 - 3) / 2 = 0
    QCOMPARE(inside.rgb[0], image.rgb[3]);
    const Image outside = center_crop(image, 8, 7);  // two columns and two rows of zeros first
    QCOMPARE(outside.width, 8);
    QCOMPARE(outside.height, 7);
    QCOMPARE(int(outside.rgb[(1 * 8 + 3) * 3]), 0);
    QCOMPARE(outside.rgb[(2 * 8 + 2) * 3], image.rgb[0]);
    QCOMPARE(outside.rgb[(5 * 8 + 6) * 3 + 2], image.rgb[(3 * 5 + 4) * 3 + 2]);
    QCOMPARE(int(outside.rgb[(2 * 8 + 7) * 3]), 0);
  }

  void thumbnailsKeepProportions() {
    const Image small = thumbnail(noise(100, 40, 1), 50);
    QCOMPARE(small.width, 50);
    QCOMPARE(small.height, 20);
    QCOMPARE(thumbnail(noise(9, 4, 1), 50).width, 9);
    QCOMPARE(thumbnail(noise(1000, 1, 1), 10).height, 1);
  }
};

QTEST_APPLESS_MAIN(TestResample)
#include "test_resample.moc"
