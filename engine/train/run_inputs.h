// SPDX-License-Identifier: GPL-3.0-or-later
// What a run was begun with beside its rows' file and its model: models that teach, judge or are
// compared with, and the files that rows name. It stands in the run's folder, so that a resume can
// say what is another one now.
#pragma once

#include <filesystem>
#include <map>
#include <string>

#include "engine/config/recipe.h"
#include "engine/train/row_files.h"

namespace luthier {

class Objective;

struct RunInputs {
  /// Fingerprints of model folders, each by the setting that names it.
  std::map<std::string, std::string> models;
  RowMarks dataset, eval_dataset;
};

/// Of the folders that the recipe's settings name beside the model, as far as there are such: what
/// is no folder is refused by who reads it. `adapter_is_reference`: adapter.init_from stays beside
/// the run, too.
Result<std::map<std::string, std::string>> fingerprint_models_beside(const Recipe& recipe,
                                                                     const Objective& objective,
                                                                     bool adapter_is_reference);
/// An Input error names the setting whose model is another one now; what is known of one side alone
/// is passed over.
Status check_models_beside(const std::map<std::string, std::string>& before,
                           const std::map<std::string, std::string>& now);

/// `inputs.safetensors` in the run's folder, in the place of one that is there.
Status write_run_inputs(const std::filesystem::path& run, const RunInputs& inputs);
/// What is not there or cannot be read is empty: older runs have none.
RunInputs read_run_inputs(const std::filesystem::path& run);

}  // namespace luthier
