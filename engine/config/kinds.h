// SPDX-License-Identifier: GPL-3.0-or-later
// The kinds that a recipe chooses among, as far as they need no LibTorch: methods (`strategy`),
// objectives and optimizers, each with its words, its settings and its defaults. A new one is a
// file in kinds/ and its name in a list of kind_lists.h; the recipe's table, the YAML reader, the
// command line's help and the window's form follow. What it computes stands in its own room
// (methods/, objectives/, optim/) and is found there by the same list.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "engine/config/optimizer_state.h"
#include "engine/config/recipe_field.h"

namespace luthier {

/// A default that another kind has otherwise: the field's key and its canonical value.
struct KindDefault {
  std::string key;
  Json value;
  bool fixed = false;  ///< it goes by the kind whatever was set before
};

/// What every kind says of itself.
struct Kind {
  const char* name;                 ///< as the recipe writes it
  const char* help;                 ///< one sentence
  std::vector<RecipeField> fields;  ///< its own settings, in the order of a form; kinds may have
                                    ///< one in common, each with its own range, choices and help
  std::vector<std::string> shares;  ///< keys of settings that it has together with other kinds
  std::vector<KindDefault> defaults;
  /// What is wrong across settings under this kind, before a run starts; null: nothing can be.
  Status (*check)(const Recipe& recipe) = nullptr;
  /// Recipes were written before kinds had settings of their own: they carry the settings of all
  /// kinds of that time, and stay valid.
  bool older = false;
};

/// An Input error of check: `key` names the setting, `what` goes on after it.
Error cross_fault(const char* key, std::string what, std::string hint);

struct MethodKind : Kind {
  /// PEFT's peft_type; empty: nothing hangs on the base, whose own weights train.
  const char* peft_type = "";
  bool hangs_adapter() const { return *peft_type != '\0'; }
};

struct ObjectiveKind : Kind {
  const char* row_kind = "answers";  ///< what a row must hold, by its name in data/row_kind.h
  /// The default rate where the base's own weights train, ten times of which an adapter's has; 0:
  /// the method's default.
  double learning_rate = 0;
};

struct OptimizerKind : Kind {
  /// What it keeps for a trained tensor, by the recipe's settings.
  std::vector<StateTensor> (*state)(const TrainedShape& shape, const Recipe& recipe) = nullptr;
};

/// The tables, made once.
const std::vector<MethodKind>& method_kinds();
const std::vector<ObjectiveKind>& objective_kinds();
const std::vector<OptimizerKind>& optimizer_kinds();

/// The kind of that name; one that no table has is a mistake in the program, since recipes are
/// checked.
const MethodKind& method_kind(const std::string& name);
const ObjectiveKind& objective_kind(const std::string& name);
const OptimizerKind& optimizer_kind(const std::string& name);

/// What the recipe's optimizer keeps.
StateLayout state_layout(const Recipe& recipe);

}  // namespace luthier
