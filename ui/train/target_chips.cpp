// SPDX-License-Identifier: GPL-3.0-or-later
// Chips write the list that target_modules holds.
#include "ui/train/target_chips.h"

#include <QHBoxLayout>
#include <QPushButton>
#include <QRegularExpression>
#include <algorithm>

#include "ui/language.h"
#include "ui/theme.h"

namespace luthier {

namespace {
const QString kAllLinear = QStringLiteral("all-linear");
}

TargetChips::TargetChips(QWidget* parent) : QWidget(parent) {
  auto* row = new QHBoxLayout(this);
  row->setContentsMargins(0, 0, 0, 0);
  row->setSpacing(3);
  const auto make = [&](const QString& text, const QString& module) {
    auto* chip = new QPushButton(text, this);
    chip->setCheckable(true);
    chip->setObjectName(QStringLiteral("chip_") + module);
    chip->setProperty("module", module);
    chip->setAccessibleName(module);
    chip->setToolTip(module);
    chip->setFont(scaled_font(0.88));
    const auto size = [chip, text] {
      chip->setFixedSize(chip->fontMetrics().horizontalAdvance(text) + 11, scaled_length(24));
    };
    size();
    connect(&Theme::instance(), &Theme::changed, chip, size);
    row->addWidget(chip);
    connect(chip, &QPushButton::clicked, this, [this, chip] { clicked(chip); });
    return chip;
  };
  for (const char* name : {"q", "k", "v", "o", "gate", "up", "down"}) {
    const QString text = QLatin1String(name);
    chips_.push_back(make(text, text + QStringLiteral("_proj")));
  }
  all_ = make(kAllLinear, kAllLinear);
  row->addStretch(1);
  on_language(this, [this] {
    all_->setToolTip(tr("Every linear layer but the output one, vision tower included"));
  });
}

void TargetChips::show_value(const QString& value) {
  const bool all = value == kAllLinear;
  all_->setChecked(all);
  QStringList names;
  for (const QString& part : value.split(QLatin1Char(','), Qt::SkipEmptyParts))
    names << part.trimmed();
  // A regular expression is no list of names: the first chip that is clicked takes its place.
  static const QRegularExpression plain(QStringLiteral("^[A-Za-z0-9_.-]+$"));
  const bool list = std::all_of(names.begin(), names.end(),
                                [](const QString& name) { return plain.match(name).hasMatch(); });
  if (all || !list || value == QLatin1String("null")) names.clear();
  others_ = names;
  for (QPushButton* chip : chips_) {
    const QString module = chip->property("module").toString();
    chip->setChecked(names.contains(module));
    others_.removeAll(module);
  }
}

void TargetChips::clicked(QPushButton* chip) {
  if (chip == all_) {
    emit chosen(all_->isChecked() ? kAllLinear : QStringLiteral("q_proj, v_proj"));
    return;
  }
  QStringList names = others_;
  for (const QPushButton* each : chips_)
    if (each->isChecked()) names << each->property("module").toString();
  emit chosen(names.isEmpty() ? QStringLiteral("null") : names.join(QStringLiteral(", ")));
}

}  // namespace luthier
