// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/train/drawn_row_view.h"

#include <QHBoxLayout>
#include <QLabel>
#include <QPainter>
#include <QVBoxLayout>
#include <algorithm>
#include <cmath>
#include <numeric>

#include "ui/format.h"
#include "ui/language.h"
#include "ui/pictures.h"
#include "ui/theme.h"
#include "ui/widgets/card.h"

namespace luthier {

namespace {

constexpr int kThumbEdge = 96, kThumbFrames = 1;
constexpr qsizetype kShownLetters = 800, kLongestRun = 24;

/// As rich text, with places to break where no space comes for long.
QString broken_html(const QString& text) {
  QString html;
  qsizetype run = 0;
  for (const QChar letter : text) {
    run = letter.isSpace() ? 0 : run + 1;
    html += letter == QLatin1Char('\n') ? QStringLiteral("<br>")
                                        : QString(letter).toHtmlEscaped();
    if (run < kLongestRun || letter.isHighSurrogate()) continue;
    html += QStringLiteral("&#8203;");
    run = 0;
  }
  return html;
}

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

QString coloured(const QColor& colour, const QString& text) {
  return QStringLiteral("<span style='color:%1'>%2</span>").arg(colour.name(), text);
}

}  // namespace

DrawnRowView::DrawnRowView(const DrawnRow& row, const std::string& judge,
                           const std::vector<double>& weights, QWidget* parent)
    : QFrame(parent), row_(row) {
  const auto found = std::find(row_.judges.begin(), row_.judges.end(), judge);
  const auto by = static_cast<std::size_t>(found - row_.judges.begin());
  for (const DrawnAnswer& answer : row_.answers)
    worth_.push_back(judge.empty()                    ? reward_sum(answer.rewards, weights)
                     : by < answer.rewards.size() ? answer.rewards[by]
                                                      : std::nan(""));
  order_.resize(row_.answers.size());
  std::iota(order_.begin(), order_.end(), std::size_t{0});
  // What has no reward stands last.
  std::stable_sort(order_.begin(), order_.end(), [this](std::size_t a, std::size_t b) {
    return !std::isnan(worth_[a]) && (std::isnan(worth_[b]) || worth_[a] > worth_[b]);
  });
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
  label->setAlignment(Qt::AlignTop | Qt::AlignHCenter);
  const auto show = [label](const QImage& image, const QString& error) {
    if (image.isNull()) {
      label->setPixmap(themed_icon(QStringLiteral("warning"), colours().warning).pixmap(24, 24));
      label->setToolTip(error);
      return;
    }
    // Small pictures are shown larger, in whole pixels.
    const int factor = std::max(1, kThumbEdge / std::max(image.width(), image.height()));
    label->setPixmap(QPixmap::fromImage(image.scaled(image.size() * factor, Qt::KeepAspectRatio,
                                                     Qt::FastTransformation)));
  };
  if (part->kind == ContentPart::Kind::Image)
    load_picture(path_text(part->image), kThumbEdge, label, show);
  else
    load_film(part->film, kThumbFrames, kThumbEdge, label, show);
  return label;
}

/// What each judge says, where there are several, and how long it is.
QString DrawnRowView::facts_of(const DrawnAnswer& answer) const {
  QStringList facts;
  if (row_.judges.size() > 1)
    for (std::size_t j = 0; j < row_.judges.size(); ++j)
      facts << QStringLiteral("%1 %2").arg(
          QString::fromStdString(row_.judges[j]).toHtmlEscaped(),
          std::isnan(answer.rewards[j]) ? QStringLiteral("–") : number_text(answer.rewards[j], 3));
  facts << tr("%n tokens", nullptr, static_cast<int>(answer.tokens));
  return facts.join(QStringLiteral("  ·  "));
}

QString DrawnRowView::answer_html(std::size_t answer) const {
  QString text = QString::fromStdString(row_.answers[answer].text);
  const qsizetype letters = text.size();
  QString more;
  if (letters > kShownLetters) {
    const bool whole = whole_.contains(answer);
    if (!whole) text = text.left(kShownLetters) + QStringLiteral("…");
    more = QStringLiteral(" <a href='%1' style='color:%2'>%3</a>")
               .arg(QString::number(answer), colours().accent.name(),
                    whole ? tr("shorter") : tr("all %1 characters").arg(grouped_text(letters)));
  }
  return text.isEmpty() ? coloured(colours().muted, tr("(empty)")) : broken_html(text) + more;
}

void DrawnRowView::render() {
  const Colours& c = colours();
  const auto known = [this](std::size_t answer) { return !std::isnan(worth_[answer]); };
  const auto last = std::find_if(order_.rbegin(), order_.rend(), known);
  const bool differ = last != order_.rend() && worth_[order_.front()] > worth_[*last];
  QString html = QStringLiteral("<table width='100%' cellspacing='0' cellpadding='0'>");
  for (const std::size_t answer : order_) {
    const double worth = worth_[answer];
    QString mark;
    if (differ && worth == worth_[order_.front()])
      mark = QStringLiteral("<br>") + coloured(c.good, QStringLiteral("▲&nbsp;") + tr("best"));
    if (differ && worth == worth_[*last])
      mark = QStringLiteral("<br>") + coloured(c.warning, QStringLiteral("▼&nbsp;") + tr("worst"));
    const QString number = std::isnan(worth) ? QStringLiteral("–") : number_text(worth, 3);
    html += QStringLiteral(
                "<tr><td align='right' style='padding:2px 14px 4px 0'><b>%1</b>%2</td>"
                "<td width='100%' style='padding:2px 0 4px 0'>%3<br>%4</td></tr>")
                .arg(number, mark, answer_html(answer),
                     coloured(c.muted, facts_of(row_.answers[answer])));
  }
  answers_->setText(html + QStringLiteral("</table>"));
}

void DrawnRowView::paintEvent(QPaintEvent*) {
  QPainter p(this);
  p.setPen(colours().line);
  p.drawLine(0, height() - 1, width(), height() - 1);
}

}  // namespace luthier
