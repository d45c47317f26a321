// SPDX-License-Identifier: GPL-3.0-or-later
// What a run writes down: run.json (its state and what it was made of), one line a logged step in
// metrics.jsonl, one line a happening in events.jsonl. Files are the truth, so every record reads
// back from its own text and tolerates fields of later versions.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/result.h"
#include "engine/io/json.h"

namespace luthier {

enum class RunState { Created, Running, Paused, Finished, Stopped, Failed, Interrupted };

/// "running"; English, as run.json writes it.
std::string run_state_name(RunState state);
std::optional<RunState> run_state_from_name(std::string_view name);

/// Now, as "2026-01-31T12:00:00.000Z".
std::string utc_now();

/// The version of the folder's layout and files. Runs of older versions still open; those of newer
/// ones are refused for training.
inline constexpr std::int64_t kRunFormatVersion = 1;
std::string luthier_version();

/// run.json.
struct RunManifest {
  RunState state = RunState::Created;
  std::int64_t format_version = kRunFormatVersion;
  std::string version;  ///< of the program that wrote it
  std::string device, dtype;
  std::string card;          ///< the CUDA device's name; empty: another device, or not known
  std::string products;      ///< who makes float32 products on the CPU (device/product_library)
  std::int64_t threads = 0;  ///< that share a sum on the CPU; 0: another device, or not recorded
  /// Processes that it was begun with: recipe.yaml's accumulation is of all of them.
  std::int64_t ranks = 1;
  /// Its micro-batches are filled up to the sizes of recorded steps (train/recorded_steps).
  bool recorded_steps = false;
  /// Of the held-out rows so many are answered at each evaluation, after a resume too.
  std::int64_t held_out_answers = 0;
  std::string model, model_fingerprint;
  std::string base_name;  ///< the model folder's name, for lists
  std::vector<std::string> dataset_fingerprints, eval_dataset_fingerprints;
  std::string strategy, objective;
  std::string started, updated;  ///< UTC
  double seconds = 0;            ///< spent training, over all resumes
  std::int64_t step = 0, total_steps = 0;
  std::int64_t trainable_parameters = 0, parameters = 0;
  std::optional<double> last_loss, best_eval_loss;
  std::int64_t peak_memory = 0;  ///< bytes
  std::string error;             ///< the sentence that ended it; empty if none

  bool operator==(const RunManifest&) const = default;
};

Json to_json(const RunManifest& manifest);
Result<RunManifest> manifest_from_json(const Json& json, const std::string& where);

/// Bytes by part.
struct MetricsMemory {
  std::int64_t weights = 0, adapter = 0, gradients = 0, optimizer = 0, activations = 0;
  std::int64_t allocated = 0, reserved = 0, peak = 0, rss = 0;
  bool operator==(const MetricsMemory&) const = default;
};

/// A line of metrics.jsonl. A number that is not finite is written as null and read back as
/// not-a-number.
struct MetricsLine {
  std::int64_t step = 0;
  double epoch = 0, loss = 0, grad_norm = 0, learning_rate = 0;
  std::int64_t tokens = 0;
  double tokens_per_second = 0, step_seconds = 0;
  MetricsMemory memory;
  std::optional<double> eval_loss;
  /// What the objective tells besides, by TRL's names; of an evaluation under "eval_".
  std::map<std::string, double> figures;
  bool operator==(const MetricsLine&) const = default;
};

Json to_json(const MetricsLine& line);
Result<MetricsLine> metrics_from_json(const Json& json, const std::string& where);

/// A line of events.jsonl. `kind`: started | resumed | device | paused | continued | learning_rate
/// | max_grad_norm | logging_steps | checkpoint | best | early_stop | result | forgetting | warning
/// | alarm | finished | stopped | failed.
struct RunEvent {
  std::int64_t step = 0;
  std::string time;  ///< UTC; empty: append_event sets it
  std::string kind, detail;
  bool operator==(const RunEvent&) const = default;
};

Json to_json(const RunEvent& event);
Result<RunEvent> event_from_json(const Json& json, const std::string& where);

}  // namespace luthier
