// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/train/told.h"

#include <cmath>
#include <utility>

#include "engine/device/numbers.h"

namespace luthier {

bool take_told(const std::vector<Told>& all, const torch::Tensor& standing,
               const torch::Tensor& norm, WindowOutcome& outcome) {
  std::vector<torch::Tensor> tensors;
  if (standing.defined()) tensors.push_back(standing);
  for (const Told& told : all) {
    if (told.share.defined()) tensors.push_back(told.share);
    for (const auto& [name, figure] : told.figures) tensors.push_back(figure);
  }
  if (norm.defined()) tensors.push_back(norm);
  const std::vector<double> numbers = read_numbers(tensors);
  const bool read = !numbers.empty();
  auto stood = numbers.begin(), number = stood + (standing.defined() ? standing.numel() : 0);
  for (const Told& told : all) {
    const double value = told.share.defined() ? *number++ : *stood++;
    outcome.loss += value;
    if (!std::isfinite(value)) {
      outcome.finite = false;
      outcome.suspects = told.rows->rows;
      return read;
    }
    Figures figures;
    for (const auto& [name, figure] : told.figures) figures[name] = *number++;
    outcome.figures.add(figures);
    outcome.told.push_back({value, std::move(figures)});
  }
  if (norm.defined()) outcome.norm = *number;
  return read;
}

}  // namespace luthier
