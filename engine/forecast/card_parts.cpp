// SPDX-License-Identifier: GPL-3.0-or-later
// The parts of a forecast that only a card has. Fragmentation is counted, not guessed: the tensors
// that stand during a step are laid into the allocator's segments in the order in which a run makes
// them.
#include <algorithm>

#include "engine/config/kinds.h"
#include "engine/device/cuda_libraries.h"
#include "engine/forecast/card_room.h"
#include "engine/forecast/trained.h"

namespace luthier {
namespace {

/// A module a block, as its part's bytes share out among them.
void add_weights(const ModelSummary& model, const std::string& part, std::int64_t bytes,
                 std::vector<std::int64_t>& blocks) {
  std::vector<std::int64_t> counts;
  double all = 0;
  for (const ModuleSummary& module : model.modules) {
    if (module.parameters == 0 || (part != module.part && part != "reference")) continue;
    counts.push_back(module.parameters);
    all += static_cast<double>(module.parameters);
  }
  for (const std::int64_t count : counts)
    blocks.push_back(
        static_cast<std::int64_t>(static_cast<double>(bytes) * (static_cast<double>(count) / all)));
  if (counts.empty() && bytes > 0) blocks.push_back(bytes);
}

/// Several of `piece` bytes each, and what is left.
void add_pieces(std::int64_t bytes, std::int64_t piece, std::vector<std::int64_t>& blocks) {
  if (bytes <= 0) return;
  const std::int64_t count = piece > 0 ? bytes / piece : 0;
  blocks.insert(blocks.end(), static_cast<std::size_t>(count), piece);
  if (const std::int64_t rest = bytes - count * piece; rest > 0) blocks.push_back(rest);
}

}  // namespace

void add_card_parts(const ModelSummary& model, const Recipe& recipe,
                    const std::vector<TrainedModule>& trained, const StepTerms& terms,
                    std::int64_t states, const CardFacts& card, Estimate& estimate) {
  std::vector<std::int64_t> blocks;
  for (const auto& [part, bytes] : estimate.weights_by_part)
    add_weights(model, part, bytes, blocks);
  const StateLayout layout = optimizer_kind(recipe.training.optim).state;
  for (const TrainedModule& each : trained) {
    for (const auto& shape : each.shapes) {
      std::int64_t numbers = 1;
      for (const std::int64_t size : shape) numbers *= size;
      const bool master = each.share.whole && terms.element < 4;
      if (!each.share.whole) blocks.push_back(4 * numbers);
      blocks.push_back(terms.gradient_element * numbers);
      add_pieces(state_bytes(layout, shape) + (master ? 4 * numbers : 0), 4 * numbers, blocks);
    }
  }
  MemoryParts& parts = estimate.parts;
  add_pieces(parts.activations, states, blocks);
  add_pieces(parts.workspace, states, blocks);
  parts.fragmentation = unused_bytes(blocks);
  parts.context = context_bytes(card);
  parts.libraries = product_workspaces(card, cublas_workspaces());
}

}  // namespace luthier
