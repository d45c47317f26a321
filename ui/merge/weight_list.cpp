// SPDX-License-Identifier: GPL-3.0-or-later
// While a slider is dragged its number moves along; what follows waits until it is let go.
#include "ui/merge/weight_list.h"

#include <QDoubleSpinBox>
#include <QHBoxLayout>
#include <QLabel>
#include <QSignalBlocker>
#include <QSlider>
#include <QToolButton>
#include <QVBoxLayout>
#include <algorithm>
#include <cmath>
#include <utility>

#include "engine/compare/result_folder.h"
#include "ui/adapter_menu.h"
#include "ui/format.h"
#include "ui/language.h"
#include "ui/theme.h"
#include "ui/widgets/card.h"

namespace luthier {

namespace {
constexpr int kLeast = -100, kMost = 200;  // hundredths on the slider
constexpr double kWidest = 100;            // in the field
}  // namespace

WeightList::WeightList(QWidget* parent) : QWidget(parent) {
  layout_ = new QVBoxLayout(this);
  layout_->setContentsMargins(0, 0, 0, 0);
  layout_->setSpacing(6);
}

WeightList::Row* WeightList::row_of(const QString& folder) {
  const auto found = std::find_if(rows_.begin(), rows_.end(),
                                  [&](const Row& row) { return row.adapter.folder == folder; });
  return found == rows_.end() ? nullptr : &*found;
}

Status WeightList::add(const QString& folder) {
  LUTHIER_TRY(const ResultFolder found, find_result(to_path(folder)));
  const QString own = path_text(found.folder);
  if (row_of(own)) return {};
  LUTHIER_TRY(const QString facts, adapter_facts(own));
  make_row({QString::fromStdString(result_name(found.folder)), own, 1}, facts);
  emit changed();
  return {};
}

void WeightList::make_row(const WeightedAdapter& adapter, const QString& facts) {
  auto* widget = new QWidget(this);
  auto* layout = new QVBoxLayout(widget);
  layout->setContentsMargins(0, 0, 0, 0);
  layout->setSpacing(2);
  auto* names = new QHBoxLayout;
  QLabel* name = text_label(widget);
  name->setFont(scaled_font(1.0, true));
  name->setText(adapter.name);
  name->setToolTip(adapter.folder);
  QLabel* note = muted_label(widget, 0.85);
  note->setWordWrap(false);
  note->setText(facts);
  note->setSizePolicy(QSizePolicy::Ignored, QSizePolicy::Preferred);
  auto* drop = new QToolButton(widget);
  drop->setObjectName(QStringLiteral("dropWeight_") + adapter.name);
  drop->setAutoRaise(true);
  set_themed_icon(drop, QStringLiteral("close"));
  names->addWidget(name);
  names->addWidget(note, 1);
  names->addWidget(drop);
  layout->addLayout(names);
  auto* weights = new QHBoxLayout;
  auto* slider = new QSlider(Qt::Horizontal, widget);
  slider->setObjectName(QStringLiteral("weight_") + adapter.name);
  slider->setRange(kLeast, kMost);
  slider->setPageStep(25);
  slider->setTickPosition(QSlider::TicksBelow);
  slider->setTickInterval(100);
  slider->setValue(static_cast<int>(std::lround(adapter.weight * 100)));
  auto* field = new QDoubleSpinBox(widget);
  field->setObjectName(QStringLiteral("weightField_") + adapter.name);
  field->setRange(-kWidest, kWidest);
  field->setDecimals(2);
  field->setSingleStep(0.05);
  field->setKeyboardTracking(false);  // a number half typed asks nothing
  field->setValue(adapter.weight);
  field->setAlignment(Qt::AlignRight);
  weights->addWidget(slider, 1);
  weights->addWidget(field);
  layout->addLayout(weights);
  layout_->addWidget(widget);
  rows_.push_back({adapter, widget, slider, field});

  const QString folder = adapter.folder;
  connect(slider, &QSlider::valueChanged, this, [this, slider, field, folder](int now) {
    const QSignalBlocker quiet(field);
    field->setValue(now / 100.0);
    if (!slider->isSliderDown()) take(folder, now / 100.0);
  });
  connect(slider, &QSlider::sliderReleased, this,
          [this, slider, folder] { take(folder, slider->value() / 100.0); });
  connect(field, &QDoubleSpinBox::valueChanged, this, [this, slider, folder](double now) {
    const QSignalBlocker quiet(slider);
    slider->setValue(static_cast<int>(std::lround(now * 100)));
    take(folder, now);
  });
  connect(drop, &QToolButton::clicked, this, [this, folder] { remove(folder); });
  on_language(widget, [slider, field, drop, name = adapter.name] {
    slider->setAccessibleName(tr("Weight of %1").arg(name));
    slider->setToolTip(tr("1 is as trained, 0 leaves it out, below 0 takes it away"));
    field->setAccessibleName(tr("Weight of %1").arg(name));
    drop->setToolTip(tr("Take it out of the merge"));
    drop->setAccessibleName(tr("%1: take it out of the merge").arg(name));
  });
}

void WeightList::take(const QString& folder, double weight) {
  Row* row = row_of(folder);
  if (!row || row->adapter.weight == weight) return;
  row->adapter.weight = weight;
  emit changed();
}

void WeightList::remove(const QString& folder) {
  Row* row = row_of(folder);
  if (!row) return;
  row->widget->hide();
  row->widget->deleteLater();
  rows_.erase(rows_.begin() + (row - rows_.data()));
  emit changed();
}

std::vector<WeightedAdapter> WeightList::adapters() const {
  std::vector<WeightedAdapter> all;
  for (const Row& row : rows_) all.push_back(row.adapter);
  return all;
}

Status WeightList::show(const std::vector<std::filesystem::path>& folders,
                        const std::vector<double>& weights) {
  std::vector<std::pair<WeightedAdapter, QString>> rows;
  for (std::size_t i = 0; i < folders.size(); ++i) {
    LUTHIER_TRY(const ResultFolder found, find_result(folders[i]));
    const QString own = path_text(found.folder);
    LUTHIER_TRY(const QString facts, adapter_facts(own));
    const double weight = i < weights.size() ? weights[i] : 1;
    rows.push_back({{QString::fromStdString(result_name(found.folder)), own, weight}, facts});
  }
  for (const Row& row : rows_) {
    row.widget->hide();
    row.widget->deleteLater();
  }
  rows_.clear();
  for (const auto& [adapter, facts] : rows) make_row(adapter, facts);
  emit changed();
  return {};
}

}  // namespace luthier
