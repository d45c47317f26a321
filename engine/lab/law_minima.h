// SPDX-License-Identifier: GPL-3.0-or-later
// The best size of a budget, looked for among points, and its growth with the budget: approaches 1
// (the lower envelope of training curves) and 2 (parabolas of the loss over ln N at one budget) of
// Hoffmann et al. (2022). Both say N* = k C^a and, since C = 6ND, D* = C^(1-a) / 6k; neither
// assumes a form of the loss.
#pragma once

#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/lab/law_fit.h"

namespace luthier {

/// The size that was best at a budget.
struct BestSize {
  double flops = 0, weights = 0, loss = 0;
};

/// Approach 2's picture of one budget.
struct Parabola {
  double flops = 0;
  std::vector<std::pair<double, double>> points;  ///< weights, loss
  double curve = 0, slope = 0, level = 0;         ///< loss = curve x^2 + slope x + level, x = ln N
  bool has_minimum = false;                       ///< it opens upwards, within the sizes
};

struct MinimaFit {
  std::vector<BestSize> best;
  std::vector<Parabola> parabolas;       ///< approach 2
  double coefficient = 0, exponent = 0;  ///< N* = coefficient C^exponent
  Interval interval;                     ///< of the exponent
  double level = 0.8;

  Allocation best_for(double flops) const;
};

/// Approach 1 over all points, curves being the runs (points without a run: each size is one).
/// A budget counts where a size between two others is best. Input errors: fewer than two such
/// sizes.
Result<MinimaFit> fit_envelope(const std::vector<LossPoint>& points, const LawFitOptions& options);
/// Approach 2 over runs' ends: budgets at which three sizes or more stand (within 2 %), or else, of
/// a grid of sizes and tokens, budgets at which each size's losses are read off between its points.
Result<MinimaFit> fit_parabolas(const std::vector<LossPoint>& points, const LawFitOptions& options);

Json to_json(const MinimaFit& fit);

}  // namespace luthier
