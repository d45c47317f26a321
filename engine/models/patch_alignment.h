// SPDX-License-Identifier: GPL-3.0-or-later
// Of models that see without a tower and whose states are held against one while they learn (EVE,
// Diao et al. 2024): what the teacher is shown, and what the model says of each of its patches.
#pragma once

#include <vector>

#include "engine/models/loaded_model.h"
#include "engine/models/model.h"
#include "engine/models/vision_tower.h"

namespace luthier {

/// A capability (see models/model.h), which the model's class has.
class PatchAlignment {
 public:
  virtual ~PatchAlignment() = default;
  /// Whether it has the layers for that, as it was configured.
  virtual bool aligns() const = 0;
  /// Where the states that are held against the teacher's stand: [squares] int64 among the tokens.
  virtual torch::Tensor aligned_places(const ModelInput& input) const = 0;
  /// Which of the decoder's states they are (nn/state_watch.h), in rising order.
  virtual std::vector<std::int64_t> aligned_layers() const = 0;
  /// Those states → what they say of each of the teacher's patches that shows something of its
  /// picture: [patches, teacher's width], picture after picture.
  virtual torch::Tensor align(const std::vector<torch::Tensor>& states,
                              const ModelInput& input) = 0;
  /// The pictures as the teacher takes them: [pictures, 3, size, size].
  virtual torch::Tensor teacher_pixels(const ModelInput& input) const = 0;
  /// Of its patches, picture after picture and row by row, those that show something: [patches]
  /// int64; and how many are each picture's.
  virtual torch::Tensor teacher_patches(const ModelInput& input,
                                        std::vector<std::int64_t>& of_each) const = 0;
  /// An Input error, which names the teacher's file, where its tower or its picture processor is
  /// not one that the model can be aligned with.
  virtual Status check_teacher(const LoadedModel& model, const LoadedModel& teacher) const = 0;
};

/// Null: the model has none, or was configured without.
inline PatchAlignment* patch_alignment_of(Model& model) {
  auto* aligned = dynamic_cast<PatchAlignment*>(&model);
  return aligned && aligned->aligns() ? aligned : nullptr;
}

/// The one tower of CLIP's kind that a model holds; null: it holds none, or several.
VisionTowerImpl* tower_of(const Model& model);

}  // namespace luthier
