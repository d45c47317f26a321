// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/device/numbers.h"

namespace luthier {

std::vector<double> read_numbers(const std::vector<torch::Tensor>& numbers) {
  std::vector<double> read;
  const auto append = [&read](const torch::Tensor& here) {
    const auto* values = here.const_data_ptr<double>();
    read.insert(read.end(), values, values + here.numel());
  };
  const bool together = numbers.size() > 1 && !numbers.front().is_cpu();
  if (!together) {
    for (const torch::Tensor& number : numbers) {
      if (number.numel() == 1)
        read.push_back(number.item<double>());
      else
        append(number.detach().to(torch::kFloat64).cpu().contiguous());
    }
    return read;
  }
  std::vector<torch::Tensor> wide;  // float64 holds any of them as it is
  for (const torch::Tensor& number : numbers)
    wide.push_back(number.detach().reshape({-1}).to(numbers.front().device(), torch::kFloat64));
  append(at::cat(wide).cpu());
  return read;
}

}  // namespace luthier
