// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/bert/text_encoder.h"
#include "engine/models/blip/text_decoder.h"
#include "engine/models/vision_encoder_decoder/written_half.h"

namespace luthier::captioner {

namespace {

class BertHalf : public WrittenHalf {
 public:
  BertHalf(const blip::MedOptions& o, bool tied, const torch::TensorOptions& t) {
    writer_ = std::make_unique<blip::TextDecoder>(o, tied, t);
    for (const auto& part : writer_->named_children()) register_module(part.key(), part.value());
  }
  torch::Tensor forward(const torch::Tensor& ids, const RowLayout& rows, const RowStates& memory,
                        KeyValueCache* cache, bool checkpointing) override {
    return writer_->predictions->transformed(
        writer_->stack->forward(ids, rows, &memory, cache, checkpointing));
  }
  Linear head() const override { return writer_->predictions->decoder; }
  const Embedding& words() const override { return writer_->stack->embeddings->words; }

  HeadCost add_cost(const StepTerms& terms, const StackPass& pass, Stage&,
                    std::vector<Stage>& stages) const override {
    bool flows = false;
    writer_->stack->add_cost(terms, pass, /*across=*/true, /*again=*/false, flows, stages);
    stages.push_back(writer_->predictions->cost(terms, pass.tokens, flows));
    return writer_->predictions->head_cost(terms, words());
  }

 private:
  std::unique_ptr<blip::TextDecoder> writer_;
};

}  // namespace

Result<WrittenOptions> read_bert_half(const Json& config, const std::string& where) {
  for (const char* key : {"is_decoder", "add_cross_attention"}) {
    const auto found = config.find(key);
    if (found == config.end() || !found->is_boolean() || !found->get<bool>())
      return input_error("The decoder does not look across to pictures.", where + ": " + key,
                         "It must be true.");
  }
  Json encoder = config;  // what BERT reads alike, whichever way it looks
  encoder.erase("is_decoder");
  encoder.erase("add_cross_attention");
  TextEncoderOptions read;
  read.tables.words = 30522, read.tables.positions = 512, read.tables.types = 2;
  read.tables.padding = 0;
  LUTHIER_CHECK(read_text_encoder(encoder, where, read));
  blip::MedOptions o;
  o.tables = read.tables, o.layer = read.layer;
  o.tables.width = read.layer.hidden;
  o.num_hidden_layers = read.num_hidden_layers;
  o.memory_width = read.layer.hidden;
  WrittenOptions made{o.tables.words, o.layer.hidden,     o.num_hidden_layers,
                      o.layer.heads,  o.tables.positions, read.tie_word_embeddings};
  made.build = [o](bool tied, const torch::TensorOptions& t) {
    return std::shared_ptr<WrittenHalf>(std::make_shared<BertHalf>(o, tied, t));
  };
  made.drawn_range = [range = read.initializer_range](const std::string&) { return range; };
  return made;
}

}  // namespace luthier::captioner
