// SPDX-License-Identifier: GPL-3.0-or-later
// A window whose rows are one loss, and which goes through the model a micro-batch at a time
// (WindowRule::Points): first each is looked at for its points, then the loss is made of all of
// them, then each goes through the model again and takes its points' gradients on. Dropout is the
// caller's: the same both times.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "engine/objectives/objective.h"
#include "engine/train/told.h"

namespace luthier {

class PointsWindow {
 public:
  PointsWindow(Objective& objective, Policy& policy, std::size_t batches)
      : objective_(objective),
        policy_(policy),
        batches_(batches),
        points_(batches),
        numbers_(batches) {}

  /// Points to the rows from here on.
  void look(std::size_t batch, const MicroBatch& rows);
  /// Of one that was looked at.
  Json said(std::size_t batch) const;
  /// One that another rank looked at, and said.
  void take(std::size_t batch, const Json& said);
  /// The loss of all that are there, with their points' gradients. Called once; it is told of rows
  /// that are kept here.
  Told loss(double divisor);
  /// Of one that was looked at here, after loss().
  void learn(std::size_t batch);

 private:
  Objective& objective_;
  Policy& policy_;
  std::vector<std::optional<Batch>> batches_;       ///< looked at here
  std::vector<PointsOfRows> points_;                ///< without graphs; empty: it has no rows
  std::vector<std::vector<std::int64_t>> numbers_;  ///< of their rows
  MicroBatch rows_;                                 ///< all of these
};

}  // namespace luthier
