// SPDX-License-Identifier: GPL-3.0-or-later
// Cards and the two kinds of label on them.
#include "ui/widgets/card.h"

#include <QHBoxLayout>
#include <QLabel>
#include <QPainter>

#include "ui/theme.h"

namespace luthier {

Card::Card(QWidget* parent) : QFrame(parent) {
  auto* outer = new QVBoxLayout(this);
  outer->setContentsMargins(12, 8, 12, 10);
  outer->setSpacing(6);
  head_ = new QHBoxLayout;
  head_->setSpacing(8);
  title_ = new QLabel(this);
  title_->setFont(scaled_font(1.0, true));
  title_->hide();
  head_->addWidget(title_);
  head_->addStretch(1);
  outer->addLayout(head_);
  body_ = new QVBoxLayout;
  body_->setSpacing(6);
  outer->addLayout(body_, 1);
}

void Card::set_title(const QString& title) {
  title_->setText(title);
  title_->setVisible(!title.isEmpty());
  setAccessibleName(title);
}

void Card::paintEvent(QPaintEvent*) {
  QPainter p(this);
  p.setRenderHint(QPainter::Antialiasing);
  p.setPen(QPen(colours().line, 1));
  p.setBrush(colours().card);
  p.drawRoundedRect(QRectF(rect()).adjusted(0.5, 0.5, -0.5, -0.5), 8, 8);
}

QLabel* text_label(QWidget* parent, bool wrap) {
  auto* label = new QLabel(parent);
  label->setTextInteractionFlags(Qt::TextSelectableByMouse);
  label->setTextFormat(Qt::PlainText);
  label->setWordWrap(wrap);
  return label;
}

QLabel* muted_label(QWidget* parent, double size) {
  QLabel* label = text_label(parent, true);
  label->setFont(scaled_font(size));
  set_ink(label, Ink::Muted);
  return label;
}

QWidget* readable_column(QWidget* parent) {
  constexpr int kWidest = 1500, kAll = 1000;
  auto* across = new QHBoxLayout(parent);
  across->setContentsMargins(0, 0, 0, 0);
  across->setSpacing(0);
  auto* column = new QWidget(parent);
  across->addWidget(column, kAll);
  across->addStretch(1);
  const auto size = [column] { column->setMaximumWidth(scaled_length(kWidest)); };
  size();
  QObject::connect(&Theme::instance(), &Theme::changed, column, size);  // with the size of words
  return column;
}

}  // namespace luthier
