// SPDX-License-Identifier: GPL-3.0-or-later
// The Q-Former (Li et al. 2023; Blip2QFormerModel of transformers 5.17): BERT's layers over a few
// learned queries, which look across to a picture's states in every n-th layer. Where a text stands
// beside the queries, its tokens look at no picture, and queries and text have a feed-forward each.
// Either sees the other (InstructBLIP's instruction, BLIP-2's matching), or the text is written:
// its tokens see the queries and those before them, and no query sees a token. A text may stand
// alone.
#pragma once

#include <memory>
#include <vector>

#include "engine/models/blip2/qformer_options.h"
#include "engine/models/blocks/branches.h"
#include "engine/models/cost.h"

namespace luthier {

/// What its layers see beside the states.
struct QFormerFrame {
  RowLayout rows;     ///< of queries and text together, a picture's queries before its text
  RowLayout queries;  ///< of the queries alone
  /// Where in `rows` queries and text stand, and where each of `rows` stands behind queries and
  /// text put after one another: [tokens] int64 each; undefined: there is no text.
  torch::Tensor query_places, text_places, back;
  RowStates pictures;    ///< the states that each row's queries look across to
  torch::Tensor blocks;  ///< [tokens] int64 of rows whose text is written: 0 of a query, −1 of a
                         ///< token; undefined: all of a row see one another
  bool texts_alone = false;  ///< the rows are texts without queries
};

/// The texts that stand beside the queries of pictures, a picture's after another's.
struct QFormerTexts {
  torch::Tensor ids;  ///< [tokens] int64, by its own tables; undefined: there are none
  std::vector<std::int64_t> lengths;  ///< one a picture
  torch::Tensor words =
      {};  ///< [tokens, hidden] that they begin as, where the tables are another's
  bool written = false;

  bool any() const {
    return (words.defined() && words.numel() > 0) || (ids.defined() && ids.numel() > 0);
  }
};
/// QFormerFrame's places for rows of so many queries and such texts, on the host.
struct QFormerPlaces {
  torch::Tensor queries, texts, back, positions;  ///< the last: of the texts' tokens in their row
};
QFormerPlaces qformer_places(std::int64_t queries, const std::vector<std::int64_t>& lengths);

/// A batch on its way through it, for what it costs.
struct QFormerPass {
  std::int64_t pictures = 0, picture_tokens = 0;  ///< tokens of one; no picture: texts alone
  std::vector<std::int64_t> texts;                ///< the lengths of the text rows; empty: none
  bool memory_flows = false;                      ///< a gradient is wanted of the pictures' states
  bool written = false;                           ///< the texts are
  bool again = false;  ///< it runs once more behind this, and its gradients stand since
};

class QFormerLayer : public torch::nn::Module {
 public:
  QFormerLayer(const QFormerOptions& options, bool across, const torch::TensorOptions& tensors);
  torch::Tensor forward(const torch::Tensor& x, const QFormerFrame& frame) const;
  /// `flows`: a gradient is wanted below the layer.
  Stage cost(const StepTerms& terms, const QFormerPass& pass, bool flows) const;
  /// Whether the pictures' states are kept for the backward of its products.
  bool keeps_pictures(const StepTerms& terms) const;

 private:
  /// transformers' Blip2QFormerAttention: products, then the norm behind the sum.
  struct Attention {
    Linear query{nullptr}, key{nullptr}, value{nullptr}, out{nullptr};
    LayerNorm norm{nullptr};
  };
  struct FeedForward {
    Linear wide{nullptr}, narrow{nullptr};
    LayerNorm norm{nullptr};
    torch::Tensor forward(const torch::Tensor& x, Activation activation) const {
      return norm->forward(x + narrow->forward(activate(wide->forward(x), activation)));
    }
  };
  Attention make_attention(const char* name, std::int64_t from, const torch::TensorOptions& t);
  FeedForward make_feed_forward(const char* wide, const char* narrow,
                                const torch::TensorOptions& t);

  QFormerOptions options_;
  Attention self_, across_;  ///< the second's products null: it looks at no picture
  FeedForward of_queries_, of_text_;
};

class QFormer : public torch::nn::Module {
 public:
  QFormer(const QFormerOptions& options, const torch::TensorOptions& tensors);
  /// `query_tokens` [1, queries, hidden] of each picture, whose states are `pictures` [pictures ·
  /// tokens, encoder width] → the queries' states [pictures · queries, hidden]. `places`: of the
  /// texts, on their device.
  torch::Tensor forward(const torch::Tensor& query_tokens, const torch::Tensor& pictures,
                        std::int64_t count, const QFormerTexts& texts = {},
                        const QFormerPlaces& places = {}) const;
  /// The same with the texts' states: [tokens of queries and texts, hidden], as `places` lay them.
  torch::Tensor together(const torch::Tensor& query_tokens, const torch::Tensor& pictures,
                         std::int64_t count, const QFormerTexts& texts,
                         const QFormerPlaces& places) const;
  /// Texts alone, which begin as `words` [tokens, hidden] → [tokens, hidden].
  torch::Tensor read(const torch::Tensor& words, const RowLayout& rows) const;
  /// Adds its stages. `flows`: a gradient is wanted of what enters it; afterwards whether one is
  /// wanted at its end.
  void add_cost(const StepTerms& terms, const QFormerPass& pass, bool& flows,
                std::vector<Stage>& stages) const;

 private:
  QFormerOptions options_;
  LayerNorm layernorm_{nullptr};
  Embedding words_{nullptr}, positions_{nullptr};  ///< null: it has none of its own
  std::vector<std::shared_ptr<QFormerLayer>> layers_;
};

}  // namespace luthier
