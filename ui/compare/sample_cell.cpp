// SPDX-License-Identifier: GPL-3.0-or-later
// Layout of a sample.
#include "ui/compare/sample_cell.h"

#include <QLabel>
#include <QPainter>
#include <QVBoxLayout>

#include "ui/pictures.h"
#include "ui/theme.h"
#include "ui/widgets/card.h"

namespace luthier {

namespace {
constexpr int kPictureEdge = 112;
}

SampleCell::SampleCell(QWidget* parent) : QFrame(parent) {
  layout_ = new QVBoxLayout(this);
  layout_->setContentsMargins(10, 8, 10, 8);
  layout_->setSpacing(4);
}

void SampleCell::show_sample(const QString& picture, const QString& question, const QString& expected) {
  if (!picture.isEmpty()) {
    auto* label = new QLabel(this);
    label->setFixedHeight(kPictureEdge);
    label->setToolTip(picture);
    label->setAccessibleName(picture);
    layout_->addWidget(label);
    load_picture(picture, kPictureEdge, label, [label](const QImage& image, const QString& error) {
      if (image.isNull()) label->setText(error);
      else label->setPixmap(QPixmap::fromImage(image.scaled(kPictureEdge, kPictureEdge, Qt::KeepAspectRatio, image.width() < kPictureEdge ? Qt::FastTransformation : Qt::SmoothTransformation)));
    });
  }
  QLabel* words = text_label(this, true);
  words->setText(question);
  layout_->addWidget(words);
  if (!expected.isEmpty()) {
    QLabel* wanted = muted_label(this, 0.85);
    wanted->setText(tr("expected: %1").arg(expected));
    layout_->addWidget(wanted);
  }
  layout_->addStretch(1);
}

QLabel* SampleCell::show_text(const QString& text) {
  QLabel* label = text_label(this, true);
  label->setText(text);
  layout_->addWidget(label);
  return label;
}

void SampleCell::paintEvent(QPaintEvent*) {
  QPainter p(this);
  p.fillRect(rect(), colours().card);
  p.setPen(colours().line);
  p.drawLine(width() - 1, 0, width() - 1, height());
  p.drawLine(0, height() - 1, width(), height() - 1);
}

}  // namespace luthier
