// SPDX-License-Identifier: GPL-3.0-or-later
// A setting that the type does not have is not shown, and not sent.
#include "ui/merge/combination_form.h"

#include <QComboBox>
#include <QDoubleSpinBox>
#include <QGridLayout>
#include <QLabel>
#include <QSignalBlocker>
#include <QSpinBox>

#include "ui/language.h"
#include "ui/widgets/card.h"

namespace luthier {

CombinationForm::CombinationForm(QWidget* parent) : QWidget(parent) {
  auto* grid = new QGridLayout(this);
  grid->setContentsMargins(0, 0, 0, 0);
  grid->setHorizontalSpacing(8);
  grid->setVerticalSpacing(6);
  grid->setColumnStretch(1, 1);
  type_ = new QComboBox(this);
  type_->setObjectName(QStringLiteral("combinationType"));
  for (const std::string& name : combination_types()) type_->addItem(QString::fromStdString(name));
  type_->setCurrentText(QStringLiteral("linear"));
  density_ = new QDoubleSpinBox(this);
  density_->setObjectName(QStringLiteral("density"));
  density_->setRange(0.01, 1);
  density_->setDecimals(2);
  density_->setSingleStep(0.05);
  density_->setValue(0.5);
  density_->setKeyboardTracking(false);
  majority_ = new QComboBox(this);
  majority_->setObjectName(QStringLiteral("majoritySign"));
  majority_->addItems({QString(), QString()});
  rank_ = new QSpinBox(this);
  rank_->setObjectName(QStringLiteral("svdRank"));
  rank_->setRange(0, 4096);  // 0: the largest
  rank_->setKeyboardTracking(false);
  seed_ = new QSpinBox(this);
  seed_->setObjectName(QStringLiteral("combinationSeed"));
  seed_->setRange(0, 1'000'000);
  seed_->setKeyboardTracking(false);
  about_ = muted_label(this, 0.85);
  about_->setObjectName(QStringLiteral("combinationAbout"));
  int row = 0;
  const auto add = [&](QLabel*& label, QWidget* widget) {
    label = new QLabel(this);
    label->setBuddy(widget);
    grid->addWidget(label, row, 0);
    grid->addWidget(widget, row++, 1);
  };
  add(type_label_, type_);
  grid->addWidget(about_, row++, 0, 1, 2);
  add(density_label_, density_);
  add(majority_label_, majority_);
  add(rank_label_, rank_);
  add(seed_label_, seed_);
  connect(type_, &QComboBox::currentIndexChanged, this, [this] {
    show_needs();
    emit changed();
  });
  connect(majority_, &QComboBox::currentIndexChanged, this, &CombinationForm::changed);
  connect(density_, &QDoubleSpinBox::valueChanged, this, &CombinationForm::changed);
  for (QSpinBox* box : {rank_, seed_})
    connect(box, &QSpinBox::valueChanged, this, &CombinationForm::changed);
  on_language(this, [this] { retranslate(); });
}

void CombinationForm::retranslate() {
  type_label_->setText(tr("Combination type"));
  density_label_->setText(tr("Density"));
  density_->setToolTip(tr("The share of the numbers that stays; 1 leaves out nothing"));
  majority_label_->setText(tr("Majority sign"));
  {
    const QSignalBlocker quiet(majority_);
    majority_->setItemText(0, tr("total: by the sum"));
    majority_->setItemText(1, tr("frequency: by the number"));
  }
  rank_label_->setText(tr("Rank of the result"));
  rank_->setSpecialValueText(tr("the largest of them"));
  seed_label_->setText(tr("Seed"));
  seed_->setToolTip(tr("Of what is left out at random"));
  const std::pair<QWidget*, QLabel*> named[] = {{type_, type_label_},
                                                {density_, density_label_},
                                                {majority_, majority_label_},
                                                {rank_, rank_label_},
                                                {seed_, seed_label_}};
  for (const auto& [widget, label] : named) widget->setAccessibleName(label->text());
  show_needs();
}

void CombinationForm::show_needs() {
  const QString type = type_->currentText();
  const CombinationNeeds needs = combination_needs(type.toStdString());
  const auto show = [](bool shown, QWidget* label, QWidget* widget) {
    label->setVisible(shown);
    widget->setVisible(shown);
  };
  show(needs.density, density_label_, density_);
  show(needs.majority, majority_label_, majority_);
  show(needs.svd_rank, rank_label_, rank_);
  show(needs.seed, seed_label_, seed_);
  QString about;
  if (type == QLatin1String("cat"))
    about = tr("The pairs side by side: exactly the weighted sum. The ranks add up.");
  else if (type == QLatin1String("linear"))
    about = tr("A and B are summed apart: quick and of one rank, but not the sum of the changes.");
  else if (type == QLatin1String("svd"))
    about = tr("The weighted sum of the changes, then the nearest pair of the chosen rank.");
  else if (needs.majority && needs.seed)
    about =
        tr("Numbers left out at random and the rest grown; then a sign is elected, and those "
           "that have it are averaged.");
  else if (needs.majority)
    about =
        tr("The small numbers are left out; then a sign is elected, and those that have it are "
           "averaged.");
  else if (needs.seed)
    about = tr("Numbers are left out at random and the rest grown, then all are summed.");
  else
    about = tr("The small numbers are left out, then all are summed.");
  if (needs.svd_rank && type != QLatin1String("svd"))
    about += QLatin1Char(' ') + tr("On the whole changes, of which the nearest pair is taken.");
  about_->setText(about);
}

CombineOptions CombinationForm::options() const {
  CombineOptions options;
  options.combination_type = type_->currentText().toStdString();
  const CombinationNeeds needs = combination_needs(options.combination_type);
  if (needs.density) options.density = density_->value();
  if (needs.majority && majority_->currentIndex() == 1) options.majority = MajoritySign::Frequency;
  if (needs.svd_rank && rank_->value() > 0) options.svd_rank = rank_->value();
  if (needs.seed) options.seed = static_cast<std::uint64_t>(seed_->value());
  return options;
}

void CombinationForm::set_options(const CombineOptions& options) {
  {
    const QSignalBlocker quiet(this);
    type_->setCurrentText(QString::fromStdString(options.combination_type));
    if (options.density) density_->setValue(*options.density);
    majority_->setCurrentIndex(options.majority == MajoritySign::Frequency ? 1 : 0);
    rank_->setValue(static_cast<int>(options.svd_rank.value_or(0)));
    seed_->setValue(static_cast<int>(options.seed));
  }
  show_needs();
  emit changed();
}

}  // namespace luthier
