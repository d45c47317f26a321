// SPDX-License-Identifier: GPL-3.0-or-later
// Oniguruma behind limits. tokenizer.json's patterns are written for it, so no other engine splits
// text alike.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/base/result.h"

namespace luthier {

class Regex {
 public:
  /// Ruby: Oniguruma's own, which tokenizer.json's patterns are in. Python: as `re` reads them.
  enum class Syntax { Ruby, Python };
  /// Compiles a pattern (UTF-8). `where` names the field it came from.
  static Result<Regex> compile(std::string_view pattern, const std::string& where,
                               Syntax syntax = Syntax::Ruby);

  /// All matches from left to right, as byte ranges; an empty match right after a match is skipped.
  /// A pattern that backtracks without end is an Input error.
  Result<std::vector<std::pair<std::size_t, std::size_t>>> find_all(std::string_view text) const;

 private:
  struct Program;
  std::shared_ptr<const Program> program_;
  std::string where_;
};

}  // namespace luthier
