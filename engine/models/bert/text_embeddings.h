// SPDX-License-Identifier: GPL-3.0-or-later
// What BERT's kind of text encoder begins with: the sum of a table of words, one of positions and
// one of token types, and a norm. Families differ in which tables there are, in how a token's
// position is counted, and in whether the sum is widened before the norm (DeBERTa).
#pragma once

#include <memory>
#include <string>

#include "engine/models/cost.h"
#include "engine/nn/layers.h"
#include "engine/nn/linear.h"
#include "engine/nn/rows.h"

namespace luthier {

struct TextTables {
  std::int64_t words = 0, width = 0;
  std::int64_t positions = 0, types = 0;  ///< rows of the other tables; 0: there is none
  std::int64_t normed = 0;                ///< what the norm takes; 0: the sum as it is
  std::int64_t padding = -1;              ///< the word that learns nothing by lookups; −1: all do
  /// Positions go on from the padding's id and count no padding, which has that id itself
  /// (RoBERTa); else from 0, all.
  bool behind_padding = false;
  /// Positions are no part of the sum, but there for who asks for them (DeBERTa's mask decoder).
  bool positions_apart = false;
  /// What two models that learn together have in common: all of it (ELECTRA), or words and
  /// positions alone (DeBERTa v3).
  bool all_in_common = true;
  double layer_norm_eps = 1e-12;
};

/// Tokens of a row that there are positions for.
std::int64_t longest_row(const TextTables& tables);

class TextEmbeddings : public torch::nn::Module {
 public:
  TextEmbeddings(const TextTables& tables, const torch::TensorOptions& t);

  /// ids [tokens], and their types, undefined: all are 0 → [tokens, width, or what the norm takes].
  /// `before`: tokens of each row that came earlier (none, where padding is not counted).
  torch::Tensor forward(const torch::Tensor& ids, const torch::Tensor& types, const RowLayout& rows,
                        std::int64_t before = 0) const;
  Stage cost(const StepTerms& terms, std::int64_t tokens) const;
  /// What the table of positions has of each token's place in its row: [tokens, width].
  torch::Tensor positions(const RowLayout& rows, torch::Device device) const;
  /// Whether the tensor of this name within the module is one that another model may have, too.
  bool in_common(const std::string& tensor) const;

  Embedding words{nullptr};

 private:
  torch::Tensor positions_of(const torch::Tensor& ids, const RowLayout& rows) const;

  TextTables tables_;
  Embedding positions_{nullptr}, types_{nullptr};
  Linear widen_{nullptr};
  LayerNorm norm_{nullptr};
};

/// A model that begins with such tables, which another one may have, too (models/shared_tables.h).
class HasTextEmbeddings {
 public:
  virtual ~HasTextEmbeddings() = default;
  virtual const std::shared_ptr<TextEmbeddings>& embeddings() const = 0;
};

}  // namespace luthier
