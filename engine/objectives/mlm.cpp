// SPDX-License-Identifier: GPL-3.0-or-later
// Masked language modelling (Devlin et al. 2019): some tokens of a row are chosen, most of them are
// covered, a few become others, and the model says what stood there. Chosen anew each time a row is
// seen, as transformers' DataCollatorForLanguageModeling does; the loss is BertForMaskedLM's. An
// evaluation tells the share of the chosen tokens that are the likeliest ones ("accuracy").
#include <algorithm>
#include <cmath>

#include "engine/base/random_stream.h"
#include "engine/objectives/objective.h"
#include "engine/objectives/token_hits.h"

namespace luthier {

namespace {

struct MlmSettings {
  double probability = 0.15, mask = 0.8, random = 0.1;
};

/// Chooses among the tokens that carry a label, and takes the labels of all others away.
void cover(Example& example, const MlmSettings& settings, RandomStream draws, TokenId mask,
           std::int64_t vocabulary) {
  for (std::size_t i = 0; i < example.input_ids.size(); ++i) {
    const bool chosen = draws.chance(settings.probability);
    const double how = draws.unit();
    const auto other =
        static_cast<TokenId>(draws.unit() * static_cast<double>(vocabulary));  // any word at all
    if (example.labels[i] == kIgnoreLabel) continue;
    if (!chosen) {
      example.labels[i] = kIgnoreLabel;
    } else if (how < settings.mask) {
      example.input_ids[i] = mask;
    } else if (how < settings.mask + settings.random) {
      example.input_ids[i] = other;
    }
  }
}

std::int64_t chosen_in(const Example& example) {
  return std::count_if(example.labels.begin(), example.labels.end(),
                       [](std::int64_t label) { return label != kIgnoreLabel; });
}

class MaskedLanguage : public Objective {
 public:
  explicit MaskedLanguage(const MlmSettings& settings) : settings_(settings) {}

  const RowKind& row_kind() const override { return text_rows(); }
  Status fits(const LoadedModel& base) const override {
    if (!base.model->encoder())
      return input_error("A model of type " + std::string(base.family->model_type) +
                             " does not see what follows a token, so nothing can be covered.",
                         "objective", "Choose sft.");
    if (base.processor->tokenizer().special().mask) return {};
    return input_error("The tokenizer has no mask_token.",
                       (base.folder / "tokenizer_config.json").string() + ": mask_token");
  }

  bool rolls_out() const override { return true; }
  Status roll_out(Policy& policy, MicroBatch& rows, std::uint64_t seed) override {
    const Tokenizer& tokenizer = policy.base().processor->tokenizer();
    std::uint64_t number = 0;
    for (EncodedRow& row : rows.encoded) {
      for (Example& example : row.sequences) {
        cover(example, settings_, RandomStream(seed, number++), *tokenizer.special().mask,
              tokenizer.vocab_size());
      }
    }
    return {};
  }

  std::int64_t count(const MicroBatch& rows) const override {
    std::int64_t sum = 0;
    for (const EncodedRow& row : rows.encoded)
      for (const Example& example : row.sequences) sum += chosen_in(example);
    return sum;
  }

  LossSum loss(Policy& policy, const Batch& batch) override {
    Encoder& encoder = *policy.model().encoder();
    const torch::Tensor& labels = batch.input.labels;
    const torch::Tensor places = label_places(batch.input);
    LossSum loss;
    loss.count = places.size(0);
    if (loss.count == 0) return loss;
    const torch::Tensor states = encoder.before_head(
                            encoder.encode(batch.input).index_select(0, places)),
                        target = labels.index_select(0, places);
    loss.sum = chunked_cross_entropy(states, encoder.head(), target);
    if (!policy.trains()) loss.figures = hit_figures(hit_labels(states, encoder.head(), target));
    return loss;
  }

  std::int64_t labels_used(std::int64_t labels) const override {
    return std::llround(settings_.probability * static_cast<double>(labels));
  }
  LossCost cost(const Pass& pass, const HeadCost& head) const override {
    return cross_entropy_cost(pass, head);
  }

  NamedTensors shown(Policy&, const Batch& batch) override {
    const auto rows = static_cast<std::int64_t>(batch.sequences.size());
    std::int64_t longest = 0;
    for (std::size_t i = 0; i < batch.sequences.size(); ++i)
      longest = std::max(longest, static_cast<std::int64_t>(batch.example(i).input_ids.size()));
    const torch::Tensor ids = torch::full({rows, longest}, batch.padding, torch::kInt64),
                        labels = torch::full({rows, longest}, kIgnoreLabel, torch::kInt64),
                        mask = torch::zeros({rows, longest}, torch::kInt64);
    for (std::int64_t row = 0; row < rows; ++row) {
      const Example& example = batch.example(static_cast<std::size_t>(row));
      const auto length = static_cast<std::int64_t>(example.input_ids.size());
      ids[row].slice(0, 0, length).copy_(torch::tensor(example.input_ids, torch::kInt64));
      labels[row].slice(0, 0, length).copy_(torch::tensor(example.labels, torch::kInt64));
      mask[row].slice(0, 0, length).fill_(1);
    }
    return {{"input_ids", ids}, {"attention_mask", mask}, {"labels", labels}};
  }

 private:
  MlmSettings settings_;
};

}  // namespace

Result<std::unique_ptr<Objective>> make_mlm(const Recipe& recipe) {
  MlmSettings settings;
  settings.probability = recipe.more.number("mlm.mlm_probability");
  settings.mask = recipe.more.number("mlm.mask_replace_prob");
  settings.random = recipe.more.number("mlm.random_replace_prob");
  return std::unique_ptr<Objective>(std::make_unique<MaskedLanguage>(settings));
}

}  // namespace luthier
