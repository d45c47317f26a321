// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/florence2/projector.h"

#include <cmath>

#include "engine/nn/module_cost.h"

namespace luthier::florence2 {

using torch::Tensor;

namespace {

class Places : public torch::nn::Module {};

}  // namespace

Moments::Moments(const DavitOptions& o, const torch::TensorOptions& t) {
  add_fixed("pos_idx_to_embed", table_, {o.moments, o.width()}, /*first=*/0, t);
}

Tensor Moments::first_value(const std::string&, const at::Generator&) const {
  const std::int64_t half = table_.size(1) / 2;
  const Tensor rates =
      (torch::arange(half, torch::kFloat32) * -(std::log(10000.0) / static_cast<double>(half)))
          .exp();
  const Tensor angles = torch::arange(table_.size(0), torch::kFloat32).unsqueeze(1) * rates;
  return at::stack({angles.sin(), angles.cos()}, -1).flatten(1);
}

Projector::Projector(const DavitOptions& o, const torch::TensorOptions& t) {
  constexpr double kEpsilon = 1e-5;  // PyTorch's; the configuration has none
  const std::int64_t width = o.width();
  image_projection_ =
      register_module("image_projection", Linear(width, o.projection_dim, false, t));
  image_proj_norm_ = register_module("image_proj_norm", LayerNorm(o.projection_dim, kEpsilon, t));
  const auto places = register_module("image_position_embed", std::make_shared<Places>());
  row_embeddings_ = places->register_module("row_embeddings", Embedding(o.places, width / 2, t));
  column_embeddings_ =
      places->register_module("column_embeddings", Embedding(o.places, width - width / 2, t));
  moments_ = register_module("visual_temporal_embed", std::make_shared<Moments>(o, t));
}

Tensor Projector::forward(const Tensor& x) const {
  const std::int64_t pictures = x.size(0), rows = x.size(1), columns = x.size(2);
  const auto along = [&](const Embedding& table, std::int64_t count) {
    return table->forward(
        torch::arange(count, torch::TensorOptions().dtype(torch::kInt64).device(x.device())));
  };
  const Tensor across = along(column_embeddings_, columns), down = along(row_embeddings_, rows);
  const Tensor places = at::cat({across.unsqueeze(0).expand({rows, columns, -1}),
                                 down.unsqueeze(1).expand({rows, columns, -1})},
                                -1);  // [rows, columns, width]
  const Tensor placed = (x + places).flatten(1, 2) + moments_->table().select(0, 0);
  const Tensor all = at::cat({placed.mean(1, /*keepdim=*/true), placed}, 1);
  const Tensor made = image_projection_->forward(all.flatten(0, 1));
  return image_proj_norm_->forward(made).view({pictures * (1 + rows * columns), -1});
}

ProjectorCost Projector::cost(const StepTerms& terms, std::int64_t pictures,
                              std::int64_t places) const {
  const std::int64_t features = pictures + places;
  const ProductsCost product = products_cost(terms, {image_projection_}, features);
  const TrainedShare share = trained_within(terms, *this);
  ProjectorCost cost;
  cost.trains = share.trains;
  cost.kept = product.input + product.numbers + norm_kept(terms, image_proj_norm_, features);
  const std::int64_t wide = terms.block(features * image_projection_->in_features());
  cost.work = std::max(norm_work(terms, image_proj_norm_, features), 3 * wide + product.work);
  cost.gradients = share.parameters * terms.gradient_element;
  return cost;
}

}  // namespace luthier::florence2
