// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/train/drawn_row_view.h"

#include <QHBoxLayout>
#include <QLabel>
#include <QPainter>
#include <QVBoxLayout>
#include <algorithm>

#include "ui/format.h"
#include "ui/language.h"
#include "ui/pictures.h"
#include "ui/theme.h"
#include "ui/widgets/card.h"

namespace luthier {

namespace {

constexpr int kThumbEdge = 96, kThumbFrames = 1;

/// Of the last turn that a person wrote.
QString question_of(const Conversation& prompt) {
  QString text;
  for (const Message& message : prompt.messages) {
    if (message.role != "user") continue;
    text.clear();
    for (const ContentPart& part : message.content)
      if (part.kind == ContentPart::Kind::Text) text += QString::fromStdString(part.text);
  }
  return text.trimmed();
}

const ContentPart* shown_part(const Conversation& prompt) {
  for (const Message& message : prompt.messages)
    for (const ContentPart& part : message.content)
      if (part.kind != ContentPart::Kind::Text) return &part;
  return nullptr;
}

}  // namespace

DrawnRowView::DrawnRowView(const DrawnRow& row, const std::string& judge,
                           const std::vector<double>& weights, QWidget* parent)
    : QFrame(parent), row_(row), ranked_(ranked_answers(row, judge, weights)) {
  auto* across = new QHBoxLayout(this);
  across->setContentsMargins(0, 10, 0, 10);
  across->setSpacing(12);
  if (QWidget* picture = make_picture()) across->addWidget(picture, 0, Qt::AlignTop);
  auto* down = new QVBoxLayout;
  down->setSpacing(6);
  across->addLayout(down, 1);
  auto* question = text_label(this, true);
  question->setObjectName(QStringLiteral("drawnQuestion"));
  question->setTextFormat(Qt::PlainText);
  question->setFont(scaled_font(1.0, true));
  question->setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Preferred);
  question->setText(question_of(row_.prompt));
  down->addWidget(question);
  answers_ = text_label(this, true);
  answers_->setObjectName(QStringLiteral("drawnAnswers"));
  answers_->setTextFormat(Qt::RichText);
  answers_->setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Preferred);
  answers_->setTextInteractionFlags(Qt::TextSelectableByMouse | Qt::LinksAccessibleByMouse |
                                    Qt::LinksAccessibleByKeyboard);
  connect(answers_, &QLabel::linkActivated, this, [this](const QString& link) {
    const std::size_t answer = link.toULongLong();
    if (!whole_.insert(answer).second) whole_.erase(answer);
    render();
  });
  down->addWidget(answers_);
  connect(&Theme::instance(), &Theme::changed, this, &DrawnRowView::render);
  on_language(this, [this] { render(); });
}

QWidget* DrawnRowView::make_picture() {
  const ContentPart* part = shown_part(row_.prompt);
  if (!part) return nullptr;
  auto* label = new QLabel(this);
  label->setFixedWidth(kThumbEdge);
  label->setAlignment(Qt::AlignTop | Qt::AlignLeft);
  const auto show = [label](const QImage& image, const QString& error) {
    if (image.isNull()) {
      label->setPixmap(themed_icon(QStringLiteral("warning"), colours().warning).pixmap(24, 24));
      label->setToolTip(error);
      return;
    }
    // Small pictures are shown larger, in whole pixels.
    const int factor = std::max(1, kThumbEdge / std::max(image.width(), image.height()));
    label->setPixmap(QPixmap::fromImage(
        image.scaled(image.size() * factor, Qt::KeepAspectRatio, Qt::FastTransformation)));
  };
  if (part->kind == ContentPart::Kind::Image)
    load_picture(path_text(part->image), kThumbEdge, label, show);
  else
    load_film(part->film, kThumbFrames, kThumbEdge, label, show);
  return label;
}

void DrawnRowView::render() { answers_->setText(answers_html(row_, ranked_, &whole_)); }

void DrawnRowView::paintEvent(QPaintEvent*) {
  QPainter p(this);
  p.setPen(colours().line);
  p.drawLine(0, height() - 1, width(), height() - 1);
}

}  // namespace luthier
