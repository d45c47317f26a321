// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/train/generations.h"

namespace luthier {

void Generations::set_plan(const StepPlan& plan, bool shuffles, std::uint64_t seed) {
  plan_ = plan;
  shuffles_ = shuffles;
  seed_ = seed;
}

Generation Generations::make(MicroBatch rows, std::int64_t number) const {
  Generation made;
  made.rows = std::move(rows);
  made.number = number;
  if (!plan_) return made;
  made.slices = plan_->generations.batches;
  // Where samples of a prompt are held against one another they stay together.
  made.shuffles = shuffles_ && plan_->generations.learned == 0;
  made.reshuffles = plan_->generations.reshuffles;
  made.fresh = plan_->generations.fits_into(plan_->accumulation);
  // Micro-batches have their seeds by their numbers from 0 on.
  made.seed = stream_seed(~seed_, static_cast<std::uint64_t>(number));
  return made;
}

Status Generations::fill(Window& window, Policy& policy, std::int64_t first_batch,
                         const std::function<bool()>& go_on) {
  begun_.clear();
  latest_ = current_;
  if (!plan_) {
    for (BegunGeneration& begun : window.generations) {
      LUTHIER_TRY(Generation made, alone(std::move(begun.rows), policy, /*seed=*/0));
      window.batches[begun.batch] = slice_of(made, 0);
      begun_.push_back(std::make_shared<const Generation>(std::move(made)));
    }
    return {};
  }
  const GenerationPlan& plan = plan_->generations;
  auto next = window.generations.begin();
  for (std::size_t i = 0; i < window.batches.size(); ++i) {
    const std::int64_t batch = first_batch + static_cast<std::int64_t>(i);
    if (next != window.generations.end() && next->batch == i) {
      auto made = std::make_shared<Generation>(make(std::move(next->rows), batch / plan.every()));
      made->go_on = go_on;
      LUTHIER_CHECK(objective_.prepare(policy, *made));
      made->go_on = {};
      latest_ = made;
      begun_.push_back(made);
      ++next;
    }
    if (!latest_)
      return input_error("The samples that this step goes on with are not there.", "checkpoint",
                         "Start a new run in another output_dir.");
    window.batches[i] = slice_of(*latest_, batch % (plan.reshuffles ? plan.every() : plan.batches));
  }
  return {};
}

void Generations::keep() { current_ = latest_; }

Result<Generation> Generations::alone(MicroBatch rows, Policy& policy, std::uint64_t seed) {
  Generation made;
  made.rows = std::move(rows);
  made.seed = seed;
  LUTHIER_CHECK(objective_.prepare(policy, made));
  return made;
}

Status Generations::restore(MicroBatch rows, Policy& policy, std::int64_t number) {
  auto made = std::make_shared<Generation>(make(std::move(rows), number));
  LUTHIER_CHECK(objective_.prepare(policy, *made));
  current_ = made;
  return {};
}

}  // namespace luthier
