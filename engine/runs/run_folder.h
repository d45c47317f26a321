// SPDX-License-Identifier: GPL-3.0-or-later
// A run is a folder, and the folder is the truth: recipe.yaml, run.json, metrics.jsonl,
// events.jsonl, adapter/, checkpoints/step-000100/. This is who may write there, what is whole
// there, and what a resume starts from. Used by the trainer, the window and the command line.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/config/recipe.h"
#include "engine/io/files.h"
#include "engine/runs/run_records.h"

namespace luthier {

struct Checkpoint {
  std::int64_t step = 0;
  std::filesystem::path path;
};

class RunFolder {
 public:
  /// A new run in `folder`, locked, with its run.json and recipe.yaml. Refuses (Input) a folder
  /// that holds a finished run, a whole checkpoint, a result, or anything that is not a run's (a
  /// recipe.yaml without run.json is a person's); replaces any other leftover of a run. With
  /// `keep_edits` the changes by hand among its events stay (run_edits.h).
  static Result<RunFolder> create(const std::filesystem::path& folder,
                                  const std::string& recipe_yaml, bool keep_edits = false);
  /// An existing run, locked for training: another process or thread that trains in it is an Input
  /// error. Clears what a killed save left.
  static Result<RunFolder> open_for_training(const std::filesystem::path& folder);
  /// An existing run, to look at.
  static Result<RunFolder> open(const std::filesystem::path& folder);

  const std::filesystem::path& path() const { return path_; }
  std::filesystem::path adapter_path() const { return path_ / "adapter"; }
  /// checkpoints/step-000100
  std::filesystem::path checkpoint_path(std::int64_t step) const;

  /// run.json; atomically replaced, with `updated` and `version` set. A missing or broken one is an
  /// Input error.
  Result<RunManifest> read_manifest() const;
  Status write_manifest(RunManifest manifest) const;

  Status append_metrics(const MetricsLine& line) const;
  /// Sets the time when it is empty.
  Status append_event(RunEvent event) const;
  /// What can be read; a torn or broken line is left out.
  std::vector<MetricsLine> read_metrics() const;
  std::vector<RunEvent> read_events() const;
  /// Drops the lines of all files past `step`, and broken ones: before a resume goes on from there.
  /// Changes by hand (run_edits.h) stay, since the resume makes them again.
  Status truncate_after(std::int64_t step) const;
  /// The same of metrics and events alone: answers of the step that is being logged stand already.
  Status cut_records_after(std::int64_t step) const;
  /// Drops what waits to be made again of this setting past `step`: it was changed anew.
  Status forget_edits(const std::string& setting, std::int64_t step) const;

  /// Where to write the checkpoint of `step`; commit() makes it whole (it replaces one of the same
  /// step).
  Result<FolderWriter> begin_checkpoint(std::int64_t step) const;
  /// Those whose manifest names files that are all there with their sizes, ascending. Cheap.
  std::vector<Checkpoint> checkpoints() const;
  /// The newest whose checksums hold too; nullopt when there is none.
  std::optional<Checkpoint> newest_whole_checkpoint() const;
  /// Deletes the oldest beyond `save_total_limit` (0 or less keeps all) after a save, as
  /// transformers' rotate_checkpoints: the newest one and those of `keep` (steps) are counted and
  /// never deleted; nor is the newest one that is whole to the checksum.
  Status rotate(std::int64_t save_total_limit, const std::set<std::int64_t>& keep = {}) const;
  /// Deletes all but the checkpoint of `step`; nothing where that one is not whole.
  Status keep_alone(std::int64_t step) const;

  /// The recipe that it runs by, as written.
  Result<std::string> read_recipe_yaml() const;

 private:
  RunFolder() = default;
  std::filesystem::path path_;
  std::shared_ptr<const void> lock_;  ///< held while this or a copy lives; null when only looked at
};

/// What `train RECIPE [--resume RUN]` is to do.
struct PreparedRun {
  enum class Kind {
    Fresh,     ///< start at step 0; recipe.yaml is written. Of a resume without a checkpoint the
               ///< changes by hand stay among the events, to be made again
    Resume,    ///< go on from `checkpoint`; lines past its step are dropped
    Finished,  ///< nothing to do: it ran to its end before
  } kind = Kind::Fresh;
  RunFolder folder;
  std::optional<Checkpoint> checkpoint;  ///< Resume
  std::optional<RunManifest> recorded;   ///< Resume, Finished: run.json, where it can be read
  /// Fresh: changes by hand of the run that it replaces, which are not made again.
  std::size_t forgotten_edits = 0;
};

/// `recipe` as it will run. Without `resume_run` its output_dir is the folder. A resume whose
/// settings differ from the folder's recipe.yaml is an Input error that lists them; paths (model,
/// datasets, output_dir, init_from) may differ, for what they hold is compared by
/// check_same_inputs, and so may gradient_checkpointing, save_total_limit and save_minutes, which
/// change no number. The device may be another, the compute type not (resume_device.h).
Result<PreparedRun> prepare_run(const Recipe& recipe,
                                const std::optional<std::filesystem::path>& resume_run = {});

/// Whether a resume reads the same model and data as `recorded`, in the same compute type: an Input
/// error says which changed. Empty fingerprints there are not compared.
Status check_same_inputs(const RunManifest& recorded, const RunManifest& now);

/// SHA-256 over a model folder's configuration, tokenizer and weights (name, size, bytes; of weight
/// files above 256 MiB the header and samples from the whole length, so that it takes seconds on
/// any model).
Result<std::string> fingerprint_model(const std::filesystem::path& folder);

/// One run of a list.
struct RunSummary {
  std::filesystem::path path;
  std::string name;      ///< the folder's
  RunManifest manifest;  ///< state Interrupted where it says running and nobody holds the lock
  std::optional<std::int64_t> newest_checkpoint;
  bool has_adapter = false;
  bool active = false;  ///< a process trains in it now
  std::string problem;  ///< why run.json could not be read; empty if it could
};

/// The runs directly in `folder`, newest first. What is not a run is skipped; a broken one is
/// listed with its problem. An absent folder has none.
std::vector<RunSummary> list_runs(const std::filesystem::path& folder);
/// One run's row of that list; an Input error when it is not a run.
Result<RunSummary> summarize_run(const std::filesystem::path& folder);

}  // namespace luthier
