// SPDX-License-Identifier: GPL-3.0-or-later
// Models that read and write text alone: the decoder and its head, nothing before it. A family is a
// row that names its model_type; what the decoder is for it stands in decoder_kinds.cpp.
#pragma once

#include "engine/models/decoder_model.h"
#include "engine/models/prefix_reader.h"

namespace luthier {

struct TextOptions {
  DecoderOptions decoder;
  bool tie_word_embeddings = false;
  bool prefix_lm = false;  ///< a row's prompt sees itself both ways
};

class TextModel : public DecoderModel, public PrefixReader {
 public:
  TextModel(const TextOptions& options, const torch::TensorOptions& tensors);
  bool reads_prefix() const override { return prefix_lm_; }
  TokenSequence embed(const ModelInput& input) override;
  void prepare(ModelInput& input) const override;
  // Rows that go on from others' ends have no prefix of their own.
  bool forks() const override { return !prefix_lm_ && DecoderModel::forks(); }
  bool takes_forks(const StepTerms& terms) const override {
    return !prefix_lm_ && DecoderModel::takes_forks(terms);
  }

 protected:
  DecoderEntry add_entry_cost(const Pass& pass, PassCost& cost) const override;

 private:
  bool prefix_lm_;
};

Result<Plan> read_text_model(const Json& config, const std::filesystem::path& folder);

/// Files of a whole model have the names in memory; those of a decoder saved without its head lack
/// the "model." before them.
std::string text_memory_name(const std::string& stored);

/// The same of the text half of a model that takes pictures, whose files may have the names that it
/// has there ("model.language_model."), as transformers writes it where it was loaded from them.
std::string text_half_memory_name(const std::string& stored);

/// The family table's row of a model_type.
constexpr Family text_family(const char* model_type) {
  return {model_type, /*takes_pictures=*/false, read_text_model, text_memory_name, same_name};
}

}  // namespace luthier
