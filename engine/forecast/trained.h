// SPDX-License-Identifier: GPL-3.0-or-later
// Inside of the forecast: the modules that train under a recipe, and the sums over what the model,
// the objective and the optimizer answer.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <vector>

#include "engine/config/kinds.h"
#include "engine/device/card_facts.h"
#include "engine/forecast/forecast.h"
#include "engine/objectives/loss_cost.h"

namespace luthier {

struct TrainedModule {
  const ModuleSummary* module = nullptr;  ///< of the summary that was asked about
  TrainedShare share;                     ///< what of it trains, whole or through a plug
  std::vector<std::vector<std::int64_t>> shapes = {};  ///< of the tensors that do
  std::string branch = {};           ///< that it hangs behind; empty: it is the module's own
  TensorUse use = TensorUse::Other;  ///< of the first shape, where the module trains whole

  TrainedShape shape(std::size_t i) const { return {shapes[i], i == 0 ? use : TensorUse::Other}; }
};

/// The model with the head of scores that the recipe's objective puts on it; none: it puts none.
Result<std::optional<ModelSummary>> with_score_head(const ModelSummary& model,
                                                    const Recipe& recipe);

/// Whether the recipe's method has the setting of this key.
bool has_setting(const Recipe& recipe, const std::string& key);

/// Of a model that has the head of scores, where the objective puts one on it.
Result<std::vector<TrainedModule>> list_trained(const ModelSummary& model, const Recipe& recipe);

/// What the modules are told of it, by their names. `dropout`: what plugs drop is drawn.
std::vector<std::pair<std::string, TrainedShare>> shares(const std::vector<TrainedModule>& trained,
                                                         bool dropout);

/// Bytes that the recipe's optimizer keeps for all of it, float32 masters included where the base's
/// numbers have `element` bytes and these are fewer than four.
std::int64_t optimizer_bytes(const std::vector<TrainedModule>& trained, const Recipe& recipe,
                             std::int64_t element);

/// What of that waits in the machine's memory where the run is on a device.
std::int64_t paged_optimizer_bytes(const std::vector<TrainedModule>& trained, const Recipe& recipe);

/// What the optimizer's step needs beside its state and gradients: temporaries of one tensor at a
/// time, and gradients of `element` bytes a number that are widened to move float32 masters.
std::int64_t step_bytes(const std::vector<TrainedModule>& trained, const Recipe& recipe,
                        std::int64_t element);
/// Of tensors that all plugs have together and that do not train.
Result<std::int64_t> shared_bytes(const ModelSummary& model, const Recipe& recipe);
/// Bytes of the largest tensor of them that has a master, in float32; 0: there is none.
std::int64_t largest_master(const std::vector<TrainedModule>& trained, std::int64_t element);

class Objective;

/// A second model that learns beside (objectives/companion.h), as the forecast asks about it.
struct CompanionSummary {
  std::string name;
  ModelSummary model;                  ///< with its head of scores
  std::vector<TrainedModule> trained;  ///< of that
  std::int64_t weights = 0, adapter = 0;
  /// It says words, which the policy then reads, and has some modules together with it, which train
  /// as the policy's (objectives/joint_model.h).
  bool joint = false;
  /// Of a joint one, what it makes of the policy's micro-batch.
  std::function<Pass(const Pass& policy)> own_pass = {};

  /// Its forward comes after the policy's, and its backward before; of a joint one the other way
  /// round.
  void join(const Pass& policy, bool dropout, PassCost& cost, LossCost& loss) const;
};
/// Null: the objective wants none, or names a folder that is refused when it is loaded.
Result<std::unique_ptr<CompanionSummary>> companion_of(const Objective& objective,
                                                       const Recipe& recipe, std::int64_t element);

/// Bytes of what stands beside a base's weights: plugs' tensors, copies that train whole, what
/// products keep of them in a narrower type, and what all plugs have together.
Result<std::int64_t> adapter_bytes(const std::vector<TrainedModule>& trained,
                                   const ModelSummary& model, const Recipe& recipe,
                                   std::int64_t element);

/// The recipe's micro-batch as the model meets it: precision and allocator of `terms`, the loop's
/// filler, how attention takes the rows, what the objective makes of them. `part_of`: the part that
/// each row goes with (batches/parts), of which each has filler of its own; empty: there is one.
Pass lay_out(const BatchShape& batch, const StepTerms& terms, const Objective& objective,
             const std::vector<std::size_t>& part_of = {});

/// Bytes of tensors that live during a step besides weights, gradients and optimizer state.
struct StepBytes {
  std::int64_t kept = 0;       ///< from the forward to the backward, at the moment of the peak
  std::int64_t workspace = 0;  ///< temporaries at that moment
};
/// Of all gradients together.
struct GradientBytes {
  std::int64_t all = 0;       ///< which grow while activations shrink
  std::int64_t standing = 0;  ///< of those that earlier micro-batches have left
  std::int64_t adding = 0;    ///< at most needed to add one tensor's to what stands
  std::int64_t stepping = 0;  ///< what the optimizer's own step needs
  std::int64_t parts = 1;     ///< of a micro-batch, side by side: each has gradients of its own
  bool apart = false;  ///< a micro-batch's do not grow into those that stand, but beside them
};
/// The moment of a step at which kept tensors, temporaries and grown gradients come to the most.
/// `dense`: what of a packed weight stands dense at a time, while a layer's products are made.
StepBytes peak_of(const PassCost& cost, const LossCost& loss, const GradientBytes& gradients,
                  std::int64_t dense);

/// What a step comes to, part by part.
struct Estimate {
  MemoryParts parts;
  std::vector<std::pair<std::string, std::int64_t>> weights_by_part;
};
/// `card`: with what it takes besides tensors; null: tensors alone.
Result<Estimate> estimate(const ModelSummary& model, const Recipe& recipe, const BatchShape& batch,
                          const StepTerms& terms, const CardFacts* card = nullptr,
                          const RankPlan& ranks = {});
/// Adds that. `states`: bytes of one tensor of a layer's states, the size that most activations
/// have; `longest`: tokens of the longest row.
void add_card_parts(const ModelSummary& model, const Recipe& recipe,
                    const std::vector<TrainedModule>& trained, const StepTerms& terms,
                    std::int64_t states, std::int64_t longest, const CardFacts& card,
                    Estimate& estimate);

/// Single changes that would lower the total, the most effective first.
std::vector<std::string> advise(const ModelSummary& model, const Recipe& recipe,
                                const BatchShape& batch, const StepTerms& terms,
                                const CardFacts* card, std::int64_t total,
                                const RankPlan& ranks = {});
/// A regular expression that the modules of this part match and those of no other do; empty where
/// the model has none.
std::string pattern_of_part(const ModelSummary& model, const std::string& part);

}  // namespace luthier
