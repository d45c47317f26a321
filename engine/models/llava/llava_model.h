// SPDX-License-Identifier: GPL-3.0-or-later
// LLaVA's modules, which LLaVA-NeXT shares.
#pragma once

#include "engine/models/llava/llava.h"
#include "engine/models/tower_model.h"

namespace luthier {

class LlavaModel : public TowerModel {
 public:
  /// `newline`: with the parameter image_newline [text width].
  LlavaModel(const LlavaOptions& options, bool newline, const torch::TensorOptions& tensors);
  torch::Tensor tower(const ModelInput& input) override;
  ModelGeometry geometry() const override;

 protected:
  torch::Tensor project(const torch::Tensor& features, const ModelInput& input) override;
  const torch::Tensor& image_newline() const;

 private:
  class Body;
  LlavaOptions options_;
  std::shared_ptr<Body> body_;
};

}  // namespace luthier
