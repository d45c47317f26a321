// SPDX-License-Identifier: GPL-3.0-or-later
// Scaling laws out of points, the three ways of Hoffmann et al. (2022): L(N, D) fitted whole
// (approach 3: LSE(a - alpha ln N, b - beta ln D, e) against ln L under Huber's loss, by L-BFGS
// from a grid of starts), and in law_minima.h the two that look for the best size of a budget. How
// sure a number is comes from fits to points drawn anew with replacement, each draw by seed and
// place.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/io/json.h"
#include "engine/lab/law_points.h"
#include "engine/lab/laws.h"

namespace luthier {

struct LawFitOptions {
  double huber_delta = 1e-3;
  std::size_t starts = 500;  ///< of the 4,500 on the grid, the best ones are gone on from
  std::size_t draws = 200;   ///< of the points, for intervals; 0: none
  double level = 0.8;        ///< of the intervals: between the 10th and the 90th percentile
  std::uint64_t seed = 1;
  std::function<bool()> go_on = {};  ///< false: Interrupted
};

struct Interval {
  double low = 0, high = 0;
  double error = 0;  ///< standard error: the draws' deviation
  bool known = false;
};
/// Of numbers that draws came to; unknown of fewer than 8.
Interval interval_of(std::vector<double> values, double level);
Json to_json(const Interval& interval);

struct LawFit {
  LossLaw law;
  double objective = 0;  ///< sum of Huber's losses
  double worst = 0;      ///< the largest |ln L - ln of the fit|
  std::size_t points = 0;
  std::vector<LossLaw> draws;
  double level = 0.8;
  std::vector<std::string> warnings;

  /// Whether losses fall with weights and with tokens: else no budget and no forecast follows.
  bool falls() const { return law.alpha > 0 && law.beta > 0; }
  /// Of a number that each law says.
  Interval of(const std::function<double(const LossLaw&)>& number) const;
};

/// Approach 3, over the points at runs' ends (all, where none is one). Input errors: fewer than six
/// points, three sizes or three numbers of tokens, or losses that cannot be told apart.
Result<LawFit> fit_loss_law(const std::vector<LossPoint>& points, const LawFitOptions& options);
/// The objective of these points, for tests: parameters a, b, e, alpha, beta.
double law_objective(const std::vector<LossPoint>& points, const double (&parameters)[5],
                     double huber_delta);

Json to_json(const LossLaw& law);
Json to_json(const LawFit& fit);

}  // namespace luthier
