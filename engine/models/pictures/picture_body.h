// SPDX-License-Identifier: GPL-3.0-or-later
// Models of pictures alone, as transformers' ...ForImageClassification: a body that makes one
// vector of each picture, and a product that tells classes by it. What differs between them is the
// body.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "engine/models/cost.h"
#include "engine/models/family.h"
#include "engine/models/vision_parts.h"

namespace luthier {

/// What transformers' class without a head gives of pictures.
struct PictureStates {
  torch::Tensor last;    ///< last_hidden_state, as the class lays it out
  torch::Tensor pooled;  ///< pooler_output; undefined: a product that the body lacks makes it
};

class PictureBody : public ParameterModule {
 public:
  std::string type_name() const override { return "Parameter"; }
  /// pixels [pictures, 3, height, width] → [pictures, width], what a head of classes takes.
  virtual torch::Tensor vectors(const torch::Tensor& pixels) = 0;
  virtual std::int64_t width() const = 0;
  virtual PictureStates states_of(const torch::Tensor& pixels) = 0;
  /// From the pixels on to those vectors.
  virtual TowerCost cost(const Pass& pass) const = 0;
  /// Its sizes; the frame's height and width where it takes no other.
  virtual ModelGeometry geometry() const = 0;
};

/// The model's body; null: it is no model of pictures alone.
PictureBody* picture_body(const Model& model);

/// Adds a body's stages; where nothing in it trains, its vectors alone, of so many bytes, and what
/// one picture is made of on its way, since a fixed body reads one at a time, or what all are made
/// of where they go through it together.
void add_body_cost(const TowerCost& body, const Pass& pass, std::int64_t vectors, PassCost& cost);

/// Where a body stands in its model, and its head of classes.
struct PictureNames {
  std::string body;                 ///< "vit"
  std::string head = "classifier";  ///< "classifier.1": within a list
};

/// A body with a head of classes, or without one where there are no classes. The head is the
/// projector, so that `freeze` trains it on what the body makes of each picture.
std::shared_ptr<Model> picture_model(std::shared_ptr<PictureBody> body, const PictureNames& names,
                                     const std::optional<ClassOptions>& classes,
                                     const torch::TensorOptions& tensors);

/// A plan's part that all of them share: classes of pictures by config.json, rows of a picture
/// alone, and a processor of this type where the folder names none.
Status plan_pictures_alone(const Json& config, const std::string& where, const char* processor,
                           Plan& plan, std::int64_t smallest = 1);

/// A name without a beginning it may have: files of a body alone lack its name in the model.
std::string within(const std::string& body, const std::string& stored);

}  // namespace luthier
