// SPDX-License-Identifier: GPL-3.0-or-later
// The folder of a run of stages: recipe.yaml (all stages), stages.json (which stands where), and a
// run's folder a stage, which is as any run's:
//   stages/1-sft/   stages/1-sft-merged/ (a checkpoint, where an adapter went into its base)
//   stages/2-dpo/   …
// What a stage came to is in its own run.json; stages.json says in which order they come.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/config/stages.h"

namespace luthier {

/// A stage as stages.json has it.
struct StageRecord {
  std::string name;
  std::string folder;  ///< of its run, within the whole run's: "stages/1-sft"
  std::string start;   ///< what it starts from: base | adapter | merged | checkpoint
  std::string model;   ///< the checkpoint's folder that it trains over
  bool operator==(const StageRecord&) const = default;
};

/// Whether a run of stages stands there.
bool is_stage_folder(const std::filesystem::path& folder);
/// The stages of one, in order. An Input error where stages.json cannot be read.
Result<std::vector<StageRecord>> read_stage_records(const std::filesystem::path& folder);
/// "waiting" where a stage's run is not there yet, else its run's state.
std::string stage_state(const std::filesystem::path& stage_run);
/// The run of stages that this stage's run is a part of; nullopt: of none.
std::optional<std::filesystem::path> stages_around(const std::filesystem::path& run);
/// The stages as so many ranks train them together: each window has as many micro-batches of each
/// of them, as a run's of one recipe does (train/shared_run). A resume keeps the windows that its
/// run was begun with, where these come to them by the number of ranks that it had.
StagedRecipe stages_of_ranks(const StagedRecipe& staged,
                             const std::optional<std::filesystem::path>& resume_run, int ranks);

/// One that trains, locked as long as this or a copy lives.
class StageFolder {
 public:
  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path run_path(std::size_t index) const;     ///< stages/2-dpo
  std::filesystem::path merged_path(std::size_t index) const;  ///< stages/2-dpo-merged

  /// What a start or a resume finds: nullopt, a new folder is to be made. An Input error where the
  /// folder is somebody else's, holds what a start must not overwrite, or was started with other
  /// settings. Nothing is written.
  static Result<std::optional<StageFolder>> find(
      const StagedRecipe& staged, const std::optional<std::filesystem::path>& resume_run);
  /// A new one in place of leftovers that find() has passed.
  /// `ranks`: processes that train it.
  static Result<StageFolder> create(const StagedRecipe& staged, const std::filesystem::path& folder,
                                    const std::vector<StageRecord>& records, int ranks = 1);

 private:
  StageFolder() = default;
  std::filesystem::path path_;
  std::vector<std::string> names_;  ///< "2-dpo"
  std::shared_ptr<const void> lock_;
};

}  // namespace luthier
