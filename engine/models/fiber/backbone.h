// SPDX-License-Identifier: GPL-3.0-or-later
// FIBER's two towers, Swin of pictures and RoBERTa of texts, and what lets the last layers of each
// look across to the other's (Dou et al. 2022). Passed by, the two are a dual encoder; looked
// through, both sides of a layer see what the other was before it. Behind the fused layers neither
// side's last norm stands, as the authors have it.
#pragma once

#include <memory>
#include <vector>

#include "engine/models/fiber/fiber_options.h"
#include "engine/models/fiber/fused_attention.h"
#include "engine/models/model.h"

namespace luthier::fiber {

/// A layer of RoBERTa whose attention's result may look across to a picture.
class FusedTextLayer : public TextLayer {
 public:
  using TextLayer::TextLayer;
  /// [tokens, hidden] → the same; row i looks across to row i of `picture`.
  torch::Tensor fused(const torch::Tensor& x, const RowLayout& rows, const FusedAttention& look,
                      const RowStates& picture, bool last_norm) const;
};

/// How rows of texts and their pictures' maps lie, and the places among them.
struct FusedRows {
  RowLayout words;
  std::vector<RowLayout> maps;  ///< of each fused layer, a row a picture
};

class Backbone {
 public:
  /// Registers its modules in `model`: swin, roberta, image_fusion, text_fusion.
  Backbone(torch::nn::Module& model, const Options& options, const torch::TensorOptions& t);

  /// Of a picture's states before the first layer that looks across.
  std::int64_t places() const { return first_map().places(); }
  std::int64_t width() const { return first_map().width; }
  /// pixels [pictures, 3, height, width] → [pictures · places, width].
  torch::Tensor begin(const torch::Tensor& pixels) const;
  /// Such states → [pictures, image width]: the mean of what Swin makes of them by itself.
  torch::Tensor images(const torch::Tensor& begun) const;
  /// Tokens → [tokens, hidden], by themselves. `types`: undefined, all are 0.
  torch::Tensor texts(const torch::Tensor& ids, const torch::Tensor& types, const RowLayout& rows,
                      bool checkpointing) const;

  struct Fused {
    torch::Tensor texts;   ///< [tokens, hidden]
    torch::Tensor images;  ///< [rows, image width], means of a picture's places; undefined: nobody
                           ///< asked
  };
  /// `begun` [rows · places, width]: each row's picture.
  Fused fused(const torch::Tensor& begun, const torch::Tensor& ids, const torch::Tensor& types,
              const FusedRows& rows, bool images_too, bool checkpointing) const;

  FusedRows rows_of(const RowLayout& words) const;
  /// What fused() would ask the host for: made there, and taken back from wherever it is now.
  void set_aside(const RowLayout& words, NamedTensorMap& aside) const;
  void take_back(FusedRows& rows, const NamedTensorMap& aside) const;

  // Costs. `again`: the layers' gradients stand since a later pass, `last_again` those of the last
  // one, too. Each returns whether a gradient is wanted at its end.
  TowerCost begin_cost(const StepTerms& terms, std::int64_t pictures) const;
  bool add_images(const StepTerms& terms, std::int64_t pictures, bool flows, bool again,
                  bool last_again, std::vector<Stage>& stages) const;
  bool add_texts(const StepTerms& terms, const std::vector<std::int64_t>& lengths, bool again,
                 std::vector<Stage>& stages) const;
  /// Of either side.
  struct Flows {
    bool texts = false, images = false;
  };
  Flows add_fused(const StepTerms& terms, const std::vector<std::int64_t>& lengths, bool flows,
                  bool images_too, bool again, std::vector<Stage>& stages) const;
  /// What trains that only fused(), only images() and texts() reach; and what of fused() only
  /// its images ask for.
  std::int64_t of_fusion(const StepTerms& terms) const;
  std::int64_t of_last_norms(const StepTerms& terms) const;
  std::int64_t of_last_images(const StepTerms& terms) const;
  std::int64_t of_last_image_fusion(const StepTerms& terms) const;

  const std::shared_ptr<TextEmbeddings>& embeddings() const { return embeddings_; }

 private:
  SwinMap map(std::int64_t pair) const;
  SwinMap first_map() const { return map(0); }
  bool add_embeddings(const StepTerms& terms, std::int64_t tokens, bool again,
                      std::vector<Stage>& stages) const;

  const Options options_;
  std::shared_ptr<SwinBody> swin_;
  std::shared_ptr<TextEmbeddings> embeddings_;
  std::vector<std::shared_ptr<FusedTextLayer>> text_layers_;
  std::vector<std::shared_ptr<FusedAttention>> of_images_, of_texts_;  ///< by fused layer
};

}  // namespace luthier::fiber
