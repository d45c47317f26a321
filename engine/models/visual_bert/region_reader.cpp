// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/visual_bert/region_reader.h"

namespace luthier {

std::vector<std::int64_t> region_counts(const ModelInput& input) {
  std::vector<std::int64_t> counts;
  for (const PictureFacts& picture : input.pictures) counts.push_back(picture.rows);
  return counts;
}

std::vector<std::int64_t> region_counts(const Pass& pass) {
  const std::int64_t rows = pass.pictures.images;
  std::vector<std::int64_t> counts;
  for (std::int64_t row = 0; row < rows; ++row)
    counts.push_back(pass.pictures.patches * (row + 1) / rows - pass.pictures.patches * row / rows);
  return counts;
}

PicturePlan regions_beside(const RegionNeeds& needs) {
  const auto tokens = [](const std::filesystem::path&) -> Result<ImageTokens> {
    ImageTokens beside;
    beside.mark.clear();
    return beside;
  };
  return PicturePlan{-1, region_defaults(needs), tokens};
}

Result<ClassOptions> read_answer_options(const Json& config, const std::string& where,
                                         std::int64_t answers) {
  Json as_rows = config;
  as_rows["architectures"] = Json::array({"ForSequenceClassification"});
  as_rows.erase("problem_type");
  const auto names = config.find("id2label");
  const bool named = names != config.end() && names->is_object() &&
                     static_cast<std::int64_t>(names->size()) == answers;
  if (answers > 0 && !named) as_rows.erase("id2label"), as_rows["num_labels"] = answers;
  LUTHIER_TRY(auto classes, read_class_options(as_rows, where));
  classes->says = ClassOptions::Says::One;
  return std::move(*classes);
}

Result<bool> is_of_answers(const Json& config, const std::string& where,
                           const RegionClasses& classes) {
  const auto list = config.find("architectures");
  if (list == config.end() || list->is_null() || (list->is_array() && list->empty())) return false;
  if (!list->is_array() || list->size() != 1 || !list->front().is_string())
    return input_error("The configuration does not name the one class that it is of.",
                       where + ": architectures");
  const std::string name = list->front().get<std::string>();
  if (name == classes.answers) return true;
  if (name == classes.pretraining) return false;
  return input_error(classes.family + "'s class " + name + " is not one that Luthier can load.",
                     where + ": architectures",
                     "It is " + classes.pretraining + " or " + classes.answers + ".");
}

}  // namespace luthier
