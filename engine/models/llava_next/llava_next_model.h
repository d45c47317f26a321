// SPDX-License-Identifier: GPL-3.0-or-later
// LLaVA-NeXT's modules, which LLaVA-OneVision shares: LLaVA's, and the way from all frames'
// features to the lines in the text.
#pragma once

#include "engine/models/llava/llava_model.h"
#include "engine/models/llava_next/llava_next.h"

namespace luthier {

class LlavaNextModel : public LlavaModel {
 public:
  LlavaNextModel(const LlavaNextOptions& options, const torch::TensorOptions& tensors)
      : LlavaModel(options.llava, /*newline=*/true, tensors), cut_(options.cut) {
    film_token_ = options.film_token_id;
  }
  void prepare(ModelInput& input) const override;
  ModelGeometry geometry() const override;

 protected:
  /// Only what is kept is projected; the order then puts lines' ends between.
  torch::Tensor project(const torch::Tensor& features, const ModelInput& input) override;
  std::int64_t projected(const PictureLoad& pictures) const override;

 private:
  void set_gathers_aside(const std::vector<PictureFacts>& pictures, NamedTensorMap& aside) const;

  PictureCut cut_;
};

}  // namespace luthier
