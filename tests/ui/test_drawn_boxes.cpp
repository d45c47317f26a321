// SPDX-License-Identifier: GPL-3.0-or-later
// A row's boxes on its picture: where their frames lie in a picture that is shown smaller, and that
// labels stay inside of it.
#include <QtTest>

#include "ui/data/drawn_boxes.h"
#include "ui/theme.h"

using namespace luthier;

class TestDrawnBoxes : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() { Theme::instance().install(Theme::Choice::Light); }

  void frames_lie_where_the_boxes_are() {
    QImage shown(100, 50, QImage::Format_RGB888);  // of a picture of 200 x 100
    shown.fill(Qt::white);
    draw_boxes(shown, {{"cube", {40, 40, 160, 90}}}, {200, 100});
    const auto framed = [&](int x, int y) { return shown.pixel(x, y) == colours().accent.rgb(); };
    QVERIFY(framed(20, 32) && framed(80, 32) && framed(50, 20) && framed(50, 45));
    QVERIFY(!framed(50, 32) && !framed(90, 32) && !framed(10, 32));
  }

  void a_label_stays_in_the_picture() {
    QImage shown(60, 60, QImage::Format_RGB888);
    shown.fill(Qt::white);
    draw_boxes(shown, {{"a label that is far too long for it", {55, 0, 60, 60}}}, {60, 60});
    QCOMPARE(shown.pixel(30, 0), colours().accent.rgb());
  }

  void nothing_is_drawn_without_boxes() {
    QImage shown(8, 8, QImage::Format_RGB888);
    shown.fill(Qt::white);
    const QImage before = shown;
    draw_boxes(shown, {}, {8, 8});
    draw_boxes(shown, {{"a", {0, 0, 4, 4}}}, {0, 0});
    QVERIFY(shown == before);
  }
};

QTEST_MAIN(TestDrawnBoxes)
#include "test_drawn_boxes.moc"
