// SPDX-License-Identifier: GPL-3.0-or-later
// What `train` does with the folder that it finds: start, go on, refuse, or nothing.
#include <algorithm>
#include <functional>

#include "engine/base/log.h"
#include "engine/io/safetensors.h"
#include "engine/runs/changed_settings.h"
#include "engine/runs/resume_device.h"
#include "engine/runs/run_edits.h"
#include "engine/runs/run_folder.h"
#include "engine/runs/run_parent.h"

namespace luthier {

namespace fs = std::filesystem;

namespace {

/// Settings that name places: what is there is compared by fingerprint instead. Device and compute
/// type have rules of their own (resume_device.h).
bool is_place(const std::string& key) {
  return key == "model" || key == "dataset" || key == "eval_dataset" || key == "replay.dataset" ||
         key == "image_folder" || key == "samples.dataset" || key == "forgetting.dataset" ||
         key == "output_dir" || key == "adapter.init_from" || key == "training.device" ||
         key == "training.dtype";
}

/// Settings that change no number of the result: what to lower when memory ran out, whether a run
/// is tried that may not fit, how much is kept, how often by the clock, and what becomes of a
/// picture that is met broken.
bool is_free(const std::string& key) {
  return key == "training.gradient_checkpointing" || key == "training.save_total_limit" ||
         key == "training.save_minutes" || key == "image.on_error" ||
         key == "training.on_low_memory";
}

/// The settings in which `recipe` differs from the one recorded in `run`; an error when that one
/// cannot be read.
Result<std::vector<FieldDifference>> changed_in(const RunFolder& run, const Recipe& recipe) {
  LUTHIER_TRY(const std::string yaml, run.read_recipe_yaml());
  LUTHIER_TRY(const Recipe recorded, parse_recipe(yaml, (run.path() / "recipe.yaml").string()));
  return changed_settings(recorded, recipe);
}

std::string shown(const std::vector<std::string>& fingerprints) {
  std::string text;
  for (const std::string& each : fingerprints) text += (text.empty() ? "" : " ") + each;
  return text;
}

/// How often a person changed a setting of the run that is there.
std::size_t edits_in(const fs::path& folder) {
  const auto run = RunFolder::open(folder);
  if (!run) return 0;
  const std::vector<RunEvent> events = run->read_events();
  return static_cast<std::size_t>(
      std::count_if(events.begin(), events.end(),
                    [](const RunEvent& event) { return edit_of(event).has_value(); }));
}

/// From step 0. `same_run`: the one that is there is begun again.
Result<PreparedRun> fresh(const Recipe& recipe, const fs::path& folder, bool same_run = false) {
  const std::size_t edits = same_run ? 0 : edits_in(folder);
  LUTHIER_TRY(RunFolder run, RunFolder::create(folder, recipe_to_yaml(recipe), same_run));
  return PreparedRun{PreparedRun::Kind::Fresh, std::move(run), std::nullopt, std::nullopt, edits};
}

constexpr std::uint64_t kHashWholeUpTo = 256u << 20;
constexpr std::uint64_t kSampleBytes = 1u << 20;
constexpr std::uint64_t kSamples = 64;

/// A weight file's contribution: all of it, or of a large one its header and samples from the whole
/// length.
Result<std::string> weight_digest(const fs::path& path) {
  LUTHIER_TRY(const SafetensorsFile file, SafetensorsFile::open(path));
  if (file.size() <= kHashWholeUpTo) return sha256_file(path);
  std::string digests;
  for (const auto& [name, info] : file.header().tensors) {
    digests += Json(name).dump() + dtype_name(info.dtype) + std::to_string(info.begin) + "-" +
               std::to_string(info.end) + ";";
  }
  const std::uint64_t length = file.header().tensors.back().second.end;
  std::vector<std::byte> piece(std::min(kSampleBytes, length));
  for (std::uint64_t i = 0; i < kSamples; ++i) {
    const std::uint64_t at =
        length <= kSampleBytes ? 0 : (length - kSampleBytes) / (kSamples - 1) * i;
    const std::span<std::byte> sample(piece.data(), std::min(kSampleBytes, length - at));
    LUTHIER_CHECK(file.read(at, sample));
    digests += sha256_bytes(sample);
  }
  return sha256_bytes(std::as_bytes(std::span(digests.data(), digests.size())));
}

}  // namespace

std::vector<FieldDifference> changed_settings(const Recipe& recorded, const Recipe& now) {
  std::vector<FieldDifference> changed = recipe_differences(recorded, now);
  std::erase_if(
      changed, [](const FieldDifference& each) { return is_place(each.key) || is_free(each.key); });
  return changed;
}

std::string changes_text(const std::vector<FieldDifference>& changed, const std::string& prefix) {
  std::string text;
  for (const FieldDifference& each : changed) {
    text += (text.empty() ? "" : "; ") + prefix + each.key + " was " + each.left + " and is now " +
            each.right;
  }
  return text;
}

Result<PreparedRun> prepare_run(const Recipe& recipe, const std::optional<fs::path>& resume_run) {
  if (!resume_run) return fresh(recipe, recipe.output_dir);
  std::error_code problem;
  if (!fs::exists(*resume_run, problem) ||
      (fs::is_directory(*resume_run, problem) && fs::is_empty(*resume_run, problem)))
    return fresh(recipe, *resume_run);
  LUTHIER_TRY(RunFolder run, RunFolder::open_for_training(*resume_run));
  std::optional<RunManifest> recorded;
  if (auto manifest = run.read_manifest()) recorded = manifest.take();
  if (recorded && recorded->format_version > kRunFormatVersion) {
    return input_error("A newer version of Luthier (" + recorded->version + ") wrote this run.",
                       run.path().string(), "Use that version to go on.");
  }
  if (recorded && recorded->state == RunState::Finished) {
    const auto changed = changed_in(run, recipe);
    if (changed && !changed->empty())
      log_warning("The run is finished, by other settings than these: " + changes_text(*changed) +
                  ".");
    return PreparedRun{PreparedRun::Kind::Finished, std::move(run), std::nullopt,
                       std::move(recorded), 0};
  }
  const std::optional<Checkpoint> checkpoint = run.newest_whole_checkpoint();
  if (!checkpoint) {
    const fs::path folder = run.path();
    // Started over it would begin with the base, and say that it is a fork.
    if (read_run_parent(folder))
      return input_error("The checkpoint that this fork begins with is broken or gone.",
                         folder.string(), "Fork the run anew.");
    // By other settings it is another run.
    const auto changed = changed_in(run, recipe);
    { const RunFolder released = std::move(run); }
    return fresh(recipe, folder, changed.ok() && changed->empty());
  }
  LUTHIER_TRY(const std::vector<FieldDifference> changed, changed_in(run, recipe));
  if (!changed.empty()) {
    return input_error("The run was started with other settings: " + changes_text(changed) + ".",
                       run.path().string(),
                       "Resume with the same settings, or start a new run in another output_dir.");
  }
  if (recorded) LUTHIER_CHECK(resumed_dtype(recipe.training.dtype, *recorded, run.path().string()));
  LUTHIER_CHECK(run.truncate_after(checkpoint->step));
  return PreparedRun{PreparedRun::Kind::Resume, std::move(run), checkpoint, std::move(recorded), 0};
}

Status check_same_inputs(const RunManifest& recorded, const RunManifest& now) {
  if (!now.dtype.empty()) LUTHIER_CHECK(resumed_dtype(now.dtype, recorded, recorded.model));
  const auto refuse = [&](const char* what, const std::string& before, const std::string& after,
                          const std::string& where) {
    return input_error(
        std::string("The ") + what + " changed since the run was started (fingerprint " + before +
            ", now " + after + ").",
        where, "Resume with what it was started with, or start a new run in another output_dir.");
  };
  if (!recorded.model_fingerprint.empty() && recorded.model_fingerprint != now.model_fingerprint) {
    return refuse("model", recorded.model_fingerprint, now.model_fingerprint, "model");
  }
  // Of the rows' file, and behind it of the files that rows name, which older runs do not have.
  const auto compare = [&](const std::vector<std::string>& before,
                           const std::vector<std::string>& after, const char* rows,
                           const char* beside, const char* field) -> Status {
    if (before.empty()) return {};
    if (after.empty() || before.front() != after.front())
      return refuse(rows, shown(before), shown(after), field);
    if (before.size() < 2) return {};
    const std::vector<std::string> was(before.begin() + 1, before.end()),
        is(after.begin() + 1, after.end());
    if (was == is) return {};
    if (recorded.error.empty())
      return refuse(beside, shown(was), is.empty() ? "none" : shown(is), field);
    log_warning("The " + std::string(beside) +
                " changed since the run was started. It had stopped by a fault, which may be what "
                "was repaired: it goes on with what they are now.");
    return {};
  };
  LUTHIER_CHECK(compare(recorded.dataset_fingerprints, now.dataset_fingerprints, "dataset",
                        "files that its rows name (pictures, films, masks or regions)", "dataset"));
  return compare(
      recorded.eval_dataset_fingerprints, now.eval_dataset_fingerprints, "evaluation dataset",
      "files that the evaluation's rows name (pictures, films, masks or regions)", "eval_dataset");
}

Result<std::string> fingerprint_model(const fs::path& folder) {
  std::vector<fs::path> files;
  std::error_code problem;
  fs::directory_iterator walk(folder, problem);
  for (const fs::directory_iterator end; !problem && walk != end; walk.increment(problem)) {
    const std::string suffix = walk->path().extension().string();
    if (suffix == ".json" || suffix == ".model" || suffix == ".jinja" || suffix == ".txt" ||
        suffix == ".safetensors")
      files.push_back(walk->path());
  }
  if (problem)
    return input_error("This folder cannot be read: " + problem.message() + ".", folder.string());
  std::sort(files.begin(), files.end());
  std::string all;
  for (const fs::path& path : files) {
    LUTHIER_TRY(const std::string digest,
                path.extension() == ".safetensors" ? weight_digest(path) : sha256_file(path));
    all += path.filename().string() + "\n" + digest + "\n";
  }
  return sha256_bytes(std::as_bytes(std::span(all.data(), all.size())));
}

}  // namespace luthier
