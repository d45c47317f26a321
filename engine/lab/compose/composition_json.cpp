// SPDX-License-Identifier: GPL-3.0-or-later
// A composition as JSON, and as the recipe of its stages. No LibTorch.
#include "engine/config/stages.h"
#include "engine/lab/compose/composition.h"

namespace luthier {

namespace {

namespace fs = std::filesystem;

const char* row_word(ComposedWord::Row row) {
  return row == ComposedWord::Row::Known  ? "known"
         : row == ComposedWord::Row::Free ? "free"
         : row == ComposedWord::Row::None ? "none"
                                          : "new";
}

const char* origin_word(ComposedTensor::Origin origin) {
  return origin == ComposedTensor::Origin::Tower           ? "tower"
         : origin == ComposedTensor::Origin::LanguageModel ? "language_model"
                                                           : "drawn";
}

Json stage_json(const ComposedStage& stage) {
  Json json = {{"name", stage.name},
               {"learns", stage.learns},
               {"trains",
                {{"vision_tower", stage.vision_tower},
                 {"projector", stage.projector},
                 {"language_model", stage.language_model}}},
               {"paper", stage.paper}};
  if (stage.lacks.empty()) {
    json["strategy"] = stage.strategy;
    json["settings"] = stage.settings;
  } else {
    json["lacks"] = stage.lacks;
  }
  return json;
}

Result<Recipe> stage_recipe(const ComposedStage& stage, const fs::path& model) {
  std::vector<std::string> settings{"strategy=" + stage.strategy};
  settings.insert(settings.end(), stage.settings.begin(), stage.settings.end());
  LUTHIER_TRY(Recipe recipe, parse_recipe("{objective: sft}\n", stage.name, settings));
  recipe.model = model.string();
  recipe.output_dir.clear();
  return recipe;
}

}  // namespace

std::int64_t Composition::parameters() const {
  std::int64_t sum = 0;
  for (const ComposedPart& part : parts) sum += part.parameters;
  return sum;
}

fs::path stages_recipe_path(const fs::path& out) {
  fs::path plain = out.lexically_normal();
  if (!plain.has_filename()) plain = plain.parent_path();
  return plain.string() + ".stages.yaml";
}

Result<std::string> stages_recipe(const Composition& composition, const fs::path& model) {
  fs::path plain = model.lexically_normal();
  if (!plain.has_filename()) plain = plain.parent_path();
  StagedRecipe staged;
  for (const ComposedStage& stage : composition.stages) {
    if (!stage.lacks.empty()) continue;
    LUTHIER_TRY(Recipe recipe, stage_recipe(stage, plain));
    if (!staged.stages.empty()) recipe.model.clear();
    staged.stages.push_back({stage.name, false, std::move(recipe)});
  }
  if (staged.stages.empty())
    return input_error("No stage of this composition has a recipe.", composition.model_type);
  staged.output_dir = plain.string() + "-stages";
  return staged_recipe_to_yaml(staged);
}

Json to_json(const Composition& composition) {
  Json json = {{"connector", composition.order.connector},
               {"model_type", composition.model_type},
               {"architecture", composition.architecture},
               {"seed", composition.order.seed},
               {"parameters", composition.parameters()}};
  json["parts"] = Json::array();
  for (const ComposedPart& part : composition.parts)
    json["parts"].push_back({{"part", part.part},
                             {"what", part.what},
                             {"folder", part.folder},
                             {"parameters", part.parameters},
                             {"drawn", part.drawn}});
  const ComposedPicture& picture = composition.picture;
  json["picture"] = {{"height", picture.height}, {"width", picture.width},
                     {"patch", picture.patch},   {"tower_tokens", picture.tower_tokens},
                     {"states", picture.states}, {"text_tokens", picture.text_tokens}};
  json["words"] = Json::array();
  for (const ComposedWord& word : composition.words)
    json["words"].push_back({{"word", word.text}, {"id", word.id}, {"row", row_word(word.row)}});
  json["flow"] = Json::array();
  for (const ComposedBox& box : composition.boxes)
    json["flow"].push_back({{"name", box.name}, {"what", box.what}, {"passes", box.passes}});
  json["stages"] = Json::array();
  for (const ComposedStage& stage : composition.stages) json["stages"].push_back(stage_json(stage));
  json["notes"] = composition.notes;
  json["config"] = composition.config;
  json["tensors"] = Json::array();
  for (const ComposedTensor& tensor : composition.tensors)
    json["tensors"].push_back({{"name", tensor.name},
                               {"stored", tensor.stored},
                               {"part", tensor.part},
                               {"dtype", tensor.dtype},
                               {"shape", tensor.shape},
                               {"origin", origin_word(tensor.origin)},
                               {"from", tensor.from},
                               {"rows_added", tensor.rows_added}});
  return json;
}

}  // namespace luthier
