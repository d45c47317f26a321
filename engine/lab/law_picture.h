// SPDX-License-Identifier: GPL-3.0-or-later
// What is drawn of a sweep, or of any points: losses over operations size by size, the fitted law
// through each size, the loss of the best model of each budget with how sure it is, and the next
// size's forecast beside what it came to. No LibTorch header.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/lab/law_fit.h"
#include "engine/lab/law_points.h"

namespace luthier {

/// Places of a curve; x ascends.
struct DrawnLaw {
  std::vector<double> flops, loss;
  std::vector<double> low, high;  ///< of the loss, by the draws; empty where they are too few
};

struct SizePicture {
  double weights = 0;
  std::vector<LossPoint> ends;  ///< of its runs, the cheapest first
  DrawnLaw law;                 ///< L(N, C / 6N); empty: nothing was fitted
};

/// A run of a sweep, as sweep.json has it.
struct SweepRow {
  std::string name, state;  ///< "w32-t131072"; as run.json has it, or "waiting"
  double weights = 0, tokens = 0, seconds = 0;
  std::optional<double> loss;
};

struct ForecastPicture {
  SweepRow run;
  double forecast = 0;
  Interval interval;
};

struct LawPicture {
  std::vector<SizePicture> sizes;     ///< the smallest first
  std::optional<Result<LawFit>> fit;  ///< nullopt: there are no points yet
  DrawnLaw best;                      ///< of each budget, as the fit parts it
  std::optional<double> floor;        ///< that no model falls below, where the language's is known
  std::vector<SweepRow> runs;         ///< empty: the points are no sweep's
  std::optional<ForecastPicture> next;
  double minutes = 0;
};

/// `place`: a sweep's folder, its sweep.json, or a file of points as read_loss_points takes it. The
/// fit is made anew from the points, by the same draws as the sweep's own. Input errors name file
/// and field.
Result<LawPicture> law_picture(const std::filesystem::path& place,
                               const LawFitOptions& options = {});

}  // namespace luthier
