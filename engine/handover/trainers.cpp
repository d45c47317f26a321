// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/handover/trainers.h"

namespace luthier::handover {

const std::vector<TrlTrainer>& trl_trainers() {
  static const std::vector<TrlTrainer> table{
      {"sft", "SFTTrainer", "SFTConfig", RowColumns::Answer},
      {"dpo",
       "DPOTrainer",
       "DPOConfig",
       RowColumns::Pair,
       /*pictures=*/true,
       /*reference=*/true,
       /*scores=*/false,
       // TRL asks a reference beforehand for texts alone; asked step by step it says the same.
       {"dpo.precompute_ref_log_probs", "dpo.reference_free"}},
      {"kto", "KTOTrainer", "KTOConfig", RowColumns::JudgedAnswer, /*pictures=*/true,
       /*reference=*/true},
      {"reward", "RewardTrainer", "RewardConfig", RowColumns::Pair, /*pictures=*/false,
       /*reference=*/false, /*scores=*/true},
  };
  return table;
}

Result<const TrlTrainer*> trl_trainer(const Recipe& recipe) {
  std::string known;
  for (const TrlTrainer& row : trl_trainers()) {
    if (recipe.objective == row.objective) return &row;
    known += (known.empty() ? "" : ", ") + std::string(row.objective);
  }
  return input_error("The objective " + recipe.objective +
                         " is not handed over: TRL 1.16 has no trainer that is known to learn the "
                         "same from the same rows.",
                     "objective", "These are: " + known + ".");
}

}  // namespace luthier::handover
