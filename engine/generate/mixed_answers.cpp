// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/generate/mixed_answers.h"

#include <algorithm>
#include <limits>
#include <map>

#include "engine/base/text.h"
#include "engine/device/failure.h"
#include "engine/device/threads.h"
#include "engine/generate/answer_room.h"
#include "engine/generate/answer_text.h"
#include "engine/generate/ruled_scores.h"
#include "engine/generate/token_choice.h"

namespace luthier {

namespace {

using torch::Tensor;

constexpr std::size_t kMixedAtOnce = 32;

/// Prompts of one length, which are read and continued in step.
class MixedBatch {
 public:
  MixedBatch(const LoadedModel& loaded, const MixedWith& other, const GenerationOptions& options,
             const RuledScores& rules, const std::vector<TokenId>& ends,
             std::vector<std::size_t> rows, std::int64_t length)
      : loaded_(loaded),
        other_(other),
        options_(options),
        rules_(rules),
        ends_(ends),
        rows_(std::move(rows)),
        capacity_(length + options.max_new_tokens) {}

  /// False when the host asked to stop.
  Result<bool> run(const std::vector<Example>& prompts, std::span<const std::uint64_t> draws,
                   std::vector<Generated>& results, const GenerationProgress& progress) {
    std::vector<const Example*> batch;
    for (const std::size_t row : rows_) batch.push_back(&prompts[row]);
    ModelInput input = for_model(*loaded_.model, collate(batch));
    PictureTower* tower = loaded_.model->picture_tower();
    if (other_.shares_tower && tower && input.pixel_values.defined())
      input.tower_features = tower->tower(input);
    for (std::int64_t step = 0; step < options_.max_new_tokens && !rows_.empty(); ++step) {
      adapt_waiting();
      LUTHIER_TRY(const Tensor logits, mixed(input, step == 0 ? &batch : nullptr));
      const Tensor here = logits.to(torch::kCPU).contiguous();  // [rows, vocab]
      std::vector<std::int64_t> kept, tokens;
      for (std::size_t row = 0; row < rows_.size(); ++row) {
        const std::size_t index = rows_[row];
        const std::uint64_t draw = draws.empty() ? index : draws[index];
        Generated& result = results[index];
        const TokenId id =
            take(here[static_cast<std::int64_t>(row)], prompts[index], draw, step, result);
        if (progress && !progress(index, result)) return false;
        if (!result.finish.empty()) continue;
        kept.push_back(static_cast<std::int64_t>(row));
        tokens.push_back(id);
      }
      go_on_with(kept, tokens, input);
    }
    return true;
  }

 private:
  /// [rows, vocab] float32 of what comes next; `prompts`: what has not been read yet, as it was
  /// made.
  Result<Tensor> mixed(const ModelInput& input, const std::vector<const Example*>* prompts) {
    const Tensor own = logits_of(loaded_, input, own_);
    Tensor mixture;
    LUTHIER_CHECK(other_.as_other([&](const LoadedModel& other) -> Status {
      const bool looks_again = prompts && other.model != loaded_.model;
      const Tensor theirs = logits_of(
          other, looks_again ? for_model(*other.model, collate(*prompts)) : input, others_);
      if (theirs.size(1) != own.size(1))
        return input_error("The reference has " + std::to_string(theirs.size(1)) +
                               " tokens and the model " + std::to_string(own.size(1)) +
                               ", so their answers cannot be mixed.",
                           "ref_model", "Name a checkpoint with the model's tokens.");
      mixture = (1 - other_.share) * own + other_.share * theirs;
      return {};
    }));
    return mixture;
  }

  Tensor logits_of(const LoadedModel& loaded, const ModelInput& input,
                   std::unique_ptr<KeyValueCache>& cache) const {
    Causal& model = *loaded.model->causal();
    if (!cache) cache = std::make_unique<KeyValueCache>(model.num_hidden_layers(), capacity_);
    const Tensor states = model.decode(model.embed(input), cache.get());
    const auto rows = static_cast<std::int64_t>(rows_.size());
    const Tensor last = states.view({rows, -1, states.size(-1)}).select(1, -1);  // [rows, hidden]
    return loaded.model->output_head()->forward(last).to(torch::kFloat32);
  }

  /// The next token of an answer, which gets its `finish` with its last one.
  TokenId take(const Tensor& logits, const Example& prompt, std::uint64_t draw, std::int64_t step,
               Generated& result) const {
    const std::span<const float> row(logits.const_data_ptr<float>(),
                                     static_cast<std::size_t>(logits.size(0)));
    std::vector<float> scores(row.begin(), row.end());
    if (rules_.any()) {
      std::vector<TokenId> before = prompt.input_ids;
      for (const AnswerToken& token : result.tokens)
        before.push_back(static_cast<TokenId>(token.id));
      rules_.apply(scores, before, static_cast<std::size_t>(step));
    }
    for (const std::int64_t id : options_.barred)
      if (id >= 0 && id < static_cast<std::int64_t>(scores.size()))
        scores[static_cast<std::size_t>(id)] = -std::numeric_limits<float>::infinity();
    const TokenChoice choice = choose_token(row, options_, draw, step, scores);
    AnswerToken token;
    token.id = choice.id;
    token.logprob = choice.logprob;
    result.tokens.push_back(std::move(token));
    if (std::find(ends_.begin(), ends_.end(), choice.id) != ends_.end())
      result.finish = "eos";
    else if (step + 1 == options_.max_new_tokens)
      result.finish = "length";
    return choice.id;
  }

  /// The rows that are left, and their tokens as the next input.
  void go_on_with(const std::vector<std::int64_t>& kept, const std::vector<std::int64_t>& tokens,
                  ModelInput& input) {
    if (kept.empty()) return rows_.clear();
    const torch::Device device = loaded_.model->device();
    if (kept.size() < rows_.size()) {
      const Tensor there = torch::tensor(kept, torch::kInt64).to(device);
      own_->select(there);
      others_->select(there);
      std::vector<std::size_t> still;
      for (const std::int64_t row : kept) still.push_back(rows_[static_cast<std::size_t>(row)]);
      rows_ = std::move(still);
    }
    input = {};
    input.input_ids = torch::tensor(tokens, torch::kInt64).to(device);
    input.lengths.assign(tokens.size(), 1);
  }

  const LoadedModel& loaded_;
  const MixedWith& other_;
  const GenerationOptions& options_;
  const RuledScores& rules_;
  const std::vector<TokenId>& ends_;
  std::vector<std::size_t> rows_;  ///< that have not ended, by their prompts
  const std::int64_t capacity_;
  std::unique_ptr<KeyValueCache> own_, others_;
};

void write_texts(const LoadedModel& loaded, std::vector<Generated>& results) {
  for (Generated& result : results) {
    if (result.finish.empty()) result.finish = "cancelled";
    AnswerText text(loaded.processor->tokenizer());
    for (const AnswerToken& token : result.tokens) text.add(static_cast<TokenId>(token.id));
    result.text = text.text();
  }
}

}  // namespace

Result<std::vector<Generated>> generate_mixed(const LoadedModel& loaded, const MixedWith& other,
                                              const std::vector<Example>& prompts,
                                              const GenerationOptions& options,
                                              const GenerationProgress& progress,
                                              std::span<const std::uint64_t> draws) try {
  const torch::NoGradGuard no_grad;
  LUTHIER_CHECK(check_writes_text(loaded));
  TORCH_CHECK(loaded.model->causal(), "two texts are not written by a mixture");
  std::vector<Generated> results(prompts.size());
  std::map<std::size_t, std::vector<std::size_t>> by_length;
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    if (prompts[i].input_ids.empty()) return input_error("The prompt is empty.", "prompt");
    results[i].prompt_tokens = static_cast<std::int64_t>(prompts[i].input_ids.size());
    by_length[prompts[i].input_ids.size()].push_back(i);
  }
  if (!by_length.empty()) {
    const auto longest = static_cast<std::int64_t>(by_length.rbegin()->first);
    LUTHIER_CHECK(check_answer_room(loaded, longest, options.max_new_tokens));
  }
  const std::vector<TokenId> ends = options.ignore_eos ? std::vector<TokenId>() : loaded.eos_ids;
  const RuledScores rules(loaded.answer_rules, ends, options.max_new_tokens);
  bool goes_on = true;
  for (const auto& [length, rows] : by_length) {
    for (std::size_t begin = 0; goes_on && begin < rows.size(); begin += kMixedAtOnce) {
      const std::size_t end = std::min(rows.size(), begin + kMixedAtOnce);
      MixedBatch batch(loaded, other, options, rules, ends,
                       {rows.begin() + static_cast<std::ptrdiff_t>(begin),
                        rows.begin() + static_cast<std::ptrdiff_t>(end)},
                       static_cast<std::int64_t>(length));
      LUTHIER_TRY(goes_on, batch.run(prompts, draws, results, progress));
    }
  }
  write_texts(loaded, results);
  return results;
} catch (const std::exception& problem) {
  return device_failure(problem,
                        machine_error("There is not enough memory to answer.", "generate",
                                      "Ask for fewer new tokens, or fewer samples at a time."),
                        machine_error("Decoding failed: " + first_line(problem.what()), "generate"),
                        loaded.model->device().str());
}

}  // namespace luthier
