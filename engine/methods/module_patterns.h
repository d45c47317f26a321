// SPDX-License-Identifier: GPL-3.0-or-later
// The two ways in which PEFT's settings point at modules by name: an entry of a list, and a regular
// expression. Compiled once, in Python's syntax, with the field that a malformed one stands in.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/config/recipe.h"
#include "engine/text/regex.h"

namespace luthier {

/// Whether `name` is `ending` or ends in it after a dot.
bool ends_after_dot(const std::string& name, const std::string& ending);

class NamePattern {
 public:
  /// A list's entry: the whole name, or what stands after one of its dots.
  static NamePattern ending(std::string text);
  /// One string: re.fullmatch(text, name).
  static Result<NamePattern> whole(std::string text, const std::string& where);
  /// A key of rank_pattern or alpha_pattern: re.match(rf"(.*\.)?({text})$", name).
  static Result<NamePattern> key(std::string text, const std::string& where);
  /// A key that is found behind a dot alone: re.match(rf".*\.{text}$", name).
  static Result<NamePattern> behind_a_dot(std::string text, const std::string& where);

  /// An Input error for a pattern that never comes to an end.
  Result<bool> matches(const std::string& name) const;
  const std::string& text() const { return text_; }
  bool is_regex() const { return regex_.has_value(); }

 private:
  static Result<NamePattern> compile(std::string text, const std::string& around,
                                     const std::string& where);
  std::string text_;
  std::optional<Regex> regex_;
};

/// The patterns of target_modules or exclude_modules; none for null and for all-linear.
Result<std::vector<NamePattern>> compile_selector(const ModuleSelector& selector,
                                                  const std::string& where);
Result<bool> any_matches(const std::vector<NamePattern>& patterns, const std::string& name);

/// What one module's LoRA pair gets.
struct ModuleScale {
  std::int64_t rank = 0;
  double alpha = 0;
  double scale = 0;  ///< alpha / rank, or alpha / √rank under rsLoRA
};

/// Under which name a method's config has other ranks for some modules, and how PEFT finds the keys.
struct RankKeys {
  const char* field = "rank_pattern";
  /// Behind a dot alone, and where none is found so, as whole names (FourierFT); else as a
  /// NamePattern::key.
  bool behind_dots = false;
};

/// r, lora_alpha and the patterns that change them for some modules: the first key that matches
/// decides.
class ScalePatterns {
 public:
  /// `where` stands before the field's name in errors: "adapter.", or "folder/adapter_config.json:
  /// ".
  static Result<ScalePatterns> compile(const AdapterSettings& settings, const std::string& where,
                                       const RankKeys& rank_keys = {});
  Result<ModuleScale> of(const std::string& name) const;

  struct Keys {
    std::string field;
    std::vector<NamePattern> patterns;
    bool whole_names = false;  ///< count where no pattern matches
    Result<bool> matches(std::size_t key, const std::string& name) const;
    /// The deciding key's place in `patterns`; none: the setting for all.
    Result<std::optional<std::size_t>> deciding(const std::string& name) const;
  };
  const Keys& ranks() const { return ranks_; }
  const Keys& alphas() const { return alphas_; }

 private:
  Keys ranks_, alphas_;
  std::vector<std::int64_t> rank_values_;
  std::vector<double> alpha_values_;
  std::int64_t r_ = 0;
  double lora_alpha_ = 0;
  bool use_rslora_ = false;
};

}  // namespace luthier
