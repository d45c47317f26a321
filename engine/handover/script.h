// SPDX-License-Identifier: GPL-3.0-or-later
// The script: a page of TRL as people write it, with the recipe's numbers in it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/config/recipe.h"
#include "engine/handover/carried_settings.h"
#include "engine/handover/hand_over.h"
#include "engine/handover/trainers.h"
#include "engine/handover/trl_rows.h"

namespace luthier::handover {

/// What the script says of a run besides its recipe.
struct ScriptFacts {
  const TrlTrainer* trainer = nullptr;
  RowFacts rows;
  Keywords objective;              ///< keywords of the trainer's arguments, by the objective
  std::vector<std::string> notes;  ///< comments at the top
  std::string model, revision;     ///< a folder, or a hub's name and its commit
  std::string model_type, architecture;
  bool reads_pictures = false;  ///< the model does
  bool own_processor = false;   ///< processor/ beside the script says pictures' sizes
  std::string pictures;         ///< where relative paths start; empty: beside the script
  std::int64_t picture_token = -1;
  bool adapter = false;             ///< adapter/ beside the script is the start
  std::vector<std::string> trains;  ///< beginnings of the names of what trains; empty: all
  bool ordered = false;             ///< order.jsonl says which row comes when
  bool evaluates = false;
  std::string reference;  ///< the checkpoint that TRL is to be given as one; empty: its own rule
  std::int64_t steps = 0;
  ClusterSettings cluster;
};

std::string trl_script(const Recipe& recipe, const ScriptFacts& facts);

/// The keywords of the trainer's arguments, all of them.
Keywords training_arguments(const Recipe& recipe, const ScriptFacts& facts);

}  // namespace luthier::handover
