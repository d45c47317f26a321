// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/data/class_options.h"

#include <algorithm>
#include <array>
#include <charconv>

#include "engine/data/named_class.h"

namespace luthier {

namespace {

using Of = ClassOptions::Of;
using Says = ClassOptions::Says;

constexpr std::size_t kMostClasses = 1 << 20;

/// What the ends of transformers' names of classes say.
constexpr std::array<std::pair<std::string_view, Of>, 3> kEnds{
    {{"ForSequenceClassification", Of::Row},
     {"ForTokenClassification", Of::Token},
     {"ForImageClassification", Of::Picture}}};

constexpr std::array<std::pair<std::string_view, Says>, 3> kProblems{
    {{"single_label_classification", Says::One},
     {"multi_label_classification", Says::Several},
     {"regression", Says::Number}}};

/// id2label's names in the order of their numbers, which must be 0, 1, ….
Result<std::vector<std::string>> read_names(const Json& config, const std::string& where) {
  const auto map = config.find("id2label");
  if (map == config.end() || map->is_null()) {
    const auto count = config.find("num_labels");
    std::int64_t classes = 2;  // PreTrainedConfig's default
    if (count != config.end() && count->is_number_integer()) classes = count->get<std::int64_t>();
    if (classes < 1 || classes > static_cast<std::int64_t>(kMostClasses))
      return input_error("There are " + std::to_string(classes) + " classes.",
                         where + ": num_labels");
    std::vector<std::string> names;
    for (std::int64_t i = 0; i < classes; ++i) names.push_back("LABEL_" + std::to_string(i));
    return names;
  }
  if (!map->is_object() || map->empty() || map->size() > kMostClasses)
    return input_error("Names of the classes by their numbers are expected.", where + ": id2label");
  std::vector<std::string> names(map->size());
  std::vector<bool> named(map->size(), false);
  for (const auto& [key, value] : map->items()) {
    std::size_t number = names.size();
    const auto read = std::from_chars(key.data(), key.data() + key.size(), number);
    const bool whole = read.ec == std::errc() && read.ptr == key.data() + key.size();
    if (!whole || number >= names.size() || named[number])
      return input_error(
          "The classes' numbers are not 0 to " + std::to_string(names.size() - 1) + ", each once.",
          where + ": id2label");
    if (!value.is_string())
      return input_error("A class's name must be a text.", where + ": id2label." + key);
    names[number] = value.get<std::string>();
    named[number] = true;
  }
  return names;
}

std::string listed(const ClassOptions& classes) {
  constexpr std::size_t kShown = 12;
  std::string text;
  for (std::size_t i = 0; i < std::min(kShown, classes.names.size()); ++i)
    text += (i == 0 ? "" : ", ") + classes.names[i];
  return classes.names.size() > kShown ? text + ", …" : text;
}

}  // namespace

Result<std::optional<ClassOptions>> read_class_options(const Json& config,
                                                       const std::string& where) {
  const std::string name = named_class(config);
  const auto end = std::find_if(kEnds.begin(), kEnds.end(),
                                [&](const auto& each) { return name.ends_with(each.first); });
  if (end == kEnds.end()) return std::optional<ClassOptions>();
  ClassOptions classes;
  classes.of = end->second;
  LUTHIER_TRY(classes.names, read_names(config, where));
  const auto problem = config.find("problem_type");
  if (problem == config.end() || problem->is_null()) {
    classes.says = classes.numbers() == 1 ? Says::Number : Says::One;
  } else {
    const auto known = std::find_if(kProblems.begin(), kProblems.end(), [&](const auto& each) {
      return problem->is_string() && problem->get<std::string>() == each.first;
    });
    if (known == kProblems.end())
      return input_error("The problem_type is none that transformers knows.",
                         where + ": problem_type",
                         "It is single_label_classification, multi_label_classification or "
                         "regression.");
    classes.says = known->second;
  }
  if (classes.of == Of::Token && classes.says != Says::One)
    return input_error("Tokens are told apart by classes, one each.", where + ": problem_type",
                       "Leave it out.");
  return std::optional<ClassOptions>(std::move(classes));
}

void write_class_options(const ClassOptions& classes, const std::string& architecture,
                         Json& config) {
  config["architectures"] = Json::array({architecture});
  Json names = Json::object(), numbers = Json::object();
  for (std::size_t i = 0; i < classes.names.size(); ++i) {
    names[std::to_string(i)] = classes.names[i];
    numbers[classes.names[i]] = i;
  }
  config["id2label"] = std::move(names);
  config["label2id"] = std::move(numbers);
  config.erase("num_labels");
  config.erase("problem_type");
  // LXMERT counts its answers by a field of its own.
  if (architecture == "LxmertForQuestionAnswering") config["num_qa_labels"] = classes.names.size();
  for (const auto& [name, says] : kProblems)
    if (says == classes.says && classes.of != Of::Token) config["problem_type"] = name;
}

Result<std::int64_t> class_of_label(const ClassOptions& classes, const Json& label,
                                    const std::string& where) {
  const std::string hint = "The model's classes are " + listed(classes) + ": write a name, or a " +
                           "number from 0 to " + std::to_string(classes.numbers() - 1) + ".";
  if (label.is_number_integer()) {
    const auto number = label.get<std::int64_t>();
    if (number >= 0 && number < classes.numbers()) return number;
    return input_error("The class " + std::to_string(number) + " is none of the model's.", where,
                       hint);
  }
  if (label.is_boolean() && classes.numbers() == 2) return label.get<bool>() ? 1 : 0;
  if (!label.is_string()) return input_error("The label is no class.", where, hint);
  const auto found =
      std::find(classes.names.begin(), classes.names.end(), label.get<std::string>());
  if (found != classes.names.end()) return found - classes.names.begin();
  return input_error("The class \"" + label.get<std::string>() + "\" is none of the model's.",
                     where, hint);
}

}  // namespace luthier
