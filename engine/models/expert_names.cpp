// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/expert_names.h"

namespace luthier {

std::vector<StackPiece> pieces_of_experts(const std::string& name,
                                          const std::vector<std::int64_t>& shape) {
  const std::string stack = name.substr(name.rfind('.') + 1);
  const std::string experts = name.substr(0, name.size() - stack.size());  // with its last dot
  std::vector<StackPiece> pieces;
  if (!experts.ends_with(".mlp.experts.") || shape.size() != 3) return pieces;
  for (std::int64_t expert = 0; expert < shape[0]; ++expert) {
    const std::string own = experts + std::to_string(expert) + ".";
    if (stack == "down_proj") pieces.push_back({own + "down_proj.weight", expert, 0, shape[1]});
    if (stack != "gate_up_proj") continue;
    const std::int64_t side = shape[1] / 2;
    pieces.push_back({own + "gate_proj.weight", expert, 0, side});
    pieces.push_back({own + "up_proj.weight", expert, side, side});
  }
  return pieces;
}

}  // namespace luthier
