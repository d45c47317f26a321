// SPDX-License-Identifier: GPL-3.0-or-later
// Proximal policy optimization with a value model (Schulman et al. 2017; of language models as in
// Ziegler et al. 2019), equal to the formulas of TRL 1.9's PPOTrainer, the last one, which takes no
// pictures. One sample of each prompt; what its tokens are worth is made once for a generation
// (ppo_worth.h), with the log-probabilities and values of when it was drawn.
#include <algorithm>
#include <cmath>

#include "engine/objectives/asked_samples.h"
#include "engine/objectives/companion.h"
#include "engine/objectives/completions.h"
#include "engine/objectives/drawn_answers.h"
#include "engine/objectives/given_samples.h"
#include "engine/objectives/judges.h"
#include "engine/objectives/ppo_worth.h"
#include "engine/objectives/reward_model.h"
#include "engine/objectives/scored.h"

namespace luthier {

namespace {

using torch::Tensor;

constexpr const char *kReward = "reward", *kAdvantage = "advantage", *kReturn = "return";

struct PpoSettings {
  std::int64_t width = 53;
  double temperature = 0.7;
  double clip = 0.2, clip_values = 0.2, value_weight = 0.1;
  std::optional<double> missing_eos_penalty;
  ppo::WorthRule worth;
};

/// A row of [n, width] from so many numbers on the host.
void fill_row(const Tensor& rows, std::int64_t row, const std::vector<float>& numbers) {
  const auto count = std::min(rows.size(1), static_cast<std::int64_t>(numbers.size()));
  rows[row].slice(0, 0, count).copy_(torch::tensor(numbers).slice(0, 0, count));
}

/// Each sample's `counts` first numbers of what was made of its tokens, one after another.
Tensor made_of_tokens(const Batch& batch, const char* name,
                      const std::vector<std::int64_t>& counts) {
  std::vector<float> all;
  for (std::size_t i = 0; i < batch.sequences.size(); ++i) {
    const auto& [row, number] = batch.sequences[i];
    const std::vector<float>& own = batch.rows->encoded[row].samples[number].of_tokens.at(name);
    all.insert(all.end(), own.begin(), own.begin() + static_cast<std::ptrdiff_t>(counts[i]));
  }
  return torch::tensor(all);
}

class Ppo : public Objective, public TakesGivenSamples {
 public:
  Ppo(const Recipe& recipe, PpoSettings settings)
      : settings_(std::move(settings)),
        reference_(recipe.more.text("ref_model")),
        given_(!recipe.more.text("ppo.rollouts").empty()),
        judges_(given_ ? std::vector<std::string>()
                       : judging_folder(recipe.more.text("ppo.reward_model")),
                "ppo.reward_model") {
    value_.name = "value_model";
    value_.gradients = "value_grad.";
    value_.field = "ppo.value_model";
    value_.folder = recipe.more.text("ppo.value_model");
    if (value_.folder.empty()) {
      value_.field = "ppo.reward_model";
      value_.folder = recipe.more.text("ppo.reward_model");
    }
    plan_.samples = 1;
    plan_.parts = recipe.more.integer("ppo.num_mini_batches");
    plan_.batches = plan_.parts * step_size(recipe.training, plan_).accumulation;
    plan_.iterations = recipe.more.integer("ppo.num_ppo_epochs");
    plan_.reshuffles = true;
    plan_.given = given_;
    plan_.longest = settings_.width;
  }

  const RowKind& row_kind() const override { return given_ ? rollout_rows() : prompt_rows(); }
  Status can_begin() const override {
    LUTHIER_CHECK(Objective::can_begin());
    for (const std::string& folder : judges_.folders())
      LUTHIER_CHECK(check_judge(folder, "ppo.reward_model"));
    return check_judge(value_.folder, value_.field);
  }
  Status fits(const LoadedModel& base) const override {
    LUTHIER_CHECK(Objective::fits(base));
    return judges_.open(base);
  }
  std::vector<std::string> judging_folders() const override { return judges_.folders(); }
  bool dropout() const override { return false; }  // TRL's disable_dropout
  bool needs_reference() const override { return true; }
  std::string reference_checkpoint() const override { return reference_; }
  CompanionPlan companion() const override { return value_; }
  void take_companion(std::shared_ptr<Companion> companion) override {
    values_ = std::move(companion);
  }
  GenerationPlan generations() const override { return plan_; }
  /// A micro-batch's means are its own.
  std::int64_t count(const MicroBatch& rows) const override { return rows.empty() ? 0 : 1; }

  Status draw(Policy& policy, Generation& generation) override {
    const torch::NoGradGuard no_grad;
    GenerationOptions options;
    options.max_new_tokens = settings_.width;
    options.temperature = settings_.temperature;
    options.seed = generation.seed;
    LUTHIER_TRY(const std::vector<std::string> texts,
                draw_samples(policy.base(), generation, 1, options));
    return judges_.judge(policy.base(), generation, texts);
  }

  Status prepare(Policy& policy, Generation& generation) override {
    if (generation.rows.empty()) return {};
    const torch::NoGradGuard no_grad;
    if (generation.rows.encoded.front().samples.empty()) LUTHIER_CHECK(draw(policy, generation));
    for (const EncodedRow& row : generation.rows.encoded)
      LUTHIER_CHECK(check_given(policy.base(), row, row));
    LUTHIER_CHECK(ask_old(policy, generation));
    LUTHIER_TRY(const ppo::Drawn drawn, drawn_of(policy, generation));
    const ppo::Worth worth = ppo::worth_of(drawn, settings_.worth);
    tell(drawn, worth, generation);
    std::int64_t at = 0;
    each_sample(generation, [&](const EncodedRow&, RowSample& sample, const Example&) {
      for (const auto& [name, rows] : {std::pair{kReward, worth.rewards},
                                       {kAdvantage, worth.advantages},
                                       {kReturn, worth.returns}}) {
        const Tensor own = rows[at].contiguous();
        sample.of_tokens[name].assign(own.const_data_ptr<float>(),
                                      own.const_data_ptr<float>() + own.numel());
      }
      ++at;
    });
    return {};
  }

  Status check_given(const LoadedModel& base, const EncodedRow& row,
                     const EncodedRow& /*first*/) const override {
    LUTHIER_CHECK(check_completions(base, row));
    if (row.samples.size() != 1)
      return input_error("The row has " + std::to_string(row.samples.size()) +
                             " samples, and one of each prompt is learned from.",
                         where_of(row) + ": completion_ids", "Give each sample a row of its own.");
    const RowSample& sample = row.samples.front();
    if (static_cast<std::int64_t>(sample.ids.size()) > settings_.width)
      return input_error("The row's sample has " + std::to_string(sample.ids.size()) +
                             " tokens, and ppo.response_length is " +
                             std::to_string(settings_.width) + ".",
                         where_of(row) + ": completion_ids",
                         "Set response_length to the longest sample's tokens.");
    if (std::isnan(sum_of_rewards(sample)))
      return input_error("The row does not say what its samples are worth.",
                         where_of(row) + ": rewards", "Give a number for each.");
    return {};
  }

  LossSum loss(Policy& policy, const Batch& batch) override {
    const LogProbs now = policy.log_probs(batch, settings_.temperature);
    const std::vector<std::int64_t> valued = valued_places(now.counts);
    const Tensor values = values_of(
        batch, valued, policy.trains() ? BatchMaker::Pass::Training : BatchMaker::Pass::Evaluation);
    const Tensor& own = now.values.log_probs;
    const auto there = [&own](const Tensor& host) { return host.to(own.device()); };
    const Tensor worth = there(made_of_tokens(batch, kAdvantage, now.counts)),
                 aim = there(made_of_tokens(batch, kReturn, valued)),
                 apart = own - there(old_log_probs(batch)), ratio = apart.exp();
    const Tensor plain = -worth * ratio,
                 clipped = -worth * ratio.clamp(1 - settings_.clip, 1 + settings_.clip);
    const Tensor policy_loss = at::max(plain, clipped).mean();
    const Tensor before = there(old_values(batch, valued));
    const Tensor near =
        at::min(at::max(values, before - settings_.clip_values), before + settings_.clip_values);
    const Tensor error = (values - aim).square(), near_error = (near - aim).square();
    const Tensor value_loss = 0.5 * at::max(error, near_error).mean();
    LossSum result;
    result.sum = policy_loss + settings_.value_weight * value_loss;
    result.count = 1;
    const torch::NoGradGuard no_grad;
    // TRL's means are over the whole width: behind an answer both log-probabilities are alike.
    const double places = static_cast<double>(settings_.width) *
                          static_cast<double>(batch.sequences.size()),
                 empty = places - static_cast<double>(own.numel());
    const auto share = [](const Tensor& flags) { return flags.to(torch::kFloat32).mean(); };
    result.figures["policy/approxkl_avg"] = 0.5 * apart.square().sum() / places;
    result.figures["policy/clipfrac_avg"] = share(clipped > plain);
    result.figures["policy/entropy_avg"] = now.values.entropy.mean();
    result.figures["loss/policy_avg"] = policy_loss.detach();
    result.figures["loss/value_avg"] = value_loss.detach();
    result.figures["val/clipfrac_avg"] = share(near_error > error);
    result.figures["val/ratio"] = (ratio.sum() + empty) / places;
    return result;
  }

  NamedTensors shown(Policy& policy, const Batch& batch) override {
    const torch::NoGradGuard no_grad;
    const LogProbs now = policy.log_probs(batch, settings_.temperature),
                   before = policy.reference_log_probs(batch, settings_.temperature);
    NamedTensors tensors = padded(now, batch);
    tensors.emplace_back("ref_logps", before.summed(before.values.log_probs).cpu());
    const std::vector<std::int64_t> whole(batch.sequences.size(), settings_.width);
    for (const auto& [shown_as, name] :
         {std::pair{"token_rewards", kReward}, {"advantages", kAdvantage}, {"returns", kReturn}})
      tensors.emplace_back(shown_as,
                           made_of_tokens(batch, name, whole).view({-1, settings_.width}));
    return tensors;
  }

 private:
  /// Values before each token and, where there is room, behind the last.
  std::vector<std::int64_t> valued_places(std::vector<std::int64_t> counts) const {
    for (std::int64_t& count : counts) count = std::min(count + 1, settings_.width);
    return counts;
  }

  /// The value model's, one sample's first `counts` after another, where this model is.
  Tensor values_of(const Batch& batch, const std::vector<std::int64_t>& counts,
                   BatchMaker::Pass pass) {
    TORCH_CHECK(values_, "nobody has given the objective its value model");
    Policy& model = *values_->policy;
    const Batch own = model.batch(*batch.rows, batch.order, pass);
    ScoredPlaces places;
    places.counts = counts;
    const std::vector<LyingSequence> lying = lying_sequences(own);
    for (std::size_t i = 0; i < lying.size(); ++i) {
      const auto& [row, number] = own.sequences[i];
      const auto all = std::ssize(own.example(i).input_ids),
                 answer = std::ssize(own.rows->encoded[row].samples[number].ids);
      for (std::int64_t at = 0; at < counts[i]; ++at)
        places.tokens.push_back(lying[i].place(all - answer - 1 + at));
    }
    return scores_at(model.model(), own, places).squeeze(1).to(batch.input.input_ids.device());
  }

  /// Who drew, about those samples of which that is not known.
  Status ask_old(Policy& policy, Generation& generation) {
    bool likely = true, valued = true;
    each_sample(generation, [&](const EncodedRow&, const RowSample& sample, const Example&) {
      likely = likely && !sample.old_log_probs.empty();
      valued = valued && !sample.old_values.empty();
    });
    const auto keep = [&](std::vector<float> RowSample::*field) {
      return [&generation, field](const SamplePlace& place, const Tensor& found) {
        std::vector<float>& old = generation.rows.encoded[place.row].samples[place.sample].*field;
        if (old.empty())
          old.assign(found.const_data_ptr<float>(), found.const_data_ptr<float>() + found.numel());
      };
    };
    if (!likely)
      LUTHIER_CHECK(ask_slices(
          policy, generation,
          [&](const Batch& batch) {
            return of_each(policy.log_probs(batch, settings_.temperature));
          },
          keep(&RowSample::old_log_probs)));
    if (valued) return {};
    return ask_slices(
        policy, generation,
        [&](const Batch& batch) {
          std::vector<std::int64_t> counts;
          for (const auto& [row, number] : batch.sequences)
            counts.push_back(
                static_cast<std::int64_t>(batch.rows->encoded[row].samples[number].ids.size() + 1));
          return values_of(batch, counts, BatchMaker::Pass::Evaluation)
              .to(torch::kCPU)
              .split_with_sizes(counts);
        },
        keep(&RowSample::old_values));
  }

  /// What is known of the generation, with what the reference says of it.
  Result<ppo::Drawn> drawn_of(Policy& policy, Generation& generation) {
    const std::int64_t count = generation.samples(), width = settings_.width;
    const auto zeros = [&] { return torch::zeros({count, width}, torch::kFloat32); };
    ppo::Drawn drawn{{}, zeros(), zeros(), zeros(), torch::zeros({count}, torch::kFloat32)};
    std::int64_t at = 0;
    for (const EncodedRow& row : generation.rows.encoded) {
      const RowSample& sample = row.samples.front();
      const auto length = static_cast<std::int64_t>(sample.ids.size());
      drawn.lengths.push_back(length);
      fill_row(drawn.log_probs, at, sample.old_log_probs);
      fill_row(drawn.values, at, sample.old_values);
      double score = sum_of_rewards(sample);
      if (!holds_end(policy.base(), sample)) score -= settings_.missing_eos_penalty.value_or(0);
      drawn.scores[at++] = score;
    }
    LUTHIER_CHECK(ask_slices(
        policy, generation,
        [&](const Batch& batch) {
          return of_each(policy.reference_log_probs(batch, settings_.temperature));
        },
        [&](const SamplePlace& place, const Tensor& found) {
          drawn.reference[static_cast<std::int64_t>(place.row)]
              .slice(0, 0, found.numel())
              .copy_(found);
        }));
    return drawn;
  }

  void tell(const ppo::Drawn& drawn, const ppo::Worth& worth, Generation& generation) const {
    const auto mean = [](const Tensor& rows) { return rows.sum(1).mean().item<double>(); };
    const Tensor tokens = ppo::first_places(drawn.lengths, settings_.width);
    const double penalty = mean(worth.penalty), score = drawn.scores.mean().item<double>();
    generation.figures["objective/kl"] = mean(worth.distance);
    // A place behind an answer counts as a log-probability of 1, as in TRL.
    generation.figures["objective/entropy"] = mean(-drawn.log_probs.masked_fill(tokens == 0, 1.0));
    generation.figures["objective/non_score_reward"] = penalty;
    generation.figures["objective/rlhf_reward"] = penalty + score;
    generation.figures["objective/scores"] = score;
  }

  /// [labels]
  static Tensor old_log_probs(const Batch& batch) {
    std::vector<float> old;
    for (const auto& [row, number] : batch.sequences) {
      const std::vector<float>& own = batch.rows->encoded[row].samples[number].old_log_probs;
      old.insert(old.end(), own.begin(), own.end());
    }
    return torch::tensor(old);
  }

  static Tensor old_values(const Batch& batch, const std::vector<std::int64_t>& counts) {
    std::vector<float> old;
    for (std::size_t i = 0; i < batch.sequences.size(); ++i) {
      const auto& [row, number] = batch.sequences[i];
      const std::vector<float>& own = batch.rows->encoded[row].samples[number].old_values;
      old.insert(old.end(), own.begin(), own.begin() + static_cast<std::ptrdiff_t>(counts[i]));
    }
    return torch::tensor(old);
  }

  const PpoSettings settings_;
  const std::string reference_;
  const bool given_;
  mutable Judges judges_;  ///< opened before any work
  CompanionPlan value_;
  GenerationPlan plan_;
  std::shared_ptr<Companion> values_;
};

}  // namespace

Result<std::unique_ptr<Objective>> make_ppo(const Recipe& recipe) {
  const KindValues& values = recipe.more;
  PpoSettings settings;
  settings.width = values.integer("ppo.response_length");
  settings.temperature = values.number("ppo.temperature") + 1e-7;  // as TRL divides
  settings.clip = values.number("ppo.cliprange");
  settings.clip_values = values.number("ppo.cliprange_value");
  settings.value_weight = values.number("ppo.vf_coef");
  settings.missing_eos_penalty = values.optional_number("ppo.missing_eos_penalty");
  settings.worth = {values.number("ppo.kl_coef"), values.text("ppo.kl_estimator") == "k3",
                    values.number("ppo.gamma"), values.number("ppo.lam"),
                    values.flag("ppo.whiten_rewards")};
  return std::unique_ptr<Objective>(std::make_unique<Ppo>(recipe, std::move(settings)));
}

}  // namespace luthier
