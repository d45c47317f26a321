// SPDX-License-Identifier: GPL-3.0-or-later
// Whole runs of the teaching model on the device: done twice, and once more with an interruption
// and a resume in its middle, they end in the same bytes: adapter or model, newest checkpoint,
// metrics.
#include <fstream>
#include <map>

#include <ATen/Parallel.h>

#include "engine/check/checks.h"
#include "engine/io/files.h"
#include "engine/models/loaded_model.h"
#include "engine/train/trainer.h"

namespace luthier {

namespace fs = std::filesystem;

namespace {

constexpr std::int64_t kRunSteps = 6, kStopAfter = 3;

struct RunKind {
  const char* name;
  std::vector<std::string> settings;
};

const std::vector<RunKind>& run_kinds() {
  static const std::vector<RunKind> list{
      {"LoRA with dropout", {"strategy=lora", "adapter.r=4", "adapter.lora_dropout=0.1"}},
      {"full", {"strategy=full"}},
      // Rows come again: what the tower gave for them is kept, and a resume has kept nothing.
      {"LoRA beside a fixed tower",
       {"strategy=lora", "adapter.r=4", "adapter.exclude_modules=.*vision_tower.*"}},
      {"LoRA with checkpointing", {"strategy=lora", "adapter.r=4", "adapter.lora_dropout=0.1"}},
  };
  return list;
}

/// Stops the run, saved, once so many steps are done.
class StopAfter : public TrainObserver {
 public:
  StopAfter(TrainControl& control, std::int64_t steps) : control_(control), steps_(steps) {}
  void on_step(const MetricsLine& line, double) override {
    if (line.step == steps_) control_.stop(/*save=*/true);
  }

 private:
  TrainControl& control_;
  std::int64_t steps_;
};

/// The folder's model with drawn weights, made on the host, then on the card.
Result<LoadedModel> drawn_on(const CheckedCard& card, torch::ScalarType type) {
  LoadOptions options;
  options.device = "cpu", options.random_weights = true;
  options.dtype = type == torch::kBFloat16 ? "bfloat16" : "float32";
  LUTHIER_TRY(LoadedModel loaded, load_model(card.model, options));
  if (card.device.is_cpu()) return loaded;
  LUTHIER_TRY(const Plan plan, loaded.family->read(loaded.config, loaded.folder));
  const auto there = plan.made(torch::TensorOptions().device(card.device).dtype(type));
  const torch::NoGradGuard no_grad;
  const auto from = loaded.model->named_parameters();
  for (auto& item : there->named_parameters()) item.value().copy_(from[item.key()]);
  loaded.model = there;
  loaded.model->eval();
  return loaded;
}

Result<Recipe> run_recipe(const CheckedCard& card, const RunKind& kind, torch::ScalarType type,
                          const fs::path& folder) {
  std::vector<std::string> all{
      "model=" + card.model.string(),
      "init=random",
      "dataset=" + card.rows.string(),
      "output_dir=" + folder.string(),
      "training.device=" + card.name,
      std::string("training.dtype=") + (type == torch::kBFloat16 ? "bfloat16" : "float32"),
      "training.max_steps=" + std::to_string(kRunSteps),
      "training.per_device_train_batch_size=2",
      "training.gradient_accumulation_steps=2",
      "training.learning_rate=1.0e-3",
      "training.loss_on=assistant",
      "training.save_steps=" + std::to_string(kRunSteps),
      "training.save_minutes=0"};
  all.insert(all.end(), kind.settings.begin(), kind.settings.end());
  return parse_recipe("", "gpu-check", all);
}

/// A run takes as many threads as there are cores; the checks behind it have those that were there:
/// the CPU's last bits depend on them, which others' are held against.
class SameThreads {
 public:
  SameThreads() = default;
  ~SameThreads() { at::set_num_threads(before_); }
  SameThreads(const SameThreads&) = delete;
  SameThreads& operator=(const SameThreads&) = delete;

 private:
  const int before_ = at::get_num_threads();
};

/// One run, or its first or second half.
Status run_once(const CheckedCard& card, const RunKind& kind, torch::ScalarType type,
                const fs::path& folder, bool resumes, std::int64_t stop_after) {
  LUTHIER_TRY(const Recipe recipe, run_recipe(card, kind, type, folder));
  LUTHIER_TRY(BegunRun begun,
              begin_run(recipe, resumes ? std::optional<fs::path>(folder) : std::nullopt));
  LUTHIER_TRY(LoadedModel base, drawn_on(card, type));
  TrainerOptions options;
  options.gradient_checkpointing = std::string(kind.name).ends_with("checkpointing");
  TrainControl control;
  StopAfter observer(control, stop_after);
  LUTHIER_TRY(const RunResult result, train(base, std::move(begun), options, control, observer));
  const std::int64_t wanted = stop_after > 0 ? stop_after : kRunSteps;
  if (result.step == wanted) return {};
  return machine_error("The run ended at step " + std::to_string(result.step) + " in place of " +
                       std::to_string(wanted) + ".");
}

/// What must be the same, by its path in the run: whole files, and the metrics without times and
/// memory.
Result<std::map<std::string, std::string>> bytes_of_run(const fs::path& run) {
  std::map<std::string, std::string> found;
  LUTHIER_TRY(const RunFolder folder, RunFolder::open(run));
  const auto checkpoints = folder.checkpoints();
  std::vector<fs::path> roots{run / "adapter", run / "model"};
  if (!checkpoints.empty()) roots.push_back(checkpoints.back().path);
  std::error_code problem;
  for (const fs::path& root : roots) {
    if (!fs::exists(root, problem)) continue;
    for (const auto& entry : fs::recursive_directory_iterator(root, problem)) {
      if (!entry.is_regular_file(problem)) continue;
      LUTHIER_TRY(found[entry.path().lexically_relative(run).string()], sha256_file(entry.path()));
    }
  }
  std::ifstream file(run / "metrics.jsonl");
  std::string text;
  for (std::string line; std::getline(file, line);) {
    LUTHIER_TRY(Json fields, parse_json(line, "metrics.jsonl"));
    for (const char* key : {"memory", "step_seconds", "tokens_per_second"}) fields.erase(key);
    text += fields.dump() + "\n";
  }
  found["metrics.jsonl"] = text;
  return found;
}

/// The names of what differs, a few of them.
std::string differing(const std::map<std::string, std::string>& a,
                      const std::map<std::string, std::string>& b) {
  constexpr std::size_t kMostNamed = 4;
  std::vector<std::string> names;
  for (const auto& [name, bytes] : a) {
    const auto found = b.find(name);
    if (found == b.end() || found->second != bytes) names.push_back(name);
  }
  for (const auto& item : b)
    if (!a.contains(item.first)) names.push_back(item.first);
  std::string text;
  for (std::size_t i = 0; i < names.size() && i < kMostNamed; ++i)
    text += (i ? ", " : "") + names[i];
  if (names.size() > kMostNamed)
    text += " and " + std::to_string(names.size() - kMostNamed) + " more";
  return text;
}

Result<Found> check_runs(const CheckedCard& card, const RunKind& kind, torch::ScalarType type) {
  if (type == torch::kBFloat16 && !card.bfloat16) return Found::skip("the card has no bfloat16");
  const fs::path runs = card.scratch / "runs";
  std::error_code ignored;
  fs::remove_all(runs, ignored);
  const SameThreads threads;
  struct CheckedRun {
    const char* folder;
    bool resumes;
    std::int64_t stop_after;
  };
  for (const CheckedRun& each :
       {CheckedRun{"whole", false, 0}, CheckedRun{"again", false, 0},
        CheckedRun{"cut", false, kStopAfter}, CheckedRun{"cut", true, 0}}) {
    if (std::string why = card.why_over(); !why.empty()) return Found::skip(std::move(why));
    LUTHIER_CHECK(run_once(card, kind, type, runs / each.folder, each.resumes, each.stop_after));
  }
  LUTHIER_TRY(const auto whole, bytes_of_run(runs / "whole"));
  LUTHIER_TRY(const auto again, bytes_of_run(runs / "again"));
  LUTHIER_TRY(const auto cut, bytes_of_run(runs / "cut"));
  const std::string twice = differing(whole, again), resumed = differing(whole, cut);
  Found found;
  found.good = twice.empty() && resumed.empty() && whole.size() > 3;
  found.detail = std::to_string(kRunSteps) + " steps, " + std::to_string(whole.size()) + " files: ";
  found.detail += twice.empty() ? "twice the same bytes" : "a second run differs in " + twice;
  found.detail +=
      resumed.empty() ? ", and after an interruption" : "; a resumed run differs in " + resumed;
  found.figures = {{"files", whole.size()}, {"second", twice}, {"resumed", resumed}};
  return found;
}

std::vector<Check> run_checks_of(const CheckedCard& card, torch::ScalarType type) {
  std::vector<Check> checks;
  for (const RunKind& kind : run_kinds())
    checks.push_back({kind.name, [&card, &kind, type] { return check_runs(card, kind, type); }});
  return checks;
}

}  // namespace

std::vector<Check> run_checks_float32(const CheckedCard& card) {
  return run_checks_of(card, torch::kFloat32);
}
std::vector<Check> run_checks_bfloat16(const CheckedCard& card) {
  return run_checks_of(card, torch::kBFloat16);
}

}  // namespace luthier
