// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/head_of_class.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "engine/data/named_class.h"
#include "engine/models/bert/named_parts.h"
#include "engine/models/open_weights.h"
#include "engine/models/stored_tensor.h"

namespace luthier {

using torch::Tensor;

namespace {

/// A class, or what the names of several end with, and the head that it has. A decoder's: of models
/// that go on with a text.
struct ClassWithHead {
  std::string_view name;
  const char* head;
  bool decoder;
};
constexpr const char* kSpans = "qa_outputs";
constexpr std::array<ClassWithHead, 10> kClasses{
    {{"GPT2ForTokenClassification", "classifier", true},
     {"ForTokenClassification", "score", true},
     {"ForSequenceClassification", "score", true},
     {"BertForQuestionAnswering", kSpans, false},
     {"RobertaForQuestionAnswering", kSpans, false},
     {"XLMRobertaForQuestionAnswering", kSpans, false},
     {"AlbertForQuestionAnswering", kSpans, false},
     {"ElectraForQuestionAnswering", kSpans, false},
     {"DebertaV2ForQuestionAnswering", kSpans, false},
     {"ViTForMaskedImageModeling", "decoder.0", false}}};
/// Heads of words, which such a class has not.
constexpr std::array<std::string_view, 6> kWordHeads{"lm_head.",           "cls.",
                                                     "predictions.",       "generator_predictions.",
                                                     "generator_lm_head.", "lm_predictions."};

const ClassWithHead* class_with_head(const std::string& name) {
  const auto found = std::find_if(kClasses.begin(), kClasses.end(), [&](const ClassWithHead& each) {
    return each.name.starts_with("For") ? name.ends_with(each.name) : name == each.name;
  });
  return found == kClasses.end() ? nullptr : &*found;
}

}  // namespace

HeadOfClass::HeadOfClass(at::IntArrayRef weight, bool bias, const torch::TensorOptions& tensors) {
  add_parameter("weight", weight_, weight.vec(), tensors);
  if (bias) add_parameter("bias", bias_, {weight[0]}, tensors);
}

Tensor HeadOfClass::forward(const Tensor& x) const {
  const auto whole = [](const Tensor& each) {
    return each.defined() ? each.to(torch::kFloat32) : each;
  };
  return at::linear(whole(x), whole(weight_).flatten(1), whole(bias_));
}

HeadOfClass* head_of_class(const Model& model) {
  for (const auto& module : model.modules(/*include_self=*/false))
    if (auto* head = dynamic_cast<HeadOfClass*>(module.get())) return head;
  return nullptr;
}

bool head_replaces(const std::string& architecture, const std::string& name) {
  return class_with_head(architecture) &&
         std::any_of(kWordHeads.begin(), kWordHeads.end(),
                     [&](std::string_view with) { return name.starts_with(with); });
}

Status hang_head_of_class(LoadedModel& loaded) {
  const ClassWithHead* const wanted = class_with_head(named_class(loaded.config));
  if (!wanted) return {};
  Model& model = *loaded.model;
  const bool own = model.classifier() && !model.output_head();
  if (own || (wanted->decoder && !model.causal())) return {};
  LUTHIER_TRY(const CheckpointFiles files,
              open_weights(loaded.folder, loaded.config, *loaded.family, model));
  const std::string name = wanted->head;
  const auto stored = [&files](const std::string& tensor) -> const TensorInfo* {
    const auto found = files.tensors().find(tensor);
    return found == files.tensors().end() ? nullptr : &found->second;
  };
  const TensorInfo *const weight = stored(name + ".weight"), *const bias = stored(name + ".bias");
  const bool fits = weight && weight->shape.size() >= 2 && weight->shape[0] > 0 &&
                    weight->elements() == weight->shape[0] * weight->shape[1] &&
                    weight->shape[1] == model.geometry().hidden_size &&
                    (!bias || bias->elements() == weight->shape[0]);
  if (!fits)
    return input_error("The tensor " + name + ".weight is missing, or does not fit the model.",
                       loaded.folder.string(), "The weights do not belong to this class.");
  const auto head = std::make_shared<HeadOfClass>(
      weight->shape, bias != nullptr,
      torch::TensorOptions().device(model.device()).dtype(model.dtype()));
  const torch::NoGradGuard no_grad;
  for (auto& item : head->named_parameters()) {
    const std::string tensor = name + "." + item.key();
    LUTHIER_CHECK(
        read_stored(*files.find(tensor), item.value(), loaded.folder.string() + ": " + tensor));
  }
  register_at(model, name, head);
  return {};
}

}  // namespace luthier
