// SPDX-License-Identifier: GPL-3.0-or-later
// A text encoder that says what was covered in its rows (masked language models), or which classes
// rows or tokens belong to: embeddings, a product to the layers' width where the tables are
// narrower, layers, a head. BERT, RoBERTa, ALBERT and ELECTRA are options and names of it.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/models/bert/pair_judge.h"
#include "engine/models/bert/predictions.h"
#include "engine/models/bert/text_class_head.h"
#include "engine/models/bert/text_embeddings.h"
#include "engine/models/bert/text_layer.h"
#include "engine/models/family.h"

namespace luthier {

/// Under what names a family has the parts.
struct TextEncoderNames {
  const char* body;        ///< what holds all but the heads
  const char* projection;  ///< from the tables' width to the layers', within the body; null: only
                           ///< where the two differ is there one, and this family has none
  const char* layers;      ///< within the body
  const char* inner;       ///< of a group's layers, within the group; null: a group is a layer
  TextLayerNames layer;
  PredictionNames predictions;
  ClassHeadNames classes;
  ClassHeadNames pairs = {};  ///< of what says whether two texts follow one another; null: nothing
};

struct TextEncoderOptions {
  const TextEncoderNames* names = nullptr;
  TextTables tables;
  TextLayerSizes layer;
  std::int64_t num_hidden_layers = 12;
  /// Sets of layers that follow one another so often that there are as many as above (ALBERT);
  /// 0: each layer is its own.
  std::int64_t groups = 0, inner = 1;
  bool always_projected = false;  ///< also where tables and layers are of one width
  Activation predicts_by = Activation::Gelu;
  std::optional<ClassOptions> classes;  ///< of a head that stands in the predictions' place
  std::optional<Activation> pooled_by;  ///< none: tanh
  bool replaced = false;                ///< the classes are ELECTRA's discriminator's
  bool judges_pairs = false;            ///< the head of pairs stands beside the predictions
  double initializer_range = 0.02;
  bool tie_word_embeddings = true;
};

/// What all of these configurations say alike. `options` comes with the family's defaults; an Input
/// error names `where` and the field.
Status read_text_encoder(const Json& config, const std::string& where, TextEncoderOptions& options);

class TextEncoder : public Model,
                    public Encoder,
                    public Classifier,
                    public PairJudge,
                    public HasTextEmbeddings,
                    public StepCosts {
 public:
  TextEncoder(const TextEncoderOptions& options, const torch::TensorOptions& t);

  Encoder* encoder() override { return predictions_ ? this : nullptr; }
  Classifier* classifier() override { return class_head_ ? this : nullptr; }
  const StepCosts* step_costs() const override { return this; }
  void prepare(ModelInput& input) const override;
  PassCost cost(const Pass& pass) const override;
  const ClassOptions& classes() const override { return class_head_->classes(); }
  torch::Tensor classify(const ModelInput& input) override {
    return class_head_->forward(encode(input), row_layout(input));
  }
  bool judges_pairs() const override { return pair_head_ != nullptr; }
  torch::Tensor judge_pairs(const torch::Tensor& states, const RowLayout& rows) const override {
    return pair_head_->forward(states, rows);
  }
  torch::Tensor encode(const ModelInput& input) override;
  torch::Tensor before_head(const torch::Tensor& states) override {
    return predictions_->transformed(states);
  }
  Linear head() override { return predictions_->decoder; }
  ModelGeometry geometry() const override;
  const std::shared_ptr<TextEmbeddings>& embeddings() const override { return embeddings_; }

 private:
  TextEncoderOptions options_;
  std::shared_ptr<TextEmbeddings> embeddings_;
  Linear projection_{nullptr};
  std::vector<std::shared_ptr<TextLayer>> layers_;  ///< in the order of their use
  std::unique_ptr<Predictions> predictions_;        ///< one of these two
  std::unique_ptr<TextClassHead> class_head_;
  std::unique_ptr<TextClassHead> pair_head_;  ///< beside the predictions
};

/// What a device could not refuse: kinds of tokens that the model has no embedding of.
void check_token_types(const ModelInput& input, std::int64_t types);

/// The plan of a configuration that read_text_encoder has read.
Plan text_encoder_plan(const TextEncoderOptions& options);

/// Its row in the table. `memory_name`: within_body_of its names.
Family text_encoder_family(const char* model_type,
                           Result<Plan> (*read)(const Json&, const std::filesystem::path&),
                           std::string (*memory_name)(const std::string& stored),
                           const ClassHeads& class_heads);

/// The oldest files say gamma and beta for a norm's weight and bias.
std::string text_encoder_memory_name(const std::string& stored);
/// The same, and files of a body alone (BertModel) lack its name before their tensors'.
std::string within_text_body(const char* body, const std::string& stored);
template <const TextEncoderNames& Names>
std::string within_body_of(const std::string& stored) {
  return within_text_body(Names.body, stored);
}

}  // namespace luthier
