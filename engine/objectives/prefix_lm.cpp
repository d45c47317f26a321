// SPDX-License-Identifier: GPL-3.0-or-later
// Prefix language modelling (Raffel et al. 2020; SimVLM, Wang et al. 2022): a picture and the first
// words of its text, or the first words alone, see each other both ways, and the rest is written
// from them. How long the prefix is is drawn with the row (data/prefix_rows); the loss is the mean
// cross-entropy of what stands behind it, over the window's tokens. An evaluation tells the share
// of those that are the likeliest ones ("accuracy").
#include "engine/data/prefix_rows.h"
#include "engine/models/prefix_reader.h"
#include "engine/objectives/router_loss.h"
#include "engine/objectives/token_hits.h"

namespace luthier {

namespace {

class PrefixLanguage : public Objective {
 public:
  const RowKind& row_kind() const override { return prefix_rows(); }
  Status fits(const LoadedModel& base) const override {
    const std::string type = base.family->model_type;
    if (base.model->sequence_to_sequence())
      return input_error("A model of type " + type +
                             " writes its texts behind another or a picture, which all of them "
                             "look across to, so no text has a prefix of its own.",
                         "objective", "Choose sft.");
    LUTHIER_CHECK(Objective::fits(base));
    const auto* reader = dynamic_cast<const PrefixReader*>(base.model.get());
    if (reader && reader->reads_prefix()) return {};
    if (reader)
      return input_error(
          "The model looks back alone, so nothing in its rows is a prefix that sees itself.",
          (base.folder / "config.json").string() + ": prefix_lm",
          "Write \"prefix_lm\": true there, or choose sft or infilling.");
    return input_error(
        "A model of type " + type +
            " looks back alone, so nothing in its rows is a prefix that sees itself.",
        "objective",
        "Choose sft or infilling, or a model that does: simvlm, paligemma, or a decoder of texts "
        "such as llama whose config.json says \"prefix_lm\": true.");
  }
  WindowRule window_rule() const override { return WindowRule::Counts; }
  std::int64_t count(const MicroBatch& rows) const override { return rows.labels(); }
  LossSum loss(Policy& policy, const Batch& batch) override {
    if (policy.trains()) return sft_loss(policy.model(), batch.input);
    const Linear head = policy.model().head();
    const LabelledStates states = labelled_states(policy.model(), batch.input);
    LossSum loss;
    loss.count = states.target.size(0);
    if (loss.count == 0) return loss;
    loss.sum = chunked_cross_entropy(states.hidden, head, states.target, states.shares);
    loss.figures = hit_figures(hit_labels(states.hidden, head, states.target));
    return loss;
  }
  LossCost cost(const Pass& pass, const HeadCost& head) const override {
    return cross_entropy_cost(pass, head);
  }
};

}  // namespace

Result<std::unique_ptr<Objective>> make_prefix_lm(const Recipe&) {
  return std::unique_ptr<Objective>(std::make_unique<PrefixLanguage>());
}

}  // namespace luthier
