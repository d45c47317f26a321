// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/lab/token_strip.h"

#include <QHelpEvent>
#include <QPainter>
#include <QToolTip>
#include <algorithm>

#include "ui/format.h"
#include "ui/language.h"
#include "ui/theme.h"

namespace luthier {

namespace {
constexpr int kGap = 4, kPad = 5;

QString piece_of(const std::string& piece) { return QString::fromStdString(piece); }
}  // namespace

TokenStrip::TokenStrip(QWidget* parent) : QWidget(parent) {
  QSizePolicy policy(QSizePolicy::Preferred, QSizePolicy::Preferred);
  policy.setHeightForWidth(true);
  setSizePolicy(policy);
  connect(&Theme::instance(), &Theme::changed, this, [this] {
    updateGeometry();
    update();
  });
  on_language(this, [this] { retell(); });
}

void TokenStrip::set_row(const LookRow& row, bool told) {
  row_ = row;
  told_ = told;
  from_.reset();
  retell();
}

void TokenStrip::look_from(std::optional<std::size_t> token) {
  from_ = token;
  update();
}

void TokenStrip::retell() {
  make_chips();
  QString all;
  for (const Line& line : lines_) {
    if (!line.title.isEmpty()) all += line.title + QStringLiteral(": ");
    for (const Chip& chip : line.chips) all += chip.text + QLatin1Char(' ');
  }
  setAccessibleName(all.trimmed());
  updateGeometry();
  update();
}

TokenStrip::Chip TokenStrip::chip_of(std::size_t place, const LookToken& token) const {
  Chip chip;
  chip.token = place;
  chip.learned = token.learned;
  const QString piece = piece_of(token.piece), label = piece_of(token.label),
                guess = piece_of(token.guess);
  if (told_ && token.learned && !token.guess.empty()) {
    const bool right = token.guess == token.label;
    chip.kind = right ? Chip::Kind::Right : Chip::Kind::Wrong;
    chip.text = right ? guess : QStringLiteral("✗ %1").arg(guess);
    chip.tip =
        (right ? tr("Said: %1, as it stood there (%2)") : tr("Said: %1 (%2); there stood %3"))
            .arg(guess, percent_text(token.sureness, 1));
    if (!right) chip.tip = chip.tip.arg(label);
    return chip;
  }
  chip.text = piece;
  chip.kind = token.noised    ? Chip::Kind::Noised
              : token.picture ? Chip::Kind::Picture
              : token.special ? Chip::Kind::Special
                              : Chip::Kind::Plain;
  if (token.picture) chip.text = QStringLiteral("▦");
  if (token.noised && token.learned)
    chip.tip = tr("There stood %1, which is to be told").arg(label);
  else if (token.noised)
    chip.tip = tr("Stands for what was cut out");
  else if (token.learned)
    chip.tip = label == piece ? tr("It is to be told from what it sees")
                              : tr("Behind it %1 is to be told").arg(label);
  else if (token.picture)
    chip.tip = tr("A piece of the picture");
  return chip;
}

void TokenStrip::make_chips() {
  lines_.clear();
  const bool pictures = !row_.read.empty() && row_.read.back().picture;
  if (!row_.read.empty()) {
    Line read;
    read.title = pictures ? tr("Seen by the pictures' tower") : tr("Read by the encoder");
    for (std::size_t i = 0; i < row_.read.size(); ++i)
      read.chips.push_back(chip_of(i, row_.read[i]));
    lines_.push_back(std::move(read));
  }
  Line own;
  if (!row_.read.empty()) own.title = pictures ? tr("Read by the texts' tower") : tr("Written");
  for (std::size_t i = 0; i < row_.tokens.size(); ++i)
    own.chips.push_back(chip_of(row_.read.size() + i, row_.tokens[i]));
  lines_.push_back(std::move(own));
}

int TokenStrip::flow(int width) {
  const QFontMetrics metrics(scaled_font(0.95));
  const int high = metrics.height() + 4;
  int y = 0;
  titles_.clear();
  for (Line& line : lines_) {
    if (!line.title.isEmpty()) {
      const int lines = std::max(
          1, metrics.boundingRect(0, 0, width, 1000, Qt::TextWordWrap, line.title).height() /
                 std::max(1, metrics.height()));
      titles_.emplace_back(0, y, width, lines * metrics.height());
      y += titles_.back().height() + 2;
    } else {
      titles_.emplace_back();
    }
    int x = 0;
    for (Chip& chip : line.chips) {
      const int wide = std::min(width, metrics.horizontalAdvance(chip.text) + 2 * kPad);
      if (x > 0 && x + wide > width) {
        x = 0;
        y += high + kGap;
      }
      chip.box = {x, y, wide, high};
      x += wide + kGap;
    }
    y += high + 2 * kGap;
  }
  return y;
}

int TokenStrip::heightForWidth(int width) const {
  TokenStrip* self = const_cast<TokenStrip*>(this);  // boxes are made anew when it is painted
  return self->flow(std::max(60, width));
}

QSize TokenStrip::sizeHint() const { return {260, heightForWidth(260)}; }
QSize TokenStrip::minimumSizeHint() const { return {120, 40}; }

void TokenStrip::paintEvent(QPaintEvent*) {
  const Colours& c = colours();
  flow(std::max(60, width()));
  QPainter p(this);
  p.setRenderHint(QPainter::Antialiasing);
  const auto faded = [](QColor colour, double share) {
    colour.setAlphaF(static_cast<float>(share));
    return colour;
  };
  for (std::size_t i = 0; i < lines_.size(); ++i) {
    if (!lines_[i].title.isEmpty()) {
      p.setPen(c.muted);
      p.setFont(scaled_font(0.9));
      p.drawText(titles_[i], Qt::TextWordWrap, lines_[i].title);
    }
    for (const Chip& chip : lines_[i].chips) {
      const bool seen = !from_ || (chip.token < row_.size() && *from_ < row_.size() &&
                                   row_.at(*from_, chip.token));
      p.setOpacity(seen ? 1 : 0.3);
      QColor fill = c.field;
      if (chip.kind == Chip::Kind::Noised) fill = faded(c.warning, 0.28);
      if (chip.kind == Chip::Kind::Picture) fill = faded(c.series[2], 0.25);
      if (chip.kind == Chip::Kind::Right) fill = faded(c.good, 0.22);
      if (chip.kind == Chip::Kind::Wrong) fill = faded(c.error, 0.2);
      const bool mine = from_ && *from_ == chip.token;
      p.setPen(mine ? QPen(c.accent, 1.5) : QPen(Qt::NoPen));
      p.setBrush(fill);
      p.drawRoundedRect(QRectF(chip.box).adjusted(0.5, 0.5, -0.5, -0.5), 4, 4);
      p.setPen(chip.kind == Chip::Kind::Special ? c.muted : c.text);
      p.setFont(scaled_font(0.95));
      p.drawText(chip.box, Qt::AlignCenter, chip.text);
      if (chip.learned) {
        p.setPen(QPen(c.good, 2));
        p.drawLine(QPointF(chip.box.left() + 3, chip.box.bottom()),
                   QPointF(chip.box.right() - 2, chip.box.bottom()));
      }
    }
  }
}

bool TokenStrip::event(QEvent* event) {
  if (event->type() == QEvent::ToolTip) {
    const auto* help = static_cast<QHelpEvent*>(event);
    for (const Line& line : lines_) {
      for (const Chip& chip : line.chips) {
        if (!chip.box.contains(help->pos()) || chip.tip.isEmpty()) continue;
        QToolTip::showText(help->globalPos(), chip.tip, this);
        return true;
      }
    }
    QToolTip::hideText();
    return true;
  }
  return QWidget::event(event);
}

}  // namespace luthier
