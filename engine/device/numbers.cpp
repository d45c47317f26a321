// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/device/numbers.h"

namespace luthier {

std::vector<double> read_numbers(const std::vector<torch::Tensor>& numbers) {
  std::vector<double> read;
  const bool together = numbers.size() > 1 && !numbers.front().is_cpu();
  if (!together) {
    for (const torch::Tensor& number : numbers) read.push_back(number.item<double>());
    return read;
  }
  std::vector<torch::Tensor> wide;  // float64 holds any of them as it is
  for (const torch::Tensor& number : numbers)
    wide.push_back(number.detach().reshape({}).to(numbers.front().device(), torch::kFloat64));
  const torch::Tensor here = at::stack(wide).cpu();
  const auto* values = here.const_data_ptr<double>();
  read.assign(values, values + here.numel());
  return read;
}

}  // namespace luthier
