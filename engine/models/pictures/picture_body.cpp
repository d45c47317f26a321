// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/pictures/picture_body.h"

#include <algorithm>

#include "engine/models/two_towers/two_tower_parts.h"
#include "engine/nn/module_cost.h"

namespace luthier {

using torch::Tensor;

namespace {

class List : public torch::nn::Module {};

class PictureModel : public Model, public Classifier, public PictureTower, public StepCosts {
 public:
  PictureModel(std::shared_ptr<PictureBody> body, const PictureNames& names,
               const std::optional<ClassOptions>& classes, const torch::TensorOptions& t)
      : body_(std::move(body)) {
    declare_part(kVisionTower, names.body + ".");
    register_module(names.body, body_);
    if (!classes) return;
    classes_ = *classes;
    declare_part(kProjector, names.head + ".");
    const Linear head(body_->width(), classes_.numbers(), true, t);
    const std::size_t dot = names.head.find('.');
    if (dot == std::string::npos) {
      head_ = register_module(names.head, head);
    } else {
      const auto list = register_module(names.head.substr(0, dot), std::make_shared<List>());
      head_ = list->register_module(names.head.substr(dot + 1), head);
    }
  }

  Classifier* classifier() override { return head_ ? this : nullptr; }
  PictureTower* picture_tower() override { return this; }
  const StepCosts* step_costs() const override { return this; }

  const ClassOptions& classes() const override { return classes_; }
  Tensor tower(const ModelInput& input) override {
    TORCH_CHECK(input.pixel_values.size(0) == static_cast<std::int64_t>(input.pictures.size()),
                "a picture is one frame");
    return body_->vectors(input.pixel_values);
  }
  Tensor classify(const ModelInput& input) override {
    return head_(input.tower_features.defined() ? input.tower_features : tower(input));
  }

  PassCost cost(const Pass& pass) const override {
    const StepTerms& terms = pass.terms;
    const TowerCost tower = body_->cost(pass);
    PassCost cost;
    cost.stages = {two_tower_inputs(pass, tower.trains)};
    add_body_cost(tower, pass, terms.block(feature_numbers(pass.pictures)), cost);
    if (!head_) return cost;
    cost.stages.push_back(end_product_cost(terms, head_, pass.pictures.frames));
    cost.head.vocabulary = classes_.numbers();
    cost.head.width = body_->width();
    return cost;
  }
  std::int64_t feature_numbers(const PictureLoad& pictures) const override {
    return pictures.frames * body_->width();
  }
  ModelGeometry geometry() const override { return body_->geometry(); }

 private:
  std::shared_ptr<PictureBody> body_;
  ClassOptions classes_;
  Linear head_{nullptr};
};

}  // namespace

PictureBody* picture_body(const Model& model) {
  for (const auto& module : model.modules(/*include_self=*/false))
    if (auto* body = dynamic_cast<PictureBody*>(module.get())) return body;
  return nullptr;
}

void add_body_cost(const TowerCost& body, const Pass& pass, std::int64_t vectors, PassCost& cost) {
  if (body.trains) return body.add_to(cost, vectors);
  std::int64_t work = 0;
  for (const Stage& stage : body.stages)
    for (const Stage::Moment& moment : stage.moments) work = std::max(work, moment.work);
  if (!pass.pictures_together) work /= std::max<std::int64_t>(1, pass.pictures.frames);
  cost.stages.push_back({vectors, {{vectors, work}}, 0});
  cost.unreached += body.unreached;
}

std::shared_ptr<Model> picture_model(std::shared_ptr<PictureBody> body, const PictureNames& names,
                                     const std::optional<ClassOptions>& classes,
                                     const torch::TensorOptions& tensors) {
  return std::make_shared<PictureModel>(std::move(body), names, classes, tensors);
}

Status plan_pictures_alone(const Json& config, const std::string& where, const char* processor,
                           Plan& plan, std::int64_t smallest) {
  LUTHIER_TRY(plan.labels.classes, read_class_options(config, where));
  plan.pictures = pictures_beside(processor, smallest);
  plan.form = RowForm::PictureAlone;
  return {};
}

std::string within(const std::string& body, const std::string& stored) {
  if (stored.starts_with(body + ".") || stored.starts_with("classifier")) return stored;
  return body + "." + stored;
}

}  // namespace luthier
