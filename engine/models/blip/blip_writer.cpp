// SPDX-License-Identifier: GPL-3.0-or-later
// BLIP's two classes that write: what a picture shows (BlipForConditionalGeneration of transformers
// 5.17), or the answer to a question about it (BlipForQuestionAnswering), whose question is read
// with the picture first, and which the decoder looks across to then in the picture's place.
#include <numeric>

#include "engine/models/bert/predictions.h"
#include "engine/models/blip/blip_options.h"
#include "engine/models/blip/text_decoder.h"
#include "engine/models/own_end.h"
#include "engine/models/smoothed_labels.h"

namespace luthier::blip {

using torch::Tensor;

namespace {

/// What prepare() sets aside.
constexpr const char *kWritten = "across", *kRead = "read", *kStarts = kReadStarts;

class Writer : public Model,
               public SequenceToSequence,
               public PictureTower,
               public StepCosts,
               public SmoothedLabels,
               public OwnEnd {
 public:
  Writer(const Options& o, const torch::TensorOptions& t) : options_(o) {
    vision_model_ = register_module("vision_model", BlipTower(o.vision, t));
    if (o.task == Task::Answer) {
      text_encoder_ =
          register_module("text_encoder", std::make_shared<MedStack>(o.text, /*causal=*/false, t));
    }
    text_decoder_ = register_module(
        "text_decoder", std::make_shared<TextDecoder>(o.text, o.tie_word_embeddings, t));
    declare_part(kVisionTower, "vision_model.");
  }

  SequenceToSequence* sequence_to_sequence() override { return this; }
  PictureTower* picture_tower() override { return this; }
  const StepCosts* step_costs() const override { return this; }

  void prepare(ModelInput& input) const override {
    Model::prepare(input);
    const RowLayout written(input.lengths);
    if (!text_encoder_) {
      set_across_aside(written, RowLayout(shown_to(input, input.lengths.size())), input.aside,
                       kWritten);
      return;
    }
    const RowLayout read(input.source_lengths);
    set_across_aside(read, RowLayout(shown_to(input, input.source_lengths.size())), input.aside,
                     kRead);
    set_across_aside(written, read, input.aside, kWritten);
    if (!input.aside.contains(kStarts)) input.aside[kStarts] = row_starts(input.source_lengths);
  }

  Tensor tower(const ModelInput& input) override {
    return vision_model_->forward(input.pixel_values).flatten(0, 1);
  }
  std::int64_t feature_rows(const PictureFacts&) const override { return options_.states(); }

  RowStates encode(const ModelInput& input) override {
    const Tensor states = input.tower_features.defined() ? input.tower_features : tower(input);
    const std::size_t rows = text_encoder_ ? input.source_lengths.size() : input.lengths.size();
    RowStates shown = memory_of(options_, states, input.pictures.size(), rows);
    if (!text_encoder_) return shown;
    RowLayout layout = source_layout(input);
    take_across_back(layout, shown.rows, input.aside, kRead);
    const auto aside = input.aside.find(kStarts);
    const Tensor starts =
        aside != input.aside.end() ? aside->second : row_starts(input.source_lengths);
    const Tensor ids = input.source_ids.index_fill(0, starts.to(input.source_ids.device()),
                                                   options_.encoder_start());
    const Tensor read =
        text_encoder_->forward(ids, layout, &shown, nullptr, gradient_checkpointing_);
    return {read, std::move(layout)};
  }

  Tensor decode(const ModelInput& input, const RowStates& memory, KeyValueCache* cache) override {
    const RowLayout rows = row_layout(input);
    take_across_back(rows, memory.rows, input.aside, kWritten);
    const Tensor states = text_decoder_->stack->forward(input.input_ids, rows, &memory, cache,
                                                        gradient_checkpointing_);
    return text_decoder_->predictions->transformed(states);
  }

  Linear head() override { return text_decoder_->predictions->decoder; }
  TokenId start_token() const override { return options_.start; }
  TokenId end_token() const override { return options_.end; }
  std::int64_t decoder_layers() const override { return options_.text.num_hidden_layers; }
  double label_smoothing() const override { return options_.label_smoothing; }

  std::int64_t feature_numbers(const PictureLoad& pictures) const override {
    return pictures.frames * options_.states() * options_.vision.hidden_size;
  }

  PassCost cost(const Pass& pass) const override {
    const StepTerms& terms = pass.terms;
    const auto sum = [](const std::vector<std::int64_t>& lengths) {
      return std::accumulate(lengths.begin(), lengths.end(), std::int64_t{0});
    };
    PassCost cost;
    Stage inputs;
    inputs.kept = 2 * terms.block(pass.tokens, 8) + terms.block(sum(pass.source_lengths), 8);
    const TowerCost tower = vision_model_->cost(pass);
    if (tower.trains) inputs.kept += terms.floats(pass.pictures.numbers);
    inputs.moments = {{inputs.kept, 0}};
    cost.stages = {inputs};
    tower.add_to(cost, terms.block(feature_numbers(pass.pictures)));
    bool memory_flows = tower.flows;
    if (text_encoder_) {
      const std::vector<std::int64_t> shown = memory_lengths(
          options_, static_cast<std::size_t>(pass.pictures.frames), pass.source_lengths.size());
      StackPass read;
      read.tokens = sum(pass.source_lengths), read.memory_tokens = sum(shown);
      read.rows = rows_shape(pass.source_lengths, /*causal=*/false);
      read.across = across_shape(pass.source_lengths, shown);
      read.memory_flows = memory_flows;
      bool flows = false;
      text_encoder_->add_cost(terms, read, /*across=*/true, /*again=*/false, flows, cost.stages);
      memory_flows = memory_flows || flows;
    }
    StackPass written;
    written.tokens = pass.tokens, written.memory_tokens = sum(pass.source_lengths);
    written.rows = pass.rows;
    written.across = across_shape(pass.lengths, pass.source_lengths);
    written.memory_flows = memory_flows;
    bool flows = false;
    const auto& [stack, predictions] = std::tie(text_decoder_->stack, text_decoder_->predictions);
    stack->add_cost(terms, written, /*across=*/true, /*again=*/false, flows, cost.stages);
    cost.stages.push_back(predictions->cost(terms, pass.tokens, flows));
    cost.head = predictions->head_cost(terms, stack->embeddings->words);
    return cost;
  }

  ModelGeometry geometry() const override { return geometry_of(options_); }

 private:
  std::vector<std::int64_t> shown_to(const ModelInput& input, std::size_t rows) const {
    return memory_lengths(options_, input.pictures.size(), rows);
  }

  Options options_;
  BlipTower vision_model_{nullptr};
  std::shared_ptr<MedStack> text_encoder_;  ///< of questions; null: there are none
  std::shared_ptr<TextDecoder> text_decoder_;
};

}  // namespace

std::shared_ptr<Model> make_writer(const Options& options, const torch::TensorOptions& tensors) {
  return std::make_shared<Writer>(options, tensors);
}

}  // namespace luthier::blip
