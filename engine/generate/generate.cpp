// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/generate/generate.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>

#include "engine/generate/token_choice.h"
#include "engine/nn/threads.h"

namespace luthier {

namespace {

using torch::Tensor;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kMaxBatch = 32;

/// The text of answered ids. A model's vocabulary may be padded past the tokenizer's: such ids have no text.
std::string answer_text(const LoadedModel& loaded, const std::vector<TokenId>& ids) {
  const Tokenizer& tokenizer = loaded.processor->tokenizer();
  std::vector<TokenId> known;
  std::copy_if(ids.begin(), ids.end(), std::back_inserter(known), [&](TokenId id) { return id < tokenizer.vocab_size(); });
  auto text = tokenizer.decode(known, /*skip_special=*/true);
  return text ? text.take() : std::string();
}

/// One batch of prompts of equal length, decoded in step; sequences that end leave the batch.
class BatchDecoder {
 public:
  BatchDecoder(const LoadedModel& loaded, const std::vector<Example>& prompts, std::vector<std::size_t> indices, const GenerationOptions& options,
               const GenerationProgress& progress, std::vector<Generated>& results)
      : loaded_(loaded), prompts_(prompts), live_(std::move(indices)), options_(options), progress_(progress), results_(results) {}

  /// False when the host asked to stop.
  bool run() {
    const auto start = Clock::now();
    std::vector<Example> batch;
    for (const std::size_t index : live_) batch.push_back(prompts_[index]);
    const std::size_t length = batch.front().input_ids.size();
    const ModelInput input = to_device(collate(batch), loaded_.model->device());
    KeyValueCache cache(loaded_.model->num_hidden_layers(), static_cast<std::int64_t>(length) + options_.max_new_tokens);
    TokenSequence sequence = loaded_.model->embed(input);
    for (std::int64_t step = 0; !live_.empty() && step < options_.max_new_tokens; ++step) {
      adapt_threads();
      const Tensor hidden = loaded_.model->decode(sequence, &cache);                         // [batch · new, hidden]
      const Tensor last = hidden.view({static_cast<std::int64_t>(live_.size()), -1, hidden.size(-1)}).select(1, -1);   // [batch, hidden]
      const Tensor logits = loaded_.model->head()->forward(last).to(torch::kFloat32).to(torch::kCPU).contiguous();   // [batch, vocab]
      const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
      std::vector<std::int64_t> kept, next;
      std::vector<std::size_t> still;
      for (std::size_t row = 0; row < live_.size(); ++row) {
        const bool goes_on = take(live_[row], {logits.const_data_ptr<float>() + static_cast<std::int64_t>(row) * logits.size(1),
                                               static_cast<std::size_t>(logits.size(1))}, step, seconds);
        const Generated& result = results_[live_[row]];
        if (progress_ && !progress_(live_[row], result)) return false;
        if (!goes_on) continue;
        kept.push_back(static_cast<std::int64_t>(row));
        still.push_back(live_[row]);
        next.push_back(result.tokens.back().id);
      }
      if (still.size() != live_.size() && !still.empty()) cache.select(torch::tensor(kept));
      live_ = std::move(still);
      if (live_.empty()) break;
      ModelInput follow;
      follow.input_ids = torch::tensor(next).to(loaded_.model->device());
      follow.lengths.assign(next.size(), 1);
      sequence = loaded_.model->embed(follow);
    }
    return true;
  }

 private:
  /// Adds the next token of one sequence; false when it has ended.
  bool take(std::size_t index, std::span<const float> logits, std::int64_t step, double seconds) {
    Generated& result = results_[index];
    result.seconds = seconds;
    const TokenChoice choice = choose_token(logits, options_, index, step);
    const bool end = !options_.ignore_eos && std::find(loaded_.eos_ids.begin(), loaded_.eos_ids.end(), choice.id) != loaded_.eos_ids.end();
    AnswerToken token;
    token.id = choice.id;
    token.logprob = choice.logprob;
    token.piece = text_of({choice.id});
    for (const auto& [id, probability] : choice.alternatives) token.alternatives.emplace_back(text_of({id}), probability);
    result.tokens.push_back(std::move(token));
    std::vector<TokenId> ids;
    for (const AnswerToken& each : result.tokens) ids.push_back(each.id);
    if (progress_ || end || step + 1 == options_.max_new_tokens) result.text = text_of(ids);
    if (end) {
      result.finish = "eos";   // the end token stands among the tokens, as in transformers' sequences; it has no text
      return false;
    }
    if (step + 1 == options_.max_new_tokens) {
      result.finish = "length";
      return false;
    }
    return true;
  }

  std::string text_of(const std::vector<TokenId>& ids) const { return answer_text(loaded_, ids); }

  const LoadedModel& loaded_;
  const std::vector<Example>& prompts_;
  std::vector<std::size_t> live_;
  const GenerationOptions& options_;
  const GenerationProgress& progress_;
  std::vector<Generated>& results_;
};

}  // namespace

Result<std::vector<Generated>> generate(const LoadedModel& loaded, const std::vector<Example>& prompts, const GenerationOptions& options,
                                        const GenerationProgress& progress) try {
  if (options.max_new_tokens < 1) return input_error("At least one new token must be allowed.", "max_new_tokens");
  if (!(options.temperature >= 0) || !std::isfinite(options.temperature)) return input_error("A temperature is 0 or above.", "temperature");
  if (!(options.top_p > 0 && options.top_p <= 1)) return input_error("top_p lies above 0 and at most at 1.", "top_p");
  const c10::InferenceMode inference;
  std::vector<Generated> results(prompts.size());
  std::map<std::size_t, std::vector<std::size_t>> by_length;
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    if (prompts[i].input_ids.empty()) return input_error("The prompt is empty.", "prompt");
    results[i].prompt_tokens = static_cast<std::int64_t>(prompts[i].input_ids.size());
    by_length[prompts[i].input_ids.size()].push_back(i);
  }
  bool cancelled = false;
  for (const auto& [length, indices] : by_length) {
    for (std::size_t begin = 0; begin < indices.size() && !cancelled; begin += kMaxBatch) {
      const std::size_t end = std::min(indices.size(), begin + kMaxBatch);
      cancelled = !BatchDecoder(loaded, prompts, {indices.begin() + static_cast<std::ptrdiff_t>(begin), indices.begin() + static_cast<std::ptrdiff_t>(end)},
                                options, progress, results).run();
    }
  }
  for (Generated& result : results) {
    if (result.finish.empty()) result.finish = "cancelled";
    std::vector<TokenId> ids;
    for (const AnswerToken& token : result.tokens) ids.push_back(token.id);
    result.text = answer_text(loaded, ids);
  }
  return results;
} catch (const c10::OutOfMemoryError&) {
  return machine_error("There is not enough memory to answer.", "generate", "Ask for fewer new tokens, or fewer samples at a time.");
} catch (const std::bad_alloc&) {
  return machine_error("There is not enough memory to answer.", "generate", "Ask for fewer new tokens, or fewer samples at a time.");
} catch (const std::exception& problem) {
  const std::string text = problem.what();
  return machine_error("Decoding failed: " + text.substr(0, text.find('\n')), "generate");
}

}  // namespace luthier
