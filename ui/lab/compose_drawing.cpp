// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/lab/compose_drawing.h"

#include <QPainter>
#include <QPainterPath>
#include <algorithm>

#include "ui/language.h"
#include "ui/messages.h"
#include "ui/theme.h"

namespace luthier {

namespace {

constexpr int kEdge = 2, kInside = 12, kHead = 5, kUsualWidth = 380;
constexpr float kTrainsInk = 0.18f;

}  // namespace

ComposeDrawing::ComposeDrawing(QWidget* parent) : QWidget(parent) {
  setObjectName(QStringLiteral("composeDrawing"));
  setSizePolicy(QSizePolicy::Expanding, QSizePolicy::Minimum);
  connect(&Theme::instance(), &Theme::changed, this, [this] {
    updateGeometry();
    update();
  });
  on_language(this, [this] {
    setAccessibleName(tr("From the picture to the next word"));
    describe();
  });
}

void ComposeDrawing::set_composition(Composition composition) {
  composition_ = std::move(composition);
  stage_ = std::min(stage_, static_cast<int>(composition_.stages.size()) - 1);
  setMinimumHeight(sizeHint().height());
  updateGeometry();
  describe();
  update();
}

void ComposeDrawing::show_stage(int stage) {
  stage_ = stage < static_cast<int>(composition_.stages.size()) ? stage : -1;
  describe();
  update();
}

/// The drawing in words, for who does not see it.
void ComposeDrawing::describe() {
  QStringList lines;
  for (const ComposedBox& box : composition_.boxes)
    lines << QStringLiteral("%1: %2%3")
                 .arg(QString::fromStdString(box.name), said_text(box.what),
                      trains(box) ? tr(" (trains)") : QString())
          << said_text(box.passes);
  setAccessibleDescription(lines.join(QLatin1Char('\n')));
}

bool ComposeDrawing::trains(const ComposedBox& box) const {
  if (stage_ < 0 || &box == &composition_.boxes.front()) return false;  // the picture
  const ComposedStage& stage = composition_.stages[static_cast<std::size_t>(stage_)];
  return box.name == "vision_tower"     ? stage.vision_tower
         : box.name == "language_model" ? stage.language_model
                                        : stage.projector;
}

int ComposeDrawing::box_height() const {
  return QFontMetrics(scaled_font(1)).height() + QFontMetrics(scaled_font(0.88)).height() + kInside;
}

int ComposeDrawing::arrow_height() const {
  return QFontMetrics(scaled_font(0.88)).height() + 2 * kHead + 4;
}

QSize ComposeDrawing::sizeHint() const {
  const int boxes = static_cast<int>(composition_.boxes.size());
  return {kUsualWidth, 2 * kEdge + boxes * (box_height() + arrow_height())};
}

void ComposeDrawing::paintEvent(QPaintEvent*) {
  QPainter p(this);
  p.setRenderHint(QPainter::Antialiasing);
  const Colours& c = colours();
  const QFont bold = scaled_font(1, true), small = scaled_font(0.88);
  const int high = box_height(), between = arrow_height();
  const double wide = Theme::instance().line_scale();
  int y = kEdge;
  for (const ComposedBox& box : composition_.boxes) {
    const QRect place(kEdge, y, width() - 2 * kEdge, high);
    QColor fill = c.field;
    if (trains(box)) {
      fill = c.accent;
      fill.setAlphaF(kTrainsInk);
    }
    p.setPen(QPen(trains(box) ? c.accent : c.line, (trains(box) ? 2 : 1) * wide));
    p.setBrush(fill);
    p.drawRoundedRect(place, 6, 6);
    const QRect words = place.adjusted(kInside, kInside / 2, -kInside, -kInside / 2);
    p.setFont(bold);
    p.setPen(c.text);
    p.drawText(words, Qt::AlignLeft | Qt::AlignTop, QString::fromStdString(box.name));
    if (trains(box)) {
      p.setFont(small);
      p.setPen(c.accent);
      p.drawText(words, Qt::AlignRight | Qt::AlignTop, tr("trains"));
    }
    p.setFont(small);
    p.setPen(c.muted);
    const QString what =
        QFontMetrics(small).elidedText(said_text(box.what), Qt::ElideRight, words.width());
    p.drawText(words, Qt::AlignLeft | Qt::AlignBottom, what);
    // What goes on.
    const double x = kEdge + 2.0 * kInside, top = y + high, bottom = top + between;
    p.setPen(QPen(c.muted, 1.4 * wide));
    p.drawLine(QPointF(x, top), QPointF(x, bottom - kHead));
    QPainterPath head;
    head.moveTo(x - kHead, bottom - kHead - 1);
    head.lineTo(x + kHead, bottom - kHead - 1);
    head.lineTo(x, bottom - 1);
    head.closeSubpath();
    p.fillPath(head, c.muted);
    p.setPen(c.text);
    const bool last = &box == &composition_.boxes.back();
    p.drawText(QRectF(x + 2 * kInside, top, width() - x - 3 * kInside, between),
               Qt::AlignLeft | Qt::AlignVCenter,
               last ? tr("the next word") : said_text(box.passes));
    y += high + between;
  }
}

}  // namespace luthier
