// SPDX-License-Identifier: GPL-3.0-or-later
// Florence-2's way from the tower into the text (Florence2MultiModalProjector of transformers
// 5.17): each place learns its row and column, one moment is added, and before all places stands
// their mean.
#pragma once

#include "engine/models/cost.h"
#include "engine/models/florence2/davit_options.h"
#include "engine/nn/linear.h"

namespace luthier::florence2 {

/// Sines and cosines by turns, a row a moment, of which a single picture is the first. They are
/// stored, and learn nothing.
class Moments : public ParameterModule {
 public:
  Moments(const DavitOptions& o, const torch::TensorOptions& t);
  const torch::Tensor& table() const { return table_; }
  std::string type_name() const override { return "Parameter"; }
  torch::Tensor first_value(const std::string& name, const at::Generator& generator) const override;

 private:
  torch::Tensor table_;  ///< [moments, width]
};

class Projector : public torch::nn::Module {
 public:
  Projector(const DavitOptions& o, const torch::TensorOptions& t);
  /// x [pictures, rows, columns, width] → [pictures · (1 + rows · columns), projection_dim].
  torch::Tensor forward(const torch::Tensor& x) const;
  /// Of pictures with so many places in all.
  ProjectorCost cost(const StepTerms& terms, std::int64_t pictures, std::int64_t places) const;

 private:
  Linear image_projection_{nullptr};
  LayerNorm image_proj_norm_{nullptr};
  Embedding row_embeddings_{nullptr}, column_embeddings_{nullptr};
  std::shared_ptr<Moments> moments_;
};

}  // namespace luthier::florence2
