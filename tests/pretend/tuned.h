// SPDX-License-Identifier: GPL-3.0-or-later
// The small models of engine/check/tiny_models in training, as gpu-check has them, for tests that
// ask for a family by its name, for other rows and for a device.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/check/tiny_models.h"
#include "engine/check/tuning.h"

namespace luthier::pretend {

/// Of models without a folder only its filler is asked for.
inline const std::shared_ptr<const ChatProcessor>& any_processor() {
  static const std::shared_ptr<const ChatProcessor> processor =
      load_processor(LUTHIER_SOURCE_DIR "/resources/teaching/base", {}).take();
  return processor;
}

/// Rows of these lengths beyond a picture's tokens; empty: of its own.
inline TinyModel tiny(const std::string& name, std::vector<std::int64_t> lengths = {}) {
  TinyModel model;
  for (const Family& family : families())
    if (name == family.model_type) model = tiny_model(family).take();
  if (!lengths.empty()) model.lengths = std::move(lengths);
  return model;
}

/// The model under the recipe of these settings, in float32.
inline std::unique_ptr<Tuning> tuned(const TinyModel& model, torch::Device device,
                                     std::vector<std::string> settings) {
  settings.push_back("objective=" + model.objective);
  const auto tensors = torch::TensorOptions().device(device).dtype(torch::kFloat32);
  return Tuning::begin(drawn(model, tensors, torch::kFloat32, any_processor()).take(),
                       recipe_without_files(settings).take())
      .take();
}

}  // namespace luthier::pretend
