// SPDX-License-Identifier: GPL-3.0-or-later
// The right side of the Ranks page: the chosen module's singular values as curves, one an adapter,
// over those of all modules; and the change of every module as a heat map.
#pragma once

#include <string>
#include <vector>

#include "ui/ranks/rank_tables.h"
#include "ui/widgets/splitter.h"

class QCheckBox;
class QComboBox;

namespace luthier {

class CurveGroup;
class CurvePlot;
class HeatMap;

class RankPlots : public Splitter {
  Q_OBJECT

 public:
  explicit RankPlots(QWidget* parent);
  void draw(const std::vector<RankedAdapter>& adapters, std::size_t current,
            const std::string& module);

 signals:
  /// Of the chosen adapter's modules, in the heat map.
  void chosen(std::size_t module);
  /// The same is to be drawn on another scale.
  void redraw_asked();

 private:
  QWidget* make_spectrum();
  QWidget* make_heat();

  CurvePlot* plot_;
  CurveGroup* group_;
  QCheckBox* log_;
  QComboBox* shown_;
  HeatMap* heat_;
};

}  // namespace luthier
