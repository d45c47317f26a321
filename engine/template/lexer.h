// SPDX-License-Identifier: GPL-3.0-or-later
// A chat template's source as tokens, with the white space control of Jinja under trim_blocks and
// lstrip_blocks.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/result.h"

namespace luthier::templates {

struct Token {
  enum class Kind : std::uint8_t {
    Data,
    VariableBegin,
    VariableEnd,
    BlockBegin,
    BlockEnd,
    Name,
    String,
    Integer,
    Float,
    Operator,
    End
  };
  Kind kind = Kind::End;
  std::string text;  ///< data, name, string's value, operator
  std::int64_t integer = 0;
  double number = 0;
  int line = 1;
};

/// Errors name `where` and the line.
Result<std::vector<Token>> tokenize(std::string_view source, const std::string& where);

}  // namespace luthier::templates
