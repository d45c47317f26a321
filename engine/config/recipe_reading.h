// SPDX-License-Identifier: GPL-3.0-or-later
// What the two readers of recipes share, that of one recipe (recipe_yaml.cpp) and that of several
// in one file (stages.cpp): values as they are written, gathered before anything is checked,
// because the kinds that they name decide what a value may be and some defaults.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "engine/config/recipe_field.h"

namespace luthier {

inline constexpr std::uint64_t kLargestRecipe = 4u << 20;

/// A value as it is written, a file's or an override's text, and where.
struct Written {
  const RecipeField* field;
  Json value;
  std::string where;
  bool is_text = false;
  /// Said for several recipes at once: one whose kinds do not have the setting leaves it out.
  bool shared = false;

  /// As these kinds have the field.
  Result<Json> checked(const ChosenKinds& kinds) const;
};

/// The values of a map of settings; `at` stands before a key in errors ("a.yaml: ").
Result<std::vector<Written>> written_in(const Json& settings, const std::string& at);
/// "KEY=VALUE" in its two halves; an Input error where it is none.
struct Override {
  std::string key, value;
};
Result<Override> split_override(const std::string& text);
/// What an override sets; `before`: what the command line has before its key ("stages.2.").
Result<Written> written_by(const Override& given, const std::string& before = {});

/// A recipe's values, of its file and over them.
struct WrittenRecipe {
  std::vector<Written> file, over;
  std::string at;                ///< before a key in errors
  std::filesystem::path beside;  ///< the file's folder, where paths may start; empty: nowhere
};
Result<Recipe> recipe_from(const WrittenRecipe& written);

/// Whether a recipe of these kinds holds the setting. Those that recipes of before had carry one
/// another's.
bool may_carry(const RecipeField& field, const Recipe& recipe);
/// The error of a setting that the chosen kinds do not have: whose it is, and what was chosen.
Error not_of_kind(const FieldDescription& about, const Recipe& recipe, const std::string& where);

/// The settings of a recipe but those left out, each line behind `margin`.
std::string settings_to_yaml(const Recipe& recipe, const std::string& margin,
                             const std::vector<std::string>& left_out);

}  // namespace luthier
