// SPDX-License-Identifier: GPL-3.0-or-later
// Masked language modelling (Devlin et al. 2019): some tokens of a row are chosen, most of them are
// covered, a few become others, and the model says what stood there (objectives/masking.h). Chosen
// anew each time a row is seen, as transformers' DataCollatorForLanguageModeling does; the loss is
// BertForMaskedLM's. An evaluation tells the share of the chosen tokens that are the likeliest ones
// ("accuracy"). With mlm.pairs rows are two texts, and what says whether they follow one another
// learns beside (objectives/sentence_pairs.h): the sum of both means is the loss.
#include <algorithm>
#include <cmath>

#include "engine/data/covered_rows.h"
#include "engine/data/sentence_pair_rows.h"
#include "engine/models/visual_bert/region_reader.h"
#include "engine/objectives/masking.h"
#include "engine/objectives/objective.h"
#include "engine/objectives/sentence_pairs.h"
#include "engine/objectives/takes_other_rows.h"
#include "engine/objectives/token_hits.h"

namespace luthier {

namespace {

struct MlmSettings {
  MaskingRule masking;
  PairTask pairs = PairTask::None;
  bool one_row = false;  ///< a micro-batch has one
};

class MaskedLanguage : public Objective, public TakesOtherRows {
 public:
  explicit MaskedLanguage(const MlmSettings& settings) : settings_(settings) {}

  const RowKind& row_kind() const override {
    return learns_pairs() ? sentence_pair_rows() : covered_text_rows();
  }
  Status fits(const LoadedModel& base) const override {
    if (!base.model->encoder())
      return input_error("A model of type " + std::string(base.family->model_type) +
                             " does not see what follows a token, so nothing can be covered.",
                         "objective", "Choose sft.");
    if (const RegionReader* reader = region_reader(*base.model);
        reader && !reader->reads_texts_alone())
      return input_error("A model of type " + std::string(base.family->model_type) +
                             " reads texts with regions of a picture, and never alone.",
                         "objective", "Choose regions.");
    if (!base.processor->tokenizer().special().mask)
      return input_error("The tokenizer has no mask_token.",
                         (base.folder / "tokenizer_config.json").string() + ": mask_token");
    return learns_pairs() ? fits_pairs(base) : Status();
  }

  Status check_beside_none(const EncodedRow& row) const override {
    return settings_.one_row ? check_pair_beside_none(settings_.pairs, row) : Status();
  }

  bool rolls_out() const override { return true; }
  Status roll_out(Policy& policy, MicroBatch& rows, std::uint64_t seed) override {
    const Tokenizer& tokenizer = policy.base().processor->tokenizer();
    if (learns_pairs())
      LUTHIER_CHECK(make_pairs(settings_.pairs, tokenizer,
                               settings_.one_row && rows.rows.size() < 2, seed, rows));
    if (!masking_) masking_.emplace(settings_.masking, tokenizer);
    std::uint64_t number = 0;
    for (EncodedRow& row : rows.encoded)
      for (Example& example : row.sequences) masking_->cover(example, RandomStream(seed, number++));
    return {};
  }

  /// Chosen tokens; with pairs rows, since a row is learned from where nothing of it was chosen.
  std::int64_t count(const MicroBatch& rows) const override {
    if (learns_pairs()) return static_cast<std::int64_t>(rows.encoded.size());
    std::int64_t sum = 0;
    for (const EncodedRow& row : rows.encoded)
      for (const Example& example : row.sequences) sum += chosen_tokens(example);
    return sum;
  }

  LossSum loss(Policy& policy, const Batch& batch) override {
    Encoder& encoder = *policy.model().encoder();
    const torch::Tensor places = label_places(batch.input);
    LossSum loss;
    loss.count = places.size(0);
    if (loss.count == 0 && !learns_pairs()) return loss;
    const torch::Tensor all = encoder.encode(batch.input);
    if (loss.count > 0) {
      const torch::Tensor states = encoder.before_head(all.index_select(0, places)),
                          target = batch.input.labels.index_select(0, places);
      loss.sum = chunked_cross_entropy(states, encoder.head(), target);
      if (!policy.trains()) loss.figures = hit_figures(hit_labels(states, encoder.head(), target));
    }
    if (learns_pairs()) add_pairs(*pair_judge(policy.model()), all, batch, loss);
    return loss;
  }

  std::int64_t labels_used(std::int64_t labels) const override {
    return std::llround(settings_.masking.probability * static_cast<double>(labels));
  }
  LossCost cost(const Pass& pass, const HeadCost& head) const override {
    return cross_entropy_cost(pass, head);
  }

  NamedTensors shown(Policy& policy, const Batch& batch) override {
    const auto rows = static_cast<std::int64_t>(batch.sequences.size());
    std::int64_t longest = 0;
    for (std::size_t i = 0; i < batch.sequences.size(); ++i)
      longest = std::max(longest, static_cast<std::int64_t>(batch.example(i).input_ids.size()));
    const torch::Tensor ids = torch::full({rows, longest}, batch.padding, torch::kInt64),
                        labels = torch::full({rows, longest}, kIgnoreLabel, torch::kInt64),
                        mask = torch::zeros({rows, longest}, torch::kInt64),
                        types = torch::zeros({rows, longest}, torch::kInt64);
    for (std::int64_t row = 0; row < rows; ++row) {
      const Example& example = batch.example(static_cast<std::size_t>(row));
      const auto length = static_cast<std::int64_t>(example.input_ids.size());
      ids[row].slice(0, 0, length).copy_(torch::tensor(example.input_ids, torch::kInt64));
      labels[row].slice(0, 0, length).copy_(torch::tensor(example.labels, torch::kInt64));
      mask[row].slice(0, 0, length).fill_(1);
      if (!example.token_types.empty())
        types[row].slice(0, 0, length).copy_(torch::tensor(example.token_types, torch::kInt64));
    }
    NamedTensors tensors{{"input_ids", ids}, {"attention_mask", mask}, {"labels", labels}};
    if (!learns_pairs()) return tensors;
    const torch::NoGradGuard no_grad;
    const JudgedPairs judged = judged_pairs(*pair_judge(policy.model()),
                                            policy.model().encoder()->encode(batch.input), batch);
    tensors.insert(tensors.end(), {{"token_type_ids", types},
                                   {"pair_labels", judged.labels.cpu()},
                                   {"pair_logits", judged.logits.cpu()}});
    return tensors;
  }

 private:
  bool learns_pairs() const { return settings_.pairs != PairTask::None; }

  /// The mean over the chosen tokens and that over the pairs, for as many terms as there are rows.
  static void add_pairs(const PairJudge& judge, const torch::Tensor& states, const Batch& batch,
                        LossSum& loss) {
    const JudgedPairs judged = judged_pairs(judge, states, batch);
    torch::Tensor mean = judged.loss();
    if (loss.count > 0) mean = mean + loss.sum / loss.count;
    loss.count = judged.labels.size(0);
    loss.sum = mean * loss.count;
    loss.figures["pair_accuracy"] = judged.accuracy();
  }

  MlmSettings settings_;
  std::optional<Masking> masking_;
};

}  // namespace

Result<std::unique_ptr<Objective>> make_mlm(const Recipe& recipe) {
  MlmSettings settings;
  settings.masking = {
      recipe.more.number("mlm.mlm_probability"), recipe.more.number("mlm.mask_replace_prob"),
      recipe.more.number("mlm.random_replace_prob"), recipe.more.flag("mlm.whole_word_mask"),
      recipe.more.integer("mlm.max_ngram")};
  settings.pairs = pair_task_from_name(recipe.more.text("mlm.pairs"));
  settings.one_row = recipe.training.per_device_train_batch_size == 1;
  return std::unique_ptr<Objective>(std::make_unique<MaskedLanguage>(settings));
}

}  // namespace luthier
