// SPDX-License-Identifier: GPL-3.0-or-later
// Which linears keep their plain weights where the rest are packed. The list comes with a
// checkpoint, so its expressions run behind limits.
#pragma once

#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/io/json.h"
#include "engine/text/regex.h"

namespace luthier {

/// llm_int8_skip_modules of quantization settings, as transformers reads it: a module stays plain
/// whose name an entry begins (as a regular expression) or ends. Null: the output head alone.
class PlainModules {
 public:
  /// `head`: the output head, as the model calls it. An Input error for what is no list of names
  /// and expressions.
  static Result<PlainModules> read(const Json& settings, std::string head,
                                   const std::string& where);
  /// An Input error where an expression takes too long on this name.
  Result<bool> contains(const std::string& module) const;

 private:
  struct Entry {
    std::string ending;
    Regex beginning;
  };
  std::string head_;
  bool head_alone_ = false;
  std::vector<Entry> entries_;
};

}  // namespace luthier
