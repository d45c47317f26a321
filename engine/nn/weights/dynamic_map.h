// SPDX-License-Identifier: GPL-3.0-or-later
// The numbers that eight packed bits stand for where their sizes spread over many powers of ten
// (Dettmers 2016): scales of scales, an optimizer's moments. As bitsandbytes makes the map and as
// its CPU half finds a number's place in it.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "engine/device/torch.h"

namespace luthier {

enum class MapSign { Both, Positive };

/// [256] float32, ascending: seven powers of ten, each cut finer than the one below it, with both
/// signs or one, and 0 and 1.
const torch::Tensor& dynamic_map(MapSign sign = MapSign::Both);
/// A number between -1 and 1 to the place of the nearest in the map, by 65,536 steps.
const std::vector<std::uint8_t>& nearest_in_map(MapSign sign = MapSign::Both);
/// The step of a number between -1 and 1.
inline std::size_t step_in_map(float number) {
  return static_cast<std::size_t>(std::clamp((number + 1.0F) * 32767.5F + 0.5F, 0.0F, 65535.0F));
}

}  // namespace luthier
