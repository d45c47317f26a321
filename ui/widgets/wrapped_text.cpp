// SPDX-License-Identifier: GPL-3.0-or-later
// A read-only text view without frame or scroll bars, in the place of QLabel's own drawing, which
// breaks lines between words only.
#include "ui/widgets/wrapped_text.h"

#include <QTextDocument>
#include <QTextEdit>
#include <QtMath>

namespace luthier {

WrappedText::WrappedText(QWidget* parent) : QLabel(parent) {
  setTextFormat(Qt::PlainText);
  setWordWrap(true);
  QSizePolicy policy(QSizePolicy::Expanding, QSizePolicy::Minimum);
  policy.setHeightForWidth(true);
  setSizePolicy(policy);
  view_ = new QTextEdit(this);
  view_->setReadOnly(true);
  view_->setFrameShape(QFrame::NoFrame);
  view_->setWordWrapMode(QTextOption::WrapAtWordBoundaryOrAnywhere);
  view_->setHorizontalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
  view_->setVerticalScrollBarPolicy(Qt::ScrollBarAlwaysOff);
  view_->document()->setDocumentMargin(0);
  view_->viewport()->setAutoFillBackground(false);
  view_->setTextInteractionFlags(Qt::TextSelectableByMouse | Qt::TextSelectableByKeyboard);
  view_->setFocusPolicy(Qt::ClickFocus);
  setFocusProxy(view_);
}

void WrappedText::set_text(const QString& text) {
  setText(text);
  view_->setPlainText(text);
  view_->setAccessibleName(text);
  updateGeometry();
}

int WrappedText::heightForWidth(int width) const {
  QTextDocument measure;
  measure.setDocumentMargin(0);
  measure.setDefaultFont(view_->font());
  QTextOption option;
  option.setWrapMode(QTextOption::WrapAtWordBoundaryOrAnywhere);
  measure.setDefaultTextOption(option);
  measure.setPlainText(text());
  measure.setTextWidth(std::max(width, 40));
  return qCeil(measure.size().height());
}

int WrappedText::natural_width() const {
  int widest = 0;
  const QFontMetrics metrics(view_->font());
  for (const QString& line : text().split(QLatin1Char('\n')))
    widest = std::max(widest, metrics.horizontalAdvance(line));
  return widest + 4;
}

QSize WrappedText::sizeHint() const {
  const int width = std::clamp(natural_width(), 40, 480);
  return {width, heightForWidth(width)};
}

QSize WrappedText::minimumSizeHint() const { return {40, QFontMetrics(view_->font()).height()}; }

void WrappedText::resizeEvent(QResizeEvent* event) {
  view_->setGeometry(rect());
  QLabel::resizeEvent(event);
}

}  // namespace luthier
