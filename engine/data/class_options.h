// SPDX-License-Identifier: GPL-3.0-or-later
// The classes that a checkpoint's head tells apart, as transformers' config.json has them:
// `architectures` says what is classified, `id2label` what the classes are called, `problem_type`
// what is said of them. Rows' labels are read by it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/io/json.h"

namespace luthier {

struct ClassOptions {
  enum class Of { Row, Token, Picture };
  /// - One: each belongs to one class (softmax and cross-entropy).
  /// - Several: to any number of them (a sigmoid and binary cross-entropy each).
  /// - Number: the head's numbers are what is asked for (mean squared error).
  enum class Says { One, Several, Number };

  Of of = Of::Row;
  Says says = Says::One;
  std::vector<std::string> names;  ///< by class

  std::int64_t numbers() const { return static_cast<std::int64_t>(names.size()); }
  /// Whether labels are whole numbers from 0 on, one a row or token.
  bool counts() const { return says == Says::One; }
};

/// By the class of transformers that config.json names first in `architectures`; none: it has no
/// head of classes. Where `problem_type` is not said, one class is a number and more are told
/// apart, as transformers' classes take labels that are whole numbers.
Result<std::optional<ClassOptions>> read_class_options(const Json& config,
                                                       const std::string& where);

/// Writes them into a configuration, under transformers' class `architecture`.
void write_class_options(const ClassOptions& classes, const std::string& architecture,
                         Json& config);

/// A row's label as config.json's classes have it: a class by its name or its number → its number.
/// An Input error naming the classes there are.
Result<std::int64_t> class_of_label(const ClassOptions& classes, const Json& label,
                                    const std::string& where);

}  // namespace luthier
