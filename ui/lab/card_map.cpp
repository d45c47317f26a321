// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/lab/card_map.h"

#include <QButtonGroup>
#include <QGridLayout>
#include <QHBoxLayout>
#include <QLabel>
#include <QPainter>
#include <algorithm>
#include <set>

#include "ui/format.h"
#include "ui/language.h"
#include "ui/theme.h"
#include "ui/widgets/card.h"

namespace luthier {

namespace {
constexpr int kChipWidth = 118, kChipHeight = 40;
}

QString lab_text(const std::string& english) { return recipe_text(english); }

QString short_name(const LabCard& card) {
  const QString title = QString::fromStdString(card.title);
  const int open = static_cast<int>(title.lastIndexOf(QLatin1Char('(')));
  return open < 0 ? title : title.mid(open + 1).chopped(1);
}

CardChip::CardChip(const LabCard& card, QWidget* parent) : QAbstractButton(parent), card_(card) {
  setObjectName(QStringLiteral("card_") + QString::fromStdString(card.key));
  setCheckable(true);
  setFocusPolicy(Qt::StrongFocus);
  setCursor(Qt::PointingHandCursor);
  setAttribute(Qt::WA_Hover);
  retranslate();
}

QString CardChip::name() const {
  const QString brief = short_name(card_);
  // What the brackets hold may be an English word of the field ("infilling").
  return lab_text(brief.toStdString());
}

QString CardChip::second_line() const {
  return figure_ ? tr("%1 of %2").arg(number_text(*figure_, 2), number_text(card_.goal, 2))
                 : lab_text(pattern_name(card_.place.pattern));
}

void CardChip::retranslate() {
  setText(name());
  setAccessibleName(lab_text(card_.title));
  setAccessibleDescription(lab_text(card_.learns));
  setToolTip(QStringLiteral("%1\n%2").arg(lab_text(card_.title), lab_text(card_.learns)));
  update();
}

void CardChip::set_figure(std::optional<double> figure) {
  figure_ = figure;
  update();
}

void CardChip::set_beside(bool beside) {
  beside_ = beside;
  update();
}

QSize CardChip::sizeHint() const { return {scaled_length(kChipWidth), scaled_length(kChipHeight)}; }

void CardChip::paintEvent(QPaintEvent*) {
  const Colours& c = colours();
  QPainter p(this);
  p.setRenderHint(QPainter::Antialiasing);
  const QRectF box = QRectF(rect()).adjusted(1, 1, -1, -1);
  QColor fill = c.field;
  if (isChecked() || beside_ || underMouse()) {
    fill = isChecked() ? c.accent : beside_ ? c.series[1] : c.muted;
    fill.setAlphaF(underMouse() && !isChecked() && !beside_ ? 0.1f : 0.16f);
  }
  p.setBrush(fill);
  const QColor edge = isChecked() ? c.accent : beside_ ? c.series[1] : c.line;
  p.setPen(QPen(hasFocus() ? c.accent : edge, hasFocus() ? 2 : 1));
  p.drawRoundedRect(box, 6, 6);
  const QRectF inner = box.adjusted(7, 2, -7, -2);
  p.setPen(c.text);
  p.setFont(scaled_font(0.95, true));
  const QFontMetricsF metrics(p.font());
  p.drawText(QRectF(inner.left(), inner.top(), inner.width(), inner.height() / 2),
             Qt::AlignLeft | Qt::AlignVCenter,
             metrics.elidedText(name(), Qt::ElideRight, inner.width()));
  const bool reached = figure_ && *figure_ >= card_.goal;
  p.setFont(scaled_font(0.82));
  p.setPen(reached ? c.good : c.muted);
  const QString line = reached ? QStringLiteral("✓ ") + second_line() : second_line();
  p.drawText(QRectF(inner.left(), inner.center().y(), inner.width(), inner.height() / 2),
             Qt::AlignLeft | Qt::AlignVCenter,
             QFontMetricsF(p.font()).elidedText(line, Qt::ElideRight, inner.width()));
}

CardMap::CardMap(QWidget* parent) : QWidget(parent) {
  grid_ = new QGridLayout(this);
  grid_->setContentsMargins(0, 0, 0, 0);
  grid_->setHorizontalSpacing(8);
  grid_->setVerticalSpacing(4);
  group_ = new QButtonGroup(this);
  group_->setExclusive(true);
  for (const LabCard& card : lab_cards()) {
    auto* chip = new CardChip(card, this);
    group_->addButton(chip);
    chips_.push_back(chip);
    connect(chip, &QAbstractButton::clicked, this,
            [this, chip] { emit chosen(QString::fromStdString(chip->card().key)); });
  }
  lay_out();
  on_language(this, [this] { retranslate(); });
  connect(&Theme::instance(), &Theme::changed, this, [this] {
    for (CardChip* chip : chips_) {
      chip->updateGeometry();
      chip->update();
    }
  });
}

void CardMap::lay_out() {
  std::set<CardPlace::Fusion> fusions;
  std::set<CardPlace::Mechanism> mechanisms;
  for (const CardChip* chip : chips_) {
    fusions.insert(chip->card().place.fusion);
    mechanisms.insert(chip->card().place.mechanism);
  }
  const auto title = [this](const std::string& word, int row, int column, Qt::Alignment where) {
    QLabel* label = muted_label(this, 0.88);
    label->setWordWrap(false);
    grid_->addWidget(label, row, column, where);
    titles_.emplace_back(label, word);
  };
  int column = 1;
  std::map<CardPlace::Mechanism, int> columns;
  for (const auto mechanism : mechanisms) {
    title(mechanism_name(mechanism), 0, column, Qt::AlignLeft | Qt::AlignBottom);
    columns[mechanism] = column++;
  }
  int row = 1;
  for (const auto fusion : fusions) {
    title(fusion_name(fusion), row, 0, Qt::AlignLeft | Qt::AlignVCenter);
    for (const auto mechanism : mechanisms) {
      auto* cell = new QHBoxLayout;
      cell->setSpacing(4);
      for (CardChip* chip : chips_)
        if (chip->card().place.fusion == fusion && chip->card().place.mechanism == mechanism)
          cell->addWidget(chip);
      cell->addStretch(1);
      grid_->addLayout(cell, row, columns[mechanism]);
    }
    ++row;
  }
  grid_->setColumnStretch(column, 1);
}

void CardMap::retranslate() {
  for (const auto& [label, word] : titles_) label->setText(lab_text(word));
  for (CardChip* chip : chips_) chip->retranslate();
}

void CardMap::choose(const std::string& key) {
  for (CardChip* chip : chips_)
    if (chip->card().key == key) chip->setChecked(true);
}

void CardMap::set_beside(const std::string& key) {
  for (CardChip* chip : chips_) chip->set_beside(!key.empty() && chip->card().key == key);
}

void CardMap::set_figure(const std::string& key, std::optional<double> figure) {
  for (CardChip* chip : chips_)
    if (chip->card().key == key) chip->set_figure(figure);
}

}  // namespace luthier
