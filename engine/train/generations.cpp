// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/train/generations.h"

#include "engine/objectives/drawn_answers.h"

namespace luthier {

namespace {

/// The samples that its rows were given: tokens and rewards of each.
Json samples_of(const Generation& generation) {
  Json rows = Json::array();
  for (const EncodedRow& row : generation.rows.encoded) {
    Json samples = Json::array();
    for (const RowSample& sample : row.samples)
      samples.push_back(Json{{"ids", sample.ids}, {"rewards", sample.rewards}});
    rows.push_back(Json{{"names", row.reward_names}, {"samples", std::move(samples)}});
  }
  return rows;
}

/// Those of another rank.
void take_samples(Generation& generation, const Json& rows) {
  for (std::size_t i = 0; i < generation.rows.encoded.size(); ++i) {
    EncodedRow& row = generation.rows.encoded[i];
    row.reward_names = rows.at(i).at("names").get<std::vector<std::string>>();
    std::vector<RowSample> samples;
    for (const Json& each : rows.at(i).at("samples")) {
      RowSample& sample = samples.emplace_back();
      sample.ids = each.at("ids").get<std::vector<TokenId>>();
      sample.rewards = each.at("rewards").get<std::vector<double>>();
    }
    give_samples(row, std::move(samples));
  }
  generation.drawn = true;
}

}  // namespace

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
  std::vector<std::shared_ptr<Generation>> begins;
  std::vector<std::size_t> places;
  for (BegunGeneration& begun : window.generations) {
    const std::int64_t batch = first_batch + static_cast<std::int64_t>(begun.batch);
    auto made = std::make_shared<Generation>(make(std::move(begun.rows), batch / plan.every()));
    made->go_on = go_on;
    made->shared = work_ ? &*work_ : nullptr;
    begins.push_back(std::move(made));
    places.push_back(begun.batch);
  }
  if (work_) LUTHIER_CHECK(draw(begins, policy));
  std::size_t next = 0;
  for (std::size_t i = 0; i < window.batches.size(); ++i) {
    const std::int64_t batch = first_batch + static_cast<std::int64_t>(i);
    if (next < begins.size() && places[next] == i) {
      const std::shared_ptr<Generation>& made = begins[next++];
      LUTHIER_CHECK(objective_.prepare(policy, *made));
      made->go_on = {};
      made->shared = nullptr;
      latest_ = made;
      begun_.push_back(made);
    }
    if (!latest_)
      return input_error("The samples that this step goes on with are not there.", "checkpoint",
                         "Start a new run in another output_dir.");
    if (!part_.has(static_cast<std::int64_t>(i))) continue;
    window.batches[i] = slice_of(*latest_, batch % (plan.reshuffles ? plan.every() : plan.batches));
  }
  return {};
}

Status Generations::draw(const std::vector<std::shared_ptr<Generation>>& begins,
                         Policy& policy) const {
  std::vector<Generation*> draws;
  for (const std::shared_ptr<Generation>& each : begins) {
    const bool brings = each->rows.empty() || !each->rows.encoded.front().samples.empty();
    if (!brings && !plan_->generations.given) draws.push_back(each.get());
  }
  if (draws.empty()) return {};
  LUTHIER_TRY(const std::vector<Json> all, work_->each(
                                               draws.size(),
                                               [&](std::size_t i) -> Result<Json> {
                                                 LUTHIER_CHECK(objective_.draw(policy, *draws[i]));
                                                 return samples_of(*draws[i]);
                                               },
                                               draws.front()->number));
  for (std::size_t i = 0; i < draws.size(); ++i)
    if (!draws[i]->drawn) take_samples(*draws[i], all[i]);
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
