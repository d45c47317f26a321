// SPDX-License-Identifier: GPL-3.0-or-later
// LLaVA's modules, which LLaVA-NeXT and LLaVA-OneVision share.
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
  std::int64_t feature_numbers(const PictureLoad& pictures) const override;

 protected:
  TowerCost tower_cost(const Pass& pass) const override;
  ProjectorCost projector_cost(const Pass& pass) const override;
  torch::Tensor project(const torch::Tensor& features, const ModelInput& input) override;
  const torch::Tensor& image_newline() const;
  /// Features that go through the projector.
  virtual std::int64_t projected(const PictureLoad& pictures) const { return pictures.tokens; }
  std::int64_t frame_features() const;

 private:
  class Body;
  std::int64_t layers_run() const;

  LlavaOptions options_;
  std::shared_ptr<Body> body_;
};

}  // namespace luthier
