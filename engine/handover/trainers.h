// SPDX-License-Identifier: GPL-3.0-or-later
// The trainers that TRL has, by our objectives: a row each. Settings of an objective's section have
// TRL's own names, so that a row says only what differs.
#pragma once

#include <string>
#include <vector>

#include "engine/config/recipe.h"
#include "engine/data/conversation.h"

namespace luthier::handover {

/// The columns that a trainer reads of a row.
enum class RowColumns {
  Answer,       ///< prompt and completion, or messages
  Pair,         ///< prompt, chosen, rejected
  JudgedAnswer  ///< prompt, completion, label
};

struct TrlTrainer {
  const char* objective;  ///< as the recipe writes it
  const char* trainer;    ///< TRL's class
  const char* config;     ///< and that of its arguments
  RowColumns columns;
  bool pictures = true;    ///< its rows may have some
  bool reference = false;  ///< it holds the model against another
  bool scores = false;     ///< it trains a head of one number in the place of the logits
  /// Settings of its section that its config has not, each with what leaves the run the same.
  std::vector<std::string> without = {};
};

const std::vector<TrlTrainer>& trl_trainers();
/// The recipe's. An Input error names those that can be handed over.
Result<const TrlTrainer*> trl_trainer(const Recipe& recipe);

}  // namespace luthier::handover
