// SPDX-License-Identifier: GPL-3.0-or-later
// Adapters as one: made in memory, asked, proven, put into the resident base and taken out again,
// written to a folder; and what of its rank an adapter uses.
#include <unistd.h>

#include "engine/compare/compare.h"
#include "engine/compare/result_folder.h"
#include "engine/device/memory.h"
#include "engine/methods/arithmetic/combine.h"
#include "engine/methods/merge.h"
#include "engine/session/model_worker.h"
#include "engine/session/worker_asking.h"

namespace luthier {
namespace fs = std::filesystem;

struct ModelWorker::Merge {
  std::shared_ptr<Adapter> adapter;
  fs::path where;  ///< of one adapter its folder; of several the first one's
  CombineReport report;
};

namespace {

/// The adapters' own folders.
Result<std::vector<fs::path>> adapter_folders(const MergeRecipe& recipe) {
  if (recipe.folders.empty())
    return input_error("There is no adapter to merge.", "", "Choose one or several.");
  std::vector<fs::path> folders;
  for (const fs::path& named : recipe.folders) {
    LUTHIER_TRY(const ResultFolder found, find_result(named));
    if (found.whole)
      return input_error("This is a whole checkpoint, and adapters are combined here.",
                         found.folder.string(),
                         "Whole checkpoints are merged by `luthier-cli merge-models`.");
    folders.push_back(found.folder);
  }
  return folders;
}

/// One adapter as it is: nothing is computed of it, so that its method need have no arithmetic.
bool taken_as_is(const MergeRecipe& recipe) {
  return recipe.folders.size() == 1 && recipe.how.weights.size() == 1 &&
         recipe.how.weights.front() == 1;
}

/// A folder for a combined adapter on its way into a checkpoint; gone with this.
struct Scratch {
  fs::path path = fs::temp_directory_path() / ("luthier-merge-" + std::to_string(::getpid()));
  ~Scratch() {
    std::error_code ignored;
    fs::remove_all(path, ignored);
  }
};

}  // namespace

Status ModelWorker::need_plain_base() const {
  LUTHIER_CHECK(need_base());
  if (!merged_) return {};
  return input_error("The base holds a merge.", "", "Undo it first.");
}

Result<ModelWorker::Merge> ModelWorker::make_merge(const MergeRecipe& recipe) {
  LUTHIER_TRY(const std::vector<fs::path> folders, adapter_folders(recipe));
  Merge merge;
  merge.where = folders.front();
  if (taken_as_is(recipe)) {
    LUTHIER_TRY(merge.adapter, load_adapter(*base_, folders.front()));
    merge.report = {"linear", merge.adapter->settings().r, 0, {}};
  } else {
    LUTHIER_TRY(Combined combined, combine_in_memory(folders, recipe.how));
    LUTHIER_TRY(merge.adapter, load_combined(*base_, combined));
    merge.report = std::move(combined.report);
  }
  merge.adapter->set_training(false, 0);
  return merge;
}

Status ModelWorker::answer_merged(const MergeRecipe& recipe, AnswerRequest asked,
                                  RequestId request) {
  if (host_.cancellations->cancelled(request)) return interrupted_error();
  LUTHIER_CHECK(need_plain_base());
  LUTHIER_CHECK(check_pictures(asked.samples));
  asked.columns = {std::nullopt};
  Asking asking{asked, request};
  try {
    LUTHIER_TRY(const Merge merge, make_merge(recipe));
    host_.emit(MergeMade{request, merge.report.combination_type, merge.report.rank,
                         merge.report.modules, merge.report.notes});
    if (host_.cancellations->cancelled(request)) return interrupted_error();
    ResidentColumn column{merge.adapter, nullptr};
    LUTHIER_TRY(column.processor, column_processor(merge.adapter.get()));
    if (live_) live_->deactivate();  // the trainer puts its own back
    LUTHIER_CHECK(answer_columns(*base_, {column}, asked.samples, asked.draws, asked.options,
                                 [&](std::size_t, std::size_t sample, const Generated& answer) {
                                   return tell_answer(asking, 0, sample, answer);
                                 }));
    if (host_.cancellations->cancelled(request)) return interrupted_error();
    auto proof = ResidentMerge::begin(*base_, *merge.adapter, merge.where);
    MergeProved proved{request};
    if (proof)
      proved.difference = proof->difference(), proved.limit = proof->limit();
    else
      proved.refused = proof.error();
    host_.emit(std::move(proved));
  } catch (const std::exception& failure) {
    return answering_failure(failure, *base_);
  }
  return {};
}

Status ModelWorker::merge_into_base(const MergeRecipe& recipe, RequestId request) {
  LUTHIER_CHECK(need_plain_base());
  LUTHIER_TRY(const Merge merge, make_merge(recipe));
  LUTHIER_TRY(ResidentMerge made, ResidentMerge::begin(*base_, *merge.adapter, merge.where));
  merged_.emplace(std::move(made));
  merged_pixels_ = merge.adapter->pixels;
  host_.emit(
      BaseMerged{request, recipe, merged_->difference(), merged_->limit(), merged_->kept_bytes()});
  return {};
}

Status ModelWorker::undo_merge() {
  if (!merged_) return {};
  merged_->undo();
  merged_.reset();
  merged_pixels_ = {};
  release_cached_memory(base_->model->device());
  host_.emit(MergeUndone{});
  return {};
}

Status ModelWorker::save_combined(const MergeRecipe& recipe, const fs::path& out,
                                  RequestId request) {
  LUTHIER_TRY(const std::vector<fs::path> folders, adapter_folders(recipe));
  LUTHIER_TRY(const CombineReport report, combine_adapters(folders, recipe.how, out));
  host_.emit(MergeWritten{request, out, false, {}, report.rank, report.modules, report.notes});
  return {};
}

Status ModelWorker::write_merged(const MergeRecipe& recipe, const fs::path& out,
                                 RequestId request) {
  LUTHIER_CHECK(need_base());
  LUTHIER_TRY(const std::vector<fs::path> folders, adapter_folders(recipe));
  MergeOptions options;
  options.go_on = [&](double share) {
    host_.emit(Progress{request, "Reading the weights", share, 1});
    return !host_.cancellations->cancelled(request);
  };
  const Scratch scratch;
  fs::path adapter = folders.front();
  if (!taken_as_is(recipe)) {
    adapter = scratch.path;
    LUTHIER_TRY(const CombineReport report, combine_adapters(folders, recipe.how, adapter));
  }
  LUTHIER_TRY(const MergeReport report, merge_adapter(base_->folder, adapter, out, options));
  host_.emit(MergeWritten{request, out, true, report.sentence()});
  return {};
}

Status ModelWorker::find_ranks(const fs::path& folder, RequestId request) {
  LUTHIER_TRY(const ResultFolder found, find_result(folder));
  if (found.whole)
    return input_error("This is a whole checkpoint, and ranks are an adapter's.",
                       found.folder.string());
  LUTHIER_TRY(AdapterRanks ranks, adapter_ranks(found.folder));
  host_.emit(RanksFound{request, found.folder, std::move(ranks)});
  return {};
}

}  // namespace luthier
