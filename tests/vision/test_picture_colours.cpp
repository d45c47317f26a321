// SPDX-License-Identifier: GPL-3.0-or-later
// How a processor lays colours is what it makes of them: by its type's own defaults, and with the
// steps that a mean and a deviation alone do not tell.
#include <QtTest>

#include <cmath>

#include "engine/vision/picture_colours.h"

using namespace luthier;

class TestPictureColours : public QObject {
  Q_OBJECT

 private slots:
  void are_what_the_processor_makes_data() {
    QTest::addColumn<QString>("config");
    QTest::addColumn<double>("mean");
    QTest::addColumn<double>("deviation");
    QTest::newRow("halves") << R"({"image_processor_type": "ViTImageProcessor"})" << 0.5 << 0.5;
    QTest::newRow("its own") << R"({"image_processor_type": "ViTImageProcessor",
                                    "image_mean": [0.4, 0.4, 0.4], "image_std": 0.25})"
                             << 0.4 << 0.25;
    QTest::newRow("a type's") << R"({"image_processor_type": "CLIPImageProcessor"})" << 0.48145466
                              << 0.26862954;
    QTest::newRow("plain") << R"({"image_processor_type": "ViTImageProcessor",
                                  "do_normalize": false})"
                           << 0.0 << 1.0;
    QTest::newRow("twice") << R"({"image_processor_type": "EfficientNetImageProcessor",
                                  "size": 32})"
                           << 0.5 << 0.25;
  }
  void are_what_the_processor_makes() {
    QFETCH(QString, config);
    QFETCH(double, mean);
    QFETCH(double, deviation);
    const auto processor = ImageProcessor::create(Json::parse(config.toStdString()), "x");
    QVERIFY2(processor, processor ? "" : processor.error().sentence().c_str());
    const auto colours = picture_colours(**processor);
    QVERIFY(colours);
    QVERIFY(std::abs(colours->mean[0] - mean) < 1e-6);
    QVERIFY(std::abs(colours->deviation[0] - deviation) < 1e-6);
  }
};

QTEST_APPLESS_MAIN(TestPictureColours)
#include "test_picture_colours.moc"
