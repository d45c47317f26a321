// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/generate/writer.h"

#include <limits>
#include <optional>

#include "engine/device/parallel.h"
#include "engine/generate/leading_tokens.h"

namespace luthier {

namespace {

using torch::Tensor;

/// The states that predict what comes next, as the head takes them, and the cache between them.
class Writing {
 public:
  virtual ~Writing() = default;
  /// A batch of prompts of one length → [prompts, hidden], of each one's last token.
  virtual Tensor begin(const ModelInput& prompts) = 0;
  /// A further token of each row that is left → [rows, hidden].
  virtual Tensor go_on(const ModelInput& tokens) = 0;
  virtual KeyValueCache& cache() = 0;
};

/// The prompt is the beginning of what is written.
class Continuing : public Writing {
 public:
  Continuing(Causal& model, std::int64_t capacity)
      : model_(model), cache_(model.num_hidden_layers(), capacity) {
    cache_.can_join = false;  // until its decode says so
  }
  Tensor begin(const ModelInput& prompts) override {
    TokenSequence sequence = model_.embed(prompts);
    const std::int64_t each = sequence.rows.longest();
    sequence.own =
        torch::arange(each - 1, sequence.rows.tokens(), each,
                      torch::TensorOptions(torch::kInt64).device(sequence.embeddings.device()));
    return model_.decode(sequence, &cache_);
  }
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
      : model_(model), cache_(model.decoder_layers(), capacity) {
    cache_.can_join = false;  // its rows look across to texts of one length
  }
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
    rows_ = static_cast<std::int64_t>(of_row.size());
    writing_->cache().select(torch::tensor(of_row, torch::kInt64));
    now_ = rows_of(now_, of_row);
  }

  void begin(const ModelInput& prompts) override {
    rows_ = static_cast<std::int64_t>(
        prompts.source_lengths.empty() ? prompts.lengths.size() : prompts.source_lengths.size());
    now_ = look_at(writing_->begin(prompts));
    if (!standing_ || !standing_->begin(writing_->cache(), rows_, options_.max_new_tokens - 1,
                                        now_.logits.size(1))) {
      standing_ = nullptr;
      return;
    }
    if (stays_there()) standing_->choose_next(now_.next);
    writing_.reset();  // its cache was copied
  }

  bool takes_more() const override { return !standing_ && writing_->cache().joinable(); }

  void read(const ModelInput& prompts, std::vector<std::int64_t> of_row) override {
    const auto prompt = static_cast<std::int64_t>(prompts.lengths.front());
    std::unique_ptr<Writing> writing = make_writing(model_, prompt, /*new_tokens=*/0);
    const Seen seen = look_at(writing->begin(prompts));
    read_.push_back({std::move(writing), rows_of(seen, of_row), std::move(of_row)});
  }

  void join() override {
    std::vector<KeyValueCache::Joining> joining;
    std::vector<Tensor> logits{now_.logits}, next{now_.next};
    for (Read& each : read_) {
      rows_ += static_cast<std::int64_t>(each.of_row.size());
      joining.push_back({&each.writing->cache(), std::move(each.of_row)});
      logits.push_back(each.seen.logits);
      next.push_back(each.seen.next);
      now_.leading.insert(now_.leading.end(), each.seen.leading.begin(), each.seen.leading.end());
    }
    writing_->cache().join(joining, options_.max_new_tokens);
    now_.logits = at::cat(logits), now_.here = Tensor();
    if (now_.next.defined()) now_.next = at::cat(next);
    read_.clear();
  }

  void go_on(const std::vector<std::int64_t>& tokens) override {
    if (!stays_there()) {
      now_.next = torch::tensor(tokens, torch::kInt64);
      move_together({&now_.next}, device_);
    }
    if (standing_) {
      if (!stays_there()) standing_->choose_next(now_.next);
      now_.leading = read_leading(standing_->step(), standing_->vocabulary());
      now_.logits = standing_->logits();
      now_.here = Tensor();
      return;
    }
    ModelInput input;
    input.input_ids = now_.next;
    input.lengths.assign(static_cast<std::size_t>(rows_), 1);
    now_ = look_at(writing_->go_on(input));
  }

  std::vector<TokenChoice> choices(std::span<const Asked> asked) override {
    std::vector<TokenChoice> made(asked.size());
    std::vector<std::size_t> open;  // those that need their whole row
    for (std::size_t i = 0; i < asked.size(); ++i) {
      if (!device_.is_cpu() && !by_rows_) {
        const auto chosen =
            choose_among(now_.leading.at(asked[i].row), options_, asked[i].draw, asked[i].step);
        if (chosen) {
          made[i] = *chosen;
          continue;
        }
      }
      open.push_back(i);
    }
    if (open.empty()) return made;
    if (!now_.here.defined()) now_.here = now_.logits.to(torch::kCPU).contiguous();
    for_pieces(0, std::ssize(open), 1, [&](std::int64_t first, std::int64_t end) {
      for (std::int64_t i = first; i < end; ++i) {
        const std::size_t place = open[static_cast<std::size_t>(i)];
        made[place] = of_whole_row(asked[place]);
      }
    });
    return made;
  }

  bool lets_go(std::size_t left, std::size_t rows) const override {
    return !standing_ || standing_->lets_go(left, rows);
  }

  void keep(const Tensor& rows) override {
    rows_ = rows.numel();
    if (standing_) return standing_->keep(rows.to(device_));
    writing_->cache().select(rows);
    if (stays_there()) now_.next = now_.next.index_select(0, rows.to(device_));
  }

 private:
  TokenChoice of_whole_row(const Asked& asked) const {
    const auto vocabulary = now_.here.size(1);
    const std::span<const float> logits(
        now_.here.const_data_ptr<float>() + static_cast<std::int64_t>(asked.row) * vocabulary,
        static_cast<std::size_t>(vocabulary));
    if (!rules_.any() && options_.barred.empty())
      return choose_token(logits, options_, asked.draw, asked.step);
    std::vector<float> scores(logits.begin(), logits.end());
    if (rules_.any()) rules_.apply(scores, asked.before, static_cast<std::size_t>(asked.step));
    for (const std::int64_t id : options_.barred)
      if (id >= 0 && id < vocabulary)
        scores[static_cast<std::size_t>(id)] = -std::numeric_limits<float>::infinity();
    return choose_token(logits, options_, asked.draw, asked.step, scores);
  }

  /// The next token is the most likely one, and the device has it.
  bool stays_there() const { return !device_.is_cpu() && options_.temperature == 0 && !by_rows_; }

  /// What comes next in each row.
  struct Seen {
    Tensor logits;  ///< [rows, vocab] float32, on the device
    Tensor here;    ///< the same on the host, where they were asked for
    Tensor next;    ///< [rows] int64: the next step's input, where the device chooses it
    std::vector<LeadingTokens> leading;
  };
  /// A batch that was read and stands aside.
  struct Read {
    std::unique_ptr<Writing> writing;
    Seen seen;  ///< of its rows
    std::vector<std::int64_t> of_row;
  };

  /// states [rows, hidden] as the head takes them.
  Seen look_at(const Tensor& states) const {
    Seen seen;
    seen.logits = model_.output_head()->forward(states).to(torch::kFloat32);
    if (device_.is_cpu() || by_rows_) return seen;
    const Tensor leading = leading_tokens(seen.logits, options_);
    if (stays_there()) seen.next = most_likely(leading, seen.logits.size(1));
    seen.leading = read_leading(leading, seen.logits.size(1));
    return seen;
  }

  Seen rows_of(const Seen& seen, const std::vector<std::int64_t>& of_row) const {
    const Tensor there = torch::tensor(of_row, torch::kInt64).to(device_);
    Seen made;
    made.logits = seen.logits.index_select(0, there);
    if (seen.next.defined()) made.next = seen.next.index_select(0, there);
    for (const std::int64_t row : of_row)
      if (!seen.leading.empty())
        made.leading.push_back(seen.leading.at(static_cast<std::size_t>(row)));
    return made;
  }

  Model& model_;
  const GenerationOptions& options_;
  const RuledScores& rules_;
  std::unique_ptr<Writing> writing_;
  StandingSteps* standing_;
  torch::Device device_;
  const bool by_rows_;  ///< choices are made of a row's whole logits
  std::int64_t rows_ = 0;
  Seen now_;
  std::vector<Read> read_;
};

}  // namespace

std::unique_ptr<Writer> make_writer(Model& model, const GenerationOptions& options,
                                    const std::unique_ptr<StandingSteps>& standing,
                                    const RuledScores& rules, std::int64_t prompt) {
  return std::make_unique<ModelWriter>(model, options, standing.get(), rules, prompt);
}

}  // namespace luthier
