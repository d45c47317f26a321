// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/ranks/rank_plots.h"

#include <QCheckBox>
#include <QComboBox>
#include <QHBoxLayout>
#include <QTimer>
#include <algorithm>
#include <cmath>

#include "ui/format.h"
#include "ui/language.h"
#include "ui/ranks/heat_map.h"
#include "ui/theme.h"
#include "ui/train/curve_group.h"
#include "ui/widgets/card.h"

namespace luthier {

namespace {

/// On a logarithmic scale what is not above zero has no place.
Curve spectrum_of(const ModuleRanks& module, bool log) {
  Curve curve;
  for (std::size_t i = 0; i < module.values.size(); ++i) {
    if (log && module.values[i] <= 0) continue;
    curve.x << static_cast<double>(i + 1);
    curve.y << module.values[i];
  }
  return curve;
}

}  // namespace

RankPlots::RankPlots(QWidget* parent) : Splitter(Qt::Vertical, parent) {
  addWidget(make_spectrum());
  addWidget(make_heat());
  setSizes({360, 380});
}

QWidget* RankPlots::make_spectrum() {
  auto* card = new Card(this);
  card->layout()->setContentsMargins(2, 2, 2, 2);
  plot_ = new CurvePlot(QStringLiteral("spectrum"), card);
  plot_->set_scale(true);
  plot_->set_counted();
  log_ = new QCheckBox(card);
  log_->setObjectName(QStringLiteral("spectrumLog"));
  plot_->head()->addWidget(log_);
  card->body()->addWidget(plot_);
  group_ = new CurveGroup(card);
  group_->add(plot_);
  group_->set_places([](double x) {
    const double place = std::max(1.0, std::round(x));
    return CurveGroup::Place{place, tr("Value %1").arg(place)};
  });
  connect(log_, &QCheckBox::toggled, this, [this](bool on) {
    plot_->set_log(on);
    emit redraw_asked();
  });
  on_language(card, [this] { log_->setText(tr("log")); });
  return card;
}

QWidget* RankPlots::make_heat() {
  auto* card = new Card(this);
  shown_ = new QComboBox(card);
  shown_->setObjectName(QStringLiteral("heatShown"));
  shown_->addItems({QString(), QString()});
  card->head()->addWidget(shown_);
  heat_ = new HeatMap(card);
  card->body()->addWidget(heat_, 1);
  connect(shown_, &QComboBox::currentIndexChanged, this, [this](int index) {
    heat_->set_shown(index == 1 ? HeatMap::Shown::EffectiveRank : HeatMap::Shown::Norm);
  });
  connect(heat_, &HeatMap::chosen, this, &RankPlots::chosen);
  on_language(card, [this, card] {
    card->set_title(tr("The change, layers × modules"));
    shown_->setItemText(0, tr("norm of the change"));
    shown_->setItemText(1, tr("effective rank"));
    shown_->setAccessibleName(tr("What the colours show"));
    heat_->setAccessibleName(tr("The change, layers × modules"));
  });
  return card;
}

void RankPlots::draw(const std::vector<RankedAdapter>& adapters, std::size_t current,
                     const std::string& module) {
  const auto ranks = current < adapters.size() ? adapters[current].ranks : nullptr;
  std::vector<Curve> curves;
  std::size_t chosen_module = HeatGrid::kNone;
  for (std::size_t i = 0; ranks && i < ranks->modules.size(); ++i) {
    if (ranks->modules[i].name == module) chosen_module = i;
    Curve curve = spectrum_of(ranks->modules[i], log_->isChecked());  // all of them, behind
    curve.colour = colours().muted;
    curve.width = 1;
    curve.mark = LegendEntry::Mark::Faded;
    curve.in_legend = false;
    curves.push_back(std::move(curve));
  }
  for (std::size_t i = 0; i < adapters.size(); ++i) {
    if (!adapters[i].ranks) continue;
    for (const ModuleRanks& each : adapters[i].ranks->modules) {
      if (each.name != module) continue;
      Curve curve = spectrum_of(each, log_->isChecked());
      curve.name = adapters[i].name;
      curve.colour = rank_colour(i);
      curve.width = i == current ? 2.5 : 1.5;
      curve.mark = LegendEntry::Mark::Dot;
      curves.push_back(std::move(curve));
    }
  }
  plot_->set_title(module.empty() ? tr("Singular values")
                                  : tr("Singular values of %1").arg(short_module_name(module)));
  plot_->set_curves(std::move(curves));
  group_->data_changed();
  plot_->redraw();
  // Ticks go by the height that the first drawing finds out.
  QTimer::singleShot(0, plot_, &CurvePlot::draw_soon);
  heat_->set_ranks(ranks);
  heat_->set_chosen(chosen_module);
}

}  // namespace luthier
