// SPDX-License-Identifier: GPL-3.0-or-later
// Files have the names that transformers had for Swin's layers before 5.
#include <array>
#include <string_view>

#include "engine/models/swin/swin_body.h"

namespace luthier {

namespace {

/// Stored names and those in memory, within a layer, the longer ones first.
constexpr std::array<std::pair<std::string_view, std::string_view>, 7> kSwinNames{
    {{".attention.self.query.", ".attention.q_proj."},
     {".attention.self.key.", ".attention.k_proj."},
     {".attention.self.value.", ".attention.v_proj."},
     {".attention.self.relative_position_bias_table",
      ".attention.relative_position_bias.relative_position_bias_table"},
     {".attention.output.dense.", ".attention.o_proj."},
     {".intermediate.dense.", ".mlp.fc1."},
     {".output.dense.", ".mlp.fc2."}}};

}  // namespace

std::string swin_memory_name(std::string stored) {
  for (const auto& [old, now] : kSwinNames)
    if (const std::size_t at = stored.find(old); at != std::string::npos)
      return stored.replace(at, old.size(), now);
  return stored;
}

std::string swin_stored_name(std::string memory) {
  for (const auto& [old, now] : kSwinNames)
    if (const std::size_t at = memory.find(now); at != std::string::npos)
      return memory.replace(at, now.size(), old);
  return memory;
}

}  // namespace luthier
