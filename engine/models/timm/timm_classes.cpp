// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/timm/timm_classes.h"

#include "engine/io/timm_config.h"
#include "engine/models/config_numbers.h"

namespace luthier {

namespace {

constexpr std::int64_t kMostTimmClasses = 1 << 20;

/// By the classes' numbers, as a list or as an object by number; none are said: LABEL_0, ….
Result<Json> timm_names(const Json& config, std::int64_t classes, const std::string& where) {
  Json names = Json::object();
  const auto found = config.find("label_names");
  if (found == config.end() || found->is_null()) {
    for (std::int64_t i = 0; i < classes; ++i)
      names[std::to_string(i)] = "LABEL_" + std::to_string(i);
    return names;
  }
  const bool list = found->is_array();
  if ((!list && !found->is_object()) || static_cast<std::int64_t>(found->size()) != classes)
    return input_error("There are not as many names as num_classes.", where + ": label_names");
  if (!list) return *found;
  for (std::size_t i = 0; i < found->size(); ++i) names[std::to_string(i)] = (*found)[i];
  return names;
}

}  // namespace

Result<std::optional<ClassOptions>> read_timm_classes(const Json& config,
                                                      const std::string& where) {
  std::int64_t classes = 1000;  // timm's
  LUTHIER_CHECK(read_in_range(config, "num_classes", where, 0, kMostTimmClasses, classes));
  if (classes == 0) return std::optional<ClassOptions>();
  Json as_transformers{{"architectures", {"TimmWrapperForImageClassification"}}};
  LUTHIER_TRY(as_transformers["id2label"], timm_names(config, classes, where));
  if (config.contains("problem_type")) as_transformers["problem_type"] = config["problem_type"];
  return read_class_options(as_transformers, where);
}

void write_timm_classes(const ClassOptions& classes, Json& config) {
  config["num_classes"] = classes.numbers();
  config["label_names"] = classes.names;
  for (const char* key : {"id2label", "label2id", "label_descriptions"}) config.erase(key);
  if (const auto pictures = config.find(kTimmPictures);
      pictures != config.end() && pictures->is_object())
    pictures->erase("num_classes");
}

}  // namespace luthier
