// SPDX-License-Identifier: GPL-3.0-or-later
// The parts of a forecast that only a card has. Fragmentation is counted, not guessed: the tensors
// that stand during a step are laid into the allocator's segments in the order in which a run makes
// them.
#include <algorithm>

#include "engine/batches/filler.h"
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

/// What a card keeps of recordings that are written down, and what an answer in the middle of the
/// run has beside them: the cache that stands (nn/key_value_cache) of a row of this length.
std::int64_t written_down(const ModelGeometry& geometry, const StepTerms& terms,
                          std::int64_t tokens) {
  // Nobody has measured it here: of each kernel its arguments and some hundred bytes.
  constexpr std::int64_t kOfLayer = 32 << 10, kAnswer = 64, kRoomStep = 128;
  const std::int64_t room = (tokens + kAnswer + kRoomStep - 1) / kRoomStep * kRoomStep,
                     cache = 2 * geometry.num_hidden_layers * geometry.num_key_value_heads *
                             geometry.head_dim * terms.element * room;
  return static_cast<std::int64_t>(kMostRecordings) * geometry.num_hidden_layers * kOfLayer +
         2 * cache;  // the prompt's own cache until it is taken over
}

}  // namespace

void add_card_parts(const ModelSummary& model, const Recipe& recipe,
                    const std::vector<TrainedModule>& trained, const StepTerms& terms,
                    std::int64_t states, std::int64_t longest, const CardFacts& card,
                    Estimate& estimate) {
  std::vector<std::int64_t> blocks;
  for (const auto& [part, bytes] : estimate.weights_by_part)
    add_weights(model, part, bytes, blocks);
  const StateLayout layout = state_layout(recipe);
  for (const TrainedModule& each : trained) {
    for (std::size_t i = 0; i < each.shapes.size(); ++i) {
      const TrainedShape shape = each.shape(i);
      const std::int64_t numbers = shape.numbers();
      const bool master = each.share.whole && terms.element < 4;
      if (!each.share.whole) blocks.push_back(4 * numbers);
      blocks.push_back(terms.gradient_element * numbers);
      const std::int64_t state = state_bytes(layout, shape) - paged_bytes(layout, shape);
      add_pieces(state + (master ? 4 * numbers : 0), 4 * numbers, blocks);
    }
  }
  MemoryParts& parts = estimate.parts;
  add_pieces(parts.activations, states, blocks);
  add_pieces(parts.workspace, states, blocks);
  if (terms.recorded) {
    add_pieces(parts.recordings, states, blocks);
    parts.recordings += written_down(model.geometry, terms, longest);
  }
  parts.fragmentation = unused_bytes(blocks);
  parts.context = context_bytes(card);
  parts.libraries = product_workspaces(card, cublas_workspaces());
}

}  // namespace luthier
