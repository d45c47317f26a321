// SPDX-License-Identifier: GPL-3.0-or-later
// A reward model is asked about answers that stand in a comparison.
#include <limits>

#include "engine/base/text.h"
#include "engine/compare/result_folder.h"
#include "engine/compare/reward_scores.h"
#include "engine/device/failure.h"
#include "engine/device/memory.h"
#include "engine/objectives/reward_model.h"
#include "engine/session/model_worker.h"

namespace luthier {

namespace {

AnswersScored rewards_in(const Comparison& comparison, RequestId request) {
  AnswersScored scored{request, {}};
  for (const ComparisonRow& row : comparison.rows) {
    scored.rewards.emplace_back();
    for (const ComparisonAnswer& answer : row.answers) {
      const auto found = answer.scores.find(kRewardScore);
      scored.rewards.back().push_back(
          found == answer.scores.end() ? std::numeric_limits<double>::quiet_NaN() : found->second);
    }
  }
  return scored;
}

}  // namespace

Status ModelWorker::score_answers(Comparison asked, const std::filesystem::path& folder,
                                  RequestId request) {
  LUTHIER_CHECK(need_base());
  LUTHIER_TRY(const ResultFolder found, find_result(folder));
  const auto cancelled = [&] { return host_.cancellations->cancelled(request); };
  LoadOptions options = base_options_;
  options.random_weights = false;
  options.pixels = {};  // its own adapter or processor says how it sees pictures
  options.go_on = [&](double) { return !cancelled(); };
  host_.emit(Progress{request, "Loading the reward model", 0, 0});
  const auto watch = [&](std::size_t done, std::size_t total) {
    host_.emit(Progress{request, "Scoring answers", static_cast<double>(done),
                        static_cast<double>(total)});
    return !cancelled();
  };
  Status status;
  try {
    auto model = RewardModel::open(base_->folder, found.folder, options);
    status = model ? score_by_reward(asked, **model, watch) : Status(model.error());
  } catch (const std::exception& failure) {
    status = device_failure(
        failure,
        machine_error("Memory ran out while the reward model was asked.", folder.string(),
                      "It stands beside the base. A smaller one, or another dtype, takes less."),
        machine_error(first_line(failure.what()), folder.string()), base_->model->device().str());
  }
  release_cached_memory(base_->model->device());
  if (status) host_.emit(rewards_in(asked, request));
  return status;
}

}  // namespace luthier
