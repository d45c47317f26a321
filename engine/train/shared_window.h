// SPDX-License-Identifier: GPL-3.0-or-later
// What ranks tell one another of a window's micro-batches: JSON in one line, numbers in the
// shortest form that reads back to the same bits. No LibTorch.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/batches/broken_row.h"
#include "engine/objectives/figures.h"

namespace luthier {

/// What a micro-batch, or a part of one, adds to the window's loss, and its figures.
struct ToldNumbers {
  double share = 0;
  Figures figures;
};

/// Of a rank's micro-batches, before the first one goes through the model.
struct WindowShare {
  std::vector<std::int64_t> counts;  ///< of every micro-batch of the window; another rank's is 0
  std::int64_t tokens = 0;
  std::vector<BrokenRow> broken;  ///< found so when this rank's were read
  std::string fault;              ///< why it has no window; "" it has
  bool stops = false;             ///< this rank was asked to end
};

/// Of one micro-batch that a rank has been through.
struct MicroShare {
  std::vector<ToldNumbers> told;       ///< empty: none of this rank's took part
  std::vector<std::int64_t> suspects;  ///< its rows, where its loss is not finite
  bool finite = true, stops = false;
  std::string standing;  ///< of its gradients (GradientExchange)
  std::string fault;     ///< why it broke off; "": it did not
};

/// A batch of an evaluation.
struct EvaluatedBatch {
  double sum = 0;  ///< its mean, times its rows
  std::int64_t rows = 0;
  std::vector<Figures> figures;
  std::vector<BrokenRow> broken;
};
/// Of a rank: every rank's batches are there, others' are empty.
struct EvaluationShare {
  std::vector<EvaluatedBatch> batches;
  std::string fault;
  bool interrupted = false;
};

std::string to_text(const EvaluationShare& share);
std::string to_text(const WindowShare& share);
std::string to_text(const MicroShare& share);
/// An error names the rank, whose text it is no share of.
Result<WindowShare> read_window_share(const std::string& text, std::size_t rank);
Result<MicroShare> read_micro_share(const std::string& text, std::size_t rank);
Result<EvaluationShare> read_evaluation_share(const std::string& text, std::size_t rank);

}  // namespace luthier
