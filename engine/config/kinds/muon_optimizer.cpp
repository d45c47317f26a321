// SPDX-License-Identifier: GPL-3.0-or-later
// Muon (Jordan et al. 2024) as torch.optim.Muon has it, for the weight matrices inside the model:
// one float32 momentum a trained number. What it is not for (embeddings, the head, norms, biases,
// convolutions) goes by AdamW, as its authors say.
#include "engine/config/field_rows.h"
#include "engine/config/kinds.h"

namespace luthier {
namespace {

Status check_muon(const Recipe& recipe) {
  if (!method_kind(recipe.strategy).hangs_adapter()) return {};
  return cross_fault(
      "training.optim",
      "is muon, which is for whole weight matrices; strategy is " + recipe.strategy + ".",
      "Choose adamw_torch, or strategy: full or freeze.");
}

}  // namespace

OptimizerKind muon_optimizer_kind() {
  OptimizerKind kind{
      {"muon",
       "Muon for the weight matrices inside the model, AdamW for everything else.",
       rows::fields_of(
           {rows::kind_optional_number("training.muon_learning_rate", "Muon's learning rate",
                                       "The peak rate of the matrices that Muon moves; empty: the "
                                       "learning rate.")
                .at_least(0)
                .at_most(100),
            rows::kind_choice("training.muon_adjust_lr_fn", "Muon's scale",
                              "original: the rate times the root of rows over columns; "
                              "match_rms_adamw: steps as large as AdamW's, so that its rates fit.",
                              {"original", "match_rms_adamw"}, "original"),
            rows::kind_integer("training.muon_ns_steps", "Newton–Schulz steps",
                               "Rounds by which a step's matrix is made orthogonal.", 5)
                .at_least(1)
                .at_most(99)
                .advanced()}),
       {"training.adam_beta1", "training.adam_beta2", "training.adam_epsilon", "training.momentum",
        "training.nesterov"},
       {{"training.momentum", 0.95}, {"training.nesterov", true}},
       check_muon}};
  kind.state = [](const TrainedShape& shape, const Recipe&) {
    if (shape.use == TensorUse::Matrix && shape.sizes.size() == 2)
      return std::vector<StateTensor>{{"momentum_buffer", shape.sizes}};
    return std::vector<StateTensor>{{"exp_avg", shape.sizes}, {"exp_avg_sq", shape.sizes}};
  };
  return kind;
}

}  // namespace luthier
