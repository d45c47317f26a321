// SPDX-License-Identifier: GPL-3.0-or-later
// What VisualBERT begins with (VisualBertEmbeddings of transformers 5.17): BERT's sum of words,
// positions and types, and beside it of each region its projected features, a type (1) and a
// position (row 0 of a table of their own, and where the region is aligned to words the mean of
// those words' positions). One norm for both.
#pragma once

#include "engine/models/bert/text_embeddings.h"
#include "engine/models/model_input.h"

namespace luthier {

class VisualEmbeddings : public TextEmbeddings {
 public:
  VisualEmbeddings(const TextTables& tables, std::int64_t region_width,
                   const torch::TensorOptions& t);

  /// Sets aside which words the batch's regions are aligned to.
  static void set_alignment_aside(const ModelInput& input, NamedTensorMap& aside);

  /// The batch's regions: [regions, width].
  torch::Tensor regions(const ModelInput& input) const;
  /// `words`, `regions`: how many of either a pass has.
  Stage cost(const StepTerms& terms, std::int64_t words, std::int64_t regions) const;
  /// What regions alone reach.
  TrainedShare of_regions(const StepTerms& terms) const;

 private:
  std::int64_t region_width_, width_;
  Embedding word_positions_{nullptr}, types_{nullptr}, positions_{nullptr};
  Linear projection_{nullptr};
  LayerNorm norm_{nullptr};
};

}  // namespace luthier
