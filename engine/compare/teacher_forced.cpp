// SPDX-License-Identifier: GPL-3.0-or-later
// The reference's distributions are kept on the host while the others are held beside them, for as
// many answers as fit a bound.
#include "engine/compare/teacher_forced.h"

#include <algorithm>
#include <cmath>

#include "engine/generate/answer_text.h"
#include "engine/generate/generate.h"

namespace luthier {

namespace {

constexpr std::int64_t kMostBytes = std::int64_t{1} << 30;  // of the reference's distributions
constexpr std::int64_t kRowsAtOnce = 64;                    // of them, made wider for the sum

/// The labelled tokens of a training row are its answer.
Result<ForcedRow> expected_row(const ChatProcessor& processor, const Sample& sample) {
  const auto none = [&] {
    return input_error("The row has no expected answer.", sample.where,
                       "Its last message must be the assistant's, or take a column's answer.");
  };
  if (!sample.expected()) return none();
  LUTHIER_TRY(Example example,
              processor.encode_training(sample.conversation, LossOn::Completion, 0, sample.where));
  const auto labelled = [](std::int64_t label) { return label != kIgnoreLabel; };
  const auto& labels = example.labels;
  const auto begin = std::find_if(labels.begin(), labels.end(), labelled);
  if (begin == labels.end() || begin == labels.begin()) return none();
  const auto end = std::find_if_not(begin, labels.end(), labelled);
  ForcedRow row;
  row.answer.assign(example.input_ids.begin() + (begin - labels.begin()),
                    example.input_ids.begin() + (end - labels.begin()));
  row.first = begin - labels.begin() - 1;
  row.example = std::move(example);
  return row;
}

ScoredAnswer outline(const ForcedAnswer& asked, const ForcedRow& row, const Tokenizer& tokenizer) {
  ScoredAnswer scored;
  scored.of = asked.of;
  AnswerText text(tokenizer);
  for (const TokenId id : row.answer) {
    AnswerToken token;
    token.id = id;
    token.piece = piece_text(tokenizer, id);
    text.add(id);
    scored.tokens.push_back(std::move(token));
  }
  scored.text = text.text();
  const auto ranges = text.ranges();
  for (std::size_t i = 0; i < scored.tokens.size(); ++i)
    scored.tokens[i].begin = ranges[i].first, scored.tokens[i].end = ranges[i].second;
  return scored;
}

/// KL(own ‖ reference) at each place: [answer] double.
std::vector<double> divergences(const torch::Tensor& own, const torch::Tensor& reference) {
  std::vector<double> result;
  for (std::int64_t begin = 0; begin < own.size(0); begin += kRowsAtOnce) {
    const auto wide = [&](const torch::Tensor& x) {
      return x.slice(0, begin, begin + kRowsAtOnce).to(torch::kFloat64);
    };
    const torch::Tensor p = wide(own), r = wide(reference);
    // A token that the column holds impossible adds nothing.
    const torch::Tensor sum =
        at::where(p.isinf(), torch::zeros_like(p), p.exp() * (p - r)).sum(1).contiguous();
    result.insert(result.end(), sum.const_data_ptr<double>(),
                  sum.const_data_ptr<double>() + sum.numel());
  }
  return result;
}

ScoredColumn scored_column(const ColumnName& column, const ForcedRow& row, const torch::Tensor& own,
                           const torch::Tensor& reference, const Tokenizer& tokenizer) {
  ScoredColumn scored{column.name, column.strength, {}};
  const auto [best, places] = own.max(1);
  const std::vector<double> apart = divergences(own, reference);
  const auto chances = own.accessor<float, 2>();
  const auto best_chance = best.accessor<float, 1>();
  const auto best_id = places.accessor<std::int64_t, 1>();
  for (std::size_t i = 0; i < row.answer.size(); ++i) {
    const auto at = static_cast<std::int64_t>(i);
    TokenScore token;
    token.logprob = static_cast<double>(chances[at][row.answer[i]]);
    token.divergence = apart[i];
    token.likeliest = best_id[at];
    token.likeliest_piece = piece_text(tokenizer, token.likeliest);
    token.likeliest_probability = std::exp(static_cast<double>(best_chance[at]));
    scored.tokens.push_back(std::move(token));
  }
  return scored;
}

}  // namespace

Result<ForcedRow> forced_row(const LoadedModel& model, const ChatProcessor& processor,
                             const ForcedAnswer& asked) {
  LUTHIER_CHECK(check_writes_text(model));
  if (asked.ids.empty()) return expected_row(processor, asked.sample);
  const auto vocabulary = static_cast<std::int64_t>(processor.tokenizer().vocab_size());
  ForcedRow row;
  LUTHIER_TRY(row.example, processor.encode_prompt(asked.sample.conversation, asked.sample.where));
  for (const std::int64_t id : asked.ids) {
    if (id < 0 || (vocabulary > 0 && id >= model.model->geometry().vocab_size))
      return input_error(
          "The answer holds the token " + std::to_string(id) + ", which this model does not have.",
          asked.sample.where, "It is another model's answer.");
    row.answer.push_back(static_cast<TokenId>(id));
  }
  auto& ids = row.example.input_ids;
  if (SequenceToSequence* rewrites = model.model->sequence_to_sequence())
    ids = {rewrites->start_token()};
  row.first = static_cast<std::int64_t>(ids.size()) - 1;
  ids.insert(ids.end(), row.answer.begin(), row.answer.end());
  row.example.labels.clear();
  return row;
}

Result<torch::Tensor> answer_log_probs(const LoadedModel& model, const ForcedRow& row) {
  const c10::InferenceMode inference;
  const ModelInput input = for_model(*model.model, collate({row.example}));
  const auto count = static_cast<std::int64_t>(row.answer.size());
  const torch::Tensor states =
      states_before_head(*model.model, input).narrow(0, row.first, count);  // [answer, hidden]
  const torch::Tensor logits = model.model->output_head()->forward(states).to(torch::kFloat32);
  for (const TokenId id : row.answer)
    if (id >= logits.size(1))
      return input_error("The answer holds a token that this model does not have.",
                         model.folder.string(), "It is another model's answer.");
  return at::log_softmax(logits, 1).to(torch::kCPU).contiguous();
}

Result<std::vector<ScoredAnswer>> score_forced(const std::vector<ForcedAnswer>& asked,
                                               const std::vector<ColumnName>& columns,
                                               std::size_t reference, const ColumnDoor& door,
                                               const std::function<bool()>& go_on) {
  if (reference >= columns.size())
    return input_error("There is no such column to hold the others against.", "reference");
  std::vector<std::size_t> order{reference};
  for (std::size_t i = 0; i < columns.size(); ++i)
    if (i != reference) order.push_back(i);
  std::vector<ScoredAnswer> result;
  std::vector<torch::Tensor> held;  // the reference's, of the answers from result.size() - …
  for (std::size_t begin = 0; begin < asked.size();) {
    std::size_t end = begin;
    for (const std::size_t column : order) {
      const bool is_reference = column == reference;
      const auto work = [&](const LoadedModel& model, const ChatProcessor& processor) -> Status {
        std::int64_t bytes = 0;
        const std::size_t last = is_reference ? asked.size() : end;
        for (std::size_t i = begin; i < last; ++i) {
          if (go_on && !go_on()) return interrupted_error();
          LUTHIER_TRY(const ForcedRow row, forced_row(model, processor, asked[i]));
          LUTHIER_TRY(const torch::Tensor own, answer_log_probs(model, row));
          if (is_reference) {
            if (own.numel() * 4 > kMostBytes)
              return input_error("The answer of " + std::to_string(own.size(0)) +
                                     " tokens is too long to be held beside others.",
                                 asked[i].sample.where, "Take a shorter one.");
            result.push_back(outline(asked[i], row, processor.tokenizer()));
            result.back().reference = columns[reference].name;
            result.back().columns.resize(columns.size());
            held.push_back(own);
            end = i + 1;
          }
          const torch::Tensor& beside = held[i - begin];
          if (own.sizes() != beside.sizes())
            return input_error("The column \"" + columns[column].name +
                                   "\" has another vocabulary, or writes the answer in other "
                                   "tokens, than the reference.",
                               asked[i].sample.where, "Make a column of its kind the reference.");
          result[i].columns[column] =
              scored_column(columns[column], row, own, beside, processor.tokenizer());
          bytes += own.numel() * 4;
          if (is_reference && bytes > kMostBytes / 2) break;
        }
        return {};
      };
      LUTHIER_CHECK(door(column, work));
    }
    held.clear();
    begin = end;
  }
  return result;
}

}  // namespace luthier
