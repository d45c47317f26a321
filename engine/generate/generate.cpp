// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/generate/generate.h"

#include <algorithm>
#include <chrono>
#include <cmath>
#include <map>
#include <unordered_map>

#include "engine/base/text.h"
#include "engine/device/failure.h"
#include "engine/device/threads.h"
#include "engine/generate/answer_text.h"
#include "engine/generate/token_choice.h"

namespace luthier {

namespace {

using torch::Tensor;
using Clock = std::chrono::steady_clock;

constexpr std::size_t kMaxBatch = 32;

/// What all prompts of one call share.
struct Work {
  const LoadedModel& loaded;
  const std::vector<Example>& prompts;
  const GenerationOptions& options;
  const GenerationProgress& progress;
  std::span<const std::uint64_t> draws;
  std::vector<Generated>& results;
  std::vector<AnswerText> texts;
  std::unordered_map<TokenId, std::string> pieces;

  const std::string& piece(TokenId id) {
    const auto [place, fresh] = pieces.try_emplace(id);
    if (fresh) place->second = piece_text(loaded.processor->tokenizer(), id);
    return place->second;
  }
  void place_tokens(std::size_t index) {
    const auto ranges = texts[index].ranges();
    std::vector<AnswerToken>& tokens = results[index].tokens;
    for (std::size_t i = 0; i < tokens.size(); ++i) {
      tokens[i].begin = ranges[i].first;
      tokens[i].end = ranges[i].second;
    }
  }
};

/// The states that predict what comes next, as the head takes them, and the cache between them.
class Writing {
 public:
  virtual ~Writing() = default;
  /// A batch of prompts of one length → [prompts · tokens, hidden].
  virtual Tensor begin(const ModelInput& prompts) = 0;
  /// A further token of each row that is left → [rows, hidden].
  virtual Tensor go_on(const ModelInput& tokens) = 0;
  /// These rows of the batch are left (int64 [rows]).
  virtual void keep(const Tensor& rows) = 0;
};

/// The prompt is the beginning of what is written.
class Continuing : public Writing {
 public:
  Continuing(Causal& model, std::int64_t capacity)
      : model_(model), cache_(model.num_hidden_layers(), capacity) {}
  Tensor begin(const ModelInput& prompts) override { return go_on(prompts); }
  Tensor go_on(const ModelInput& tokens) override {
    return model_.decode(model_.embed(tokens), &cache_);
  }
  void keep(const Tensor& rows) override { cache_.select(rows); }

 private:
  Causal& model_;
  KeyValueCache cache_;
};

/// The prompt is read once, and what is written begins with the start token.
class Rewriting : public Writing {
 public:
  Rewriting(SequenceToSequence& model, std::int64_t capacity)
      : model_(model), cache_(model.decoder_layers(), capacity) {}
  Tensor begin(const ModelInput& prompts) override {
    memory_ = model_.encode(prompts);
    ModelInput start;
    start.input_ids =
        torch::full({memory_.rows.rows()}, model_.start_token(), prompts.source_ids.options());
    start.lengths.assign(static_cast<std::size_t>(memory_.rows.rows()), 1);
    return go_on(start);
  }
  Tensor go_on(const ModelInput& tokens) override {
    return model_.decode(tokens, memory_, &cache_);
  }
  void keep(const Tensor& rows) override { cache_.select(rows); }

 private:
  SequenceToSequence& model_;
  KeyValueCache cache_;
  RowStates memory_;  ///< its keys and values are in the cache after the first token
};

std::unique_ptr<Writing> make_writing(Model& model, std::int64_t prompt, std::int64_t new_tokens) {
  if (SequenceToSequence* able = model.sequence_to_sequence())
    return std::make_unique<Rewriting>(*able, 1 + new_tokens);
  return std::make_unique<Continuing>(*model.causal(), prompt + new_tokens);
}

/// What a prompt is to the model: the beginning of its answer, or a text of its own.
const std::vector<TokenId>& prompt_ids(Model& model, const Example& prompt) {
  return model.sequence_to_sequence() ? prompt.source_ids : prompt.input_ids;
}

/// One batch of prompts of equal length, decoded in step; sequences that end leave the batch.
class BatchDecoder {
 public:
  BatchDecoder(Work& work, std::vector<std::size_t> indices)
      : work_(work), loaded_(work.loaded), live_(std::move(indices)), options_(work.options) {}

  /// False when the host asked to stop.
  bool run() {
    const auto start = Clock::now();
    std::vector<Example> batch;
    for (const std::size_t index : live_) batch.push_back(work_.prompts[index]);
    const std::size_t length = prompt_ids(*loaded_.model, batch.front()).size();
    const auto writing =
        make_writing(*loaded_.model, static_cast<std::int64_t>(length), options_.max_new_tokens);
    ModelInput next_input = for_model(*loaded_.model, collate(batch));
    for (std::int64_t step = 0; !live_.empty() && step < options_.max_new_tokens; ++step) {
      adapt_waiting();
      // [batch · new, hidden]
      const Tensor hidden = step == 0 ? writing->begin(next_input) : writing->go_on(next_input);
      const Tensor last =
          hidden.view({static_cast<std::int64_t>(live_.size()), -1, hidden.size(-1)})
              .select(1, -1);  // [batch, hidden]
      // [batch, vocab]
      const Tensor logits = loaded_.model->output_head()
                                ->forward(last)
                                .to(torch::kFloat32)
                                .to(torch::kCPU)
                                .contiguous();
      const double seconds = std::chrono::duration<double>(Clock::now() - start).count();
      std::vector<std::int64_t> kept, next;
      std::vector<std::size_t> still;
      for (std::size_t row = 0; row < live_.size(); ++row) {
        const bool goes_on =
            take(live_[row],
                 {logits.const_data_ptr<float>() + static_cast<std::int64_t>(row) * logits.size(1),
                  static_cast<std::size_t>(logits.size(1))},
                 step, seconds);
        const Generated& result = work_.results[live_[row]];
        if (work_.progress && !work_.progress(live_[row], result)) return false;
        if (!goes_on) continue;
        kept.push_back(static_cast<std::int64_t>(row));
        still.push_back(live_[row]);
        next.push_back(result.tokens.back().id);
      }
      if (still.size() != live_.size() && !still.empty()) writing->keep(torch::tensor(kept));
      live_ = std::move(still);
      if (live_.empty()) break;
      ModelInput follow;
      follow.input_ids = torch::tensor(next).to(loaded_.model->device());
      follow.lengths.assign(next.size(), 1);
      next_input = std::move(follow);
    }
    return true;
  }

 private:
  /// Adds the next token of one sequence; false when it has ended.
  bool take(std::size_t index, std::span<const float> logits, std::int64_t step, double seconds) {
    Generated& result = work_.results[index];
    result.seconds = seconds;
    const std::uint64_t draw = work_.draws.empty() ? index : work_.draws[index];
    const TokenChoice choice = choose_token(logits, options_, draw, step);
    const bool end = !options_.ignore_eos &&
                     std::find(loaded_.eos_ids.begin(), loaded_.eos_ids.end(), choice.id) !=
                         loaded_.eos_ids.end();
    AnswerToken token;
    token.id = choice.id;
    token.logprob = choice.logprob;
    token.piece = work_.piece(choice.id);
    for (const auto& [id, probability] : choice.alternatives) {
      token.alternatives.emplace_back(work_.piece(id), probability);
    }
    result.tokens.push_back(std::move(token));
    AnswerText& text = work_.texts[index];
    text.add(choice.id);
    result.text = text.text();
    // The end token stands among the tokens, as in transformers' sequences; it has no text.
    if (end)
      result.finish = "eos";
    else if (step + 1 == options_.max_new_tokens)
      result.finish = "length";
    if (result.finish.empty()) return true;
    work_.place_tokens(index);
    return false;
  }

  Work& work_;
  const LoadedModel& loaded_;
  std::vector<std::size_t> live_;
  const GenerationOptions& options_;
};

}  // namespace

Status check_writes_text(const LoadedModel& loaded) {
  if (loaded.model->causal() || loaded.model->sequence_to_sequence()) return {};
  return input_error(
      "A model of type " + std::string(loaded.family->model_type) + " does not write text.",
      loaded.folder.string(), "Compare such models by their evaluation losses.");
}

Result<std::vector<Generated>> generate(const LoadedModel& loaded,
                                        const std::vector<Example>& prompts,
                                        const GenerationOptions& options,
                                        const GenerationProgress& progress,
                                        std::span<const std::uint64_t> draws) try {
  if (options.max_new_tokens < 1)
    return input_error("At least one new token must be allowed.", "max_new_tokens");
  if (!(options.temperature >= 0) || !std::isfinite(options.temperature))
    return input_error("A temperature is 0 or above.", "temperature");
  if (!(options.top_p > 0 && options.top_p <= 1))
    return input_error("top_p lies above 0 and at most at 1.", "top_p");
  LUTHIER_CHECK(check_writes_text(loaded));
  const c10::InferenceMode inference;
  std::vector<Generated> results(prompts.size());
  std::map<std::size_t, std::vector<std::size_t>> by_length;
  for (std::size_t i = 0; i < prompts.size(); ++i) {
    const std::size_t length = prompt_ids(*loaded.model, prompts[i]).size();
    if (length == 0) return input_error("The prompt is empty.", "prompt");
    results[i].prompt_tokens = static_cast<std::int64_t>(length);
    by_length[length].push_back(i);
  }
  if (!draws.empty() && draws.size() != prompts.size()) {
    return input_error("Each prompt needs a stream of draws.", "draws");
  }
  Work work{loaded,
            prompts,
            options,
            progress,
            draws,
            results,
            std::vector<AnswerText>(prompts.size(), AnswerText(loaded.processor->tokenizer())),
            {}};
  bool cancelled = false;
  for (const auto& [length, indices] : by_length) {
    for (std::size_t begin = 0; begin < indices.size() && !cancelled; begin += kMaxBatch) {
      const std::size_t end = std::min(indices.size(), begin + kMaxBatch);
      const auto from = indices.begin() + static_cast<std::ptrdiff_t>(begin);
      const auto until = indices.begin() + static_cast<std::ptrdiff_t>(end);
      cancelled = !BatchDecoder(work, {from, until}).run();
    }
  }
  for (std::size_t i = 0; i < results.size(); ++i) {
    if (!results[i].finish.empty()) continue;
    results[i].finish = "cancelled";
    work.place_tokens(i);
  }
  return results;
} catch (const std::exception& problem) {
  return device_failure(problem,
                        machine_error("There is not enough memory to answer.", "generate",
                                      "Ask for fewer new tokens, or fewer samples at a time."),
                        machine_error("Decoding failed: " + first_line(problem.what()), "generate"),
                        loaded.model->device().str());
}

}  // namespace luthier
