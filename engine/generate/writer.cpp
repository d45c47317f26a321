// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/generate/writer.h"

#include <limits>
#include <optional>

#include "engine/generate/leading_tokens.h"

namespace luthier {

namespace {

using torch::Tensor;

/// The states that predict what comes next, as the head takes them, and the cache between them.
class Writing {
 public:
  virtual ~Writing() = default;
  /// A batch of prompts of one length → [prompts · tokens, hidden].
  virtual Tensor begin(const ModelInput& prompts) = 0;
  /// A further token of each row that is left → [rows, hidden].
  virtual Tensor go_on(const ModelInput& tokens) = 0;
  virtual KeyValueCache& cache() = 0;
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
  KeyValueCache& cache() override { return cache_; }

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
  KeyValueCache& cache() override { return cache_; }

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

class ModelWriter : public Writer {
 public:
  ModelWriter(Model& model, const GenerationOptions& options, StandingSteps* standing,
              const RuledScores& rules, std::int64_t prompt)
      : model_(model),
        options_(options),
        rules_(rules),
        writing_(make_writing(model, prompt, options.max_new_tokens)),
        standing_(standing),
        device_(model.device()),
        by_rows_(rules.any() || options.top_k > 0 || !options.barred.empty()) {}

  void spread(const std::vector<std::int64_t>& of_row) override {
    TORCH_CHECK(!standing_, "a recorded batch keeps its rows");
    const Tensor rows = torch::tensor(of_row, torch::kInt64), there = rows.to(device_);
    rows_ = rows.numel();
    writing_->cache().select(there);
    logits_ = logits_.index_select(0, there);
    here_ = Tensor();
    if (next_.defined()) next_ = next_.index_select(0, there);
    std::vector<LeadingTokens> leading;
    for (const std::int64_t row : of_row)
      if (!leading_.empty()) leading.push_back(leading_.at(static_cast<std::size_t>(row)));
    leading_ = std::move(leading);
  }

  void begin(const ModelInput& prompts) override {
    rows_ = static_cast<std::int64_t>(
        prompts.source_lengths.empty() ? prompts.lengths.size() : prompts.source_lengths.size());
    look_at(writing_->begin(prompts));
    if (!standing_ ||
        !standing_->begin(writing_->cache(), rows_, options_.max_new_tokens - 1, logits_.size(1))) {
      standing_ = nullptr;
      return;
    }
    if (stays_there()) standing_->choose_next(next_);
    writing_.reset();  // its cache was copied
  }

  void go_on(const std::vector<std::int64_t>& tokens) override {
    if (!stays_there()) {
      next_ = torch::tensor(tokens, torch::kInt64);
      move_together({&next_}, device_);
    }
    if (standing_) {
      if (!stays_there()) standing_->choose_next(next_);
      leading_ = read_leading(standing_->step(), standing_->vocabulary());
      logits_ = standing_->logits();
      here_ = Tensor();
      return;
    }
    ModelInput input;
    input.input_ids = next_;
    input.lengths.assign(static_cast<std::size_t>(rows_), 1);
    look_at(writing_->go_on(input));
  }

  TokenChoice choice(std::size_t row, std::uint64_t prompt, std::int64_t step,
                     std::span<const TokenId> before) override {
    if (!device_.is_cpu() && !by_rows_) {
      if (auto chosen = choose_among(leading_.at(row), options_, prompt, step)) return *chosen;
    }
    if (!here_.defined()) here_ = logits_.to(torch::kCPU).contiguous();
    const auto vocabulary = here_.size(1);
    const std::span<const float> logits(
        here_.const_data_ptr<float>() + static_cast<std::int64_t>(row) * vocabulary,
        static_cast<std::size_t>(vocabulary));
    if (!rules_.any() && options_.barred.empty())
      return choose_token(logits, options_, prompt, step);
    std::vector<float> scores(logits.begin(), logits.end());
    if (rules_.any()) rules_.apply(scores, before, static_cast<std::size_t>(step));
    for (const std::int64_t id : options_.barred)
      if (id >= 0 && id < vocabulary)
        scores[static_cast<std::size_t>(id)] = -std::numeric_limits<float>::infinity();
    return choose_token(logits, options_, prompt, step, scores);
  }

  bool lets_go(std::size_t left, std::size_t rows) const override {
    return !standing_ || standing_->lets_go(left, rows);
  }

  void keep(const Tensor& rows) override {
    rows_ = rows.numel();
    const Tensor there = rows.to(device_);
    if (standing_) return standing_->keep(there);
    writing_->cache().select(there);
    if (stays_there()) next_ = next_.index_select(0, there);
  }

 private:
  /// The next token is the most likely one, and the device has it.
  bool stays_there() const { return !device_.is_cpu() && options_.temperature == 0 && !by_rows_; }

  /// states [rows · tokens, hidden] as the head takes them.
  void look_at(const Tensor& states) {
    const Tensor last = states.view({rows_, -1, states.size(-1)}).select(1, -1);  // [rows, hidden]
    logits_ = model_.output_head()->forward(last).to(torch::kFloat32);
    here_ = Tensor();
    if (device_.is_cpu() || by_rows_) return;
    const Tensor leading = leading_tokens(logits_, options_);
    if (stays_there()) next_ = most_likely(leading, logits_.size(1));
    leading_ = read_leading(leading, logits_.size(1));
  }

  Model& model_;
  const GenerationOptions& options_;
  const RuledScores& rules_;
  std::unique_ptr<Writing> writing_;
  StandingSteps* standing_;
  torch::Device device_;
  const bool by_rows_;  ///< choices are made of a row's whole logits
  std::int64_t rows_ = 0;
  Tensor next_;    ///< [rows] int64, the next step's input
  Tensor logits_;  ///< [rows, vocab] float32 of this step, on the device
  Tensor here_;    ///< the same on the host, where they were asked for
  std::vector<LeadingTokens> leading_;
};

}  // namespace

std::unique_ptr<Writer> make_writer(Model& model, const GenerationOptions& options,
                                    const std::unique_ptr<StandingSteps>& standing,
                                    const RuledScores& rules, std::int64_t prompt) {
  return std::make_unique<ModelWriter>(model, options, standing.get(), rules, prompt);
}

}  // namespace luthier
