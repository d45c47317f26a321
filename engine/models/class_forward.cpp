// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/class_forward.h"

#include "engine/base/text.h"
#include "engine/data/named_class.h"
#include "engine/device/failure.h"
#include "engine/models/body_class.h"
#include "engine/models/class_calls/call.h"
#include "engine/models/clip/clip_text.h"
#include "engine/models/clipseg/segmenter.h"
#include "engine/models/head_of_class.h"
#include "engine/models/load_without_processor.h"
#include "engine/models/pictures/feature_maps.h"
#include "engine/models/pictures/picture_body.h"
#include "engine/models/two_towers/pair_matcher.h"
#include "engine/models/visual_bert/region_reader.h"
#include "engine/models/vit/picture_transformer.h"

namespace luthier {

namespace {

/// Input error: a class whose head the model lacks here would be called as one with another head.
Status check_head(const ClassCall& call) {
  if (call.model.classifier() || region_reader(call.model) || head_of_class(call.model)) return {};
  for (const char* head : {"ForSequenceClassification", "ForTokenClassification",
                           "ForQuestionAnswering", "ForMultipleChoice", "ForImageClassification",
                           "DoubleHeadsModel", "ForAudioClassification"})
    if (call.name.ends_with(head) && call.name != "BlipForQuestionAnswering")
      return input_error("The head of " + call.name + " is not built here.",
                         (call.loaded.folder / "config.json").string() + ": architectures",
                         "docs/by-tensors.md lists the classes that are.");
  return {};
}

/// CLIP's or SigLIP's tower of texts, where the class is that alone; else null.
ClipTextTower* text_tower(const ClassCall& call) {
  if (call.name.find("TextModel") == std::string::npos) return nullptr;
  for (const auto& module : call.model.modules(/*include_self=*/false))
    if (auto* tower = dynamic_cast<ClipTextTower*>(module.get())) return tower;
  return nullptr;
}

/// Input error: frames of another size are asked for, and the model's are of one.
Status stretch_positions(const ClassCall& call) {
  constexpr const char* kOption = "interpolate_pos_encoding";
  if (!call.given.asks(kOption)) return {};
  auto* body = dynamic_cast<PictureTransformer*>(picture_body(call.model));
  if (!body)
    return input_error("Positions of this model's pictures are not stretched here.",
                       std::string("--option ") + kOption,
                       "Leave it out, and give frames of the model's own size.");
  body->stretch_positions();
  return {};
}

}  // namespace

Result<ClassOutputs> class_forward(LoadedModel& loaded, const ClassArguments& arguments) try {
  const std::string_view type = loaded.family->model_type;
  ClassCall call{loaded,
                 *loaded.model,
                 GivenArguments(arguments),
                 named_class(loaded.config),
                 is_body_class(named_class(loaded.config)),
                 {}};
  LUTHIER_CHECK(call.given.check_names());
  LUTHIER_CHECK(check_head(call));
  LUTHIER_CHECK(stretch_positions(call));
  if (PictureBody* body = call.body ? picture_body(call.model) : nullptr) {
    LUTHIER_CHECK(class_calls::picture_states(call, *body));
  } else if (HeadOfClass* head = head_of_class(call.model)) {
    auto* transformer = dynamic_cast<PictureTransformer*>(picture_body(call.model));
    LUTHIER_CHECK(transformer ? class_calls::uncover(call, *transformer, *head)
                  : call.name.ends_with("QuestionAnswering") ? class_calls::find_answer(call, *head)
                                                             : class_calls::score(call, *head));
  } else if (ClipTextTower* tower = text_tower(call)) {
    LUTHIER_CHECK(class_calls::text_states(call, *tower));
  } else if (RegionReader* reader = region_reader(call.model)) {
    LUTHIER_CHECK(class_calls::read_regions(call, *reader));
  } else if (PatchRebuilder* rebuilder = call.model.patch_rebuilder()) {
    LUTHIER_CHECK(class_calls::rebuild(call, *rebuilder));
  } else if (auto* matcher = dynamic_cast<PairMatcher*>(&call.model);
             matcher && call.name.ends_with("ForImageTextRetrieval")) {
    LUTHIER_CHECK(class_calls::match_pairs(call, *call.model.two_towers(), *matcher));
  } else if (TwoTowers* towers = call.model.two_towers()) {
    LUTHIER_CHECK(class_calls::compare(call, *towers));
  } else if (auto* segmenter = dynamic_cast<Segmenter*>(&call.model)) {
    LUTHIER_CHECK(class_calls::segment(call, *segmenter));
  } else if (SequenceToSequence* pair = call.model.sequence_to_sequence()) {
    // A captioner's input_ids are what is written of a picture, and not what is read.
    LUTHIER_CHECK(call.name == "BlipForConditionalGeneration" ? class_calls::describe(call, *pair)
                  : call.name == "BlipForQuestionAnswering"   ? class_calls::answer(call, *pair)
                                                              : class_calls::rewrite(call, *pair));
  } else if (Classifier* classifier =
                 call.model.output_head() ? nullptr : call.model.classifier()) {
    LUTHIER_CHECK(class_calls::classify(call, *classifier));
  } else if (Encoder* encoder = call.model.encoder()) {
    LUTHIER_CHECK(class_calls::restore(call, *encoder));
  } else if (Causal* causal = call.model.causal()) {
    LUTHIER_CHECK(class_calls::go_on(call, *causal));
  } else if (FeatureMaps* maps = feature_maps(call.model)) {
    LUTHIER_TRY(const torch::Tensor pixels, call.given.wanted("pixel_values"));
    call.add("last_hidden_state", maps->maps(pixels.to(call.model.device(), torch::kFloat32)));
  } else {
    return input_error("A model of type " + std::string(type) + " is not called by tensors here.",
                       loaded.folder.string(), "Give it rows with --input.");
  }
  if (call.out.loss.defined()) call.add("loss", call.out.loss.reshape({1}));
  return std::move(call.out);
} catch (const std::exception& problem) {
  // What a model refuses in the middle of a pass is what it was given: nothing else varies.
  return device_failure(
      problem,
      machine_error("Memory ran out in the forward pass.", loaded.folder.string(),
                    "Give shorter rows, or take --dtype bfloat16."),
      input_error("What is given does not fit the model: " + first_line(problem.what()),
                  arguments.where, "Give it as the class takes it."));
}

}  // namespace luthier
