// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/nn/weights/dynamic_map.h"

#include <cmath>

namespace luthier {
namespace {

using torch::Tensor;

Tensor made_map(MapSign sign) {
  const torch::NoGradGuard no_grad;
  std::vector<Tensor> parts;
  for (int power = 0; power < 7; ++power) {
    const int count = 1 << (sign == MapSign::Both ? power : power + 1);
    const Tensor edges = torch::linspace(0.1, 1, count + 1, torch::kFloat32);
    const Tensor middles = (edges.slice(0, 0, -1) + edges.slice(0, 1)) / 2.0;
    const double unit = std::pow(10.0, power - 6);
    parts.push_back(middles * unit);
    if (sign == MapSign::Both) parts.push_back(middles * -unit);
  }
  parts.push_back(torch::tensor({0.0F, 1.0F}));
  return std::get<0>(at::cat(parts).sort());
}

std::vector<std::uint8_t> made_table(MapSign sign) {
  const Tensor map = dynamic_map(sign);
  const float* values = map.const_data_ptr<float>();
  std::vector<std::uint8_t> nearest(65536);
  std::size_t at = 0;
  for (std::size_t i = 0; i < nearest.size(); ++i) {
    const double place = -1 + 2 * static_cast<double>(i) / 65535;
    while (at < 255 && std::abs(values[at + 1] - place) < std::abs(values[at] - place)) ++at;
    nearest[i] = static_cast<std::uint8_t>(at);
  }
  return nearest;
}

}  // namespace

const Tensor& dynamic_map(MapSign sign) {
  static const Tensor both = made_map(MapSign::Both), positive = made_map(MapSign::Positive);
  return sign == MapSign::Both ? both : positive;
}

const std::vector<std::uint8_t>& nearest_in_map(MapSign sign) {
  static const std::vector<std::uint8_t> both = made_table(MapSign::Both),
                                         positive = made_table(MapSign::Positive);
  return sign == MapSign::Both ? both : positive;
}

}  // namespace luthier
