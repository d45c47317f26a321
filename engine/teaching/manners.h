// SPDX-License-Identifier: GPL-3.0-or-later
// The teaching model's questions, answered in two manners: the plain one, which the base gives, and
// the pirate's, which is longer. What the demos of objectives write their rows from. No LibTorch
// header.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/io/json.h"

namespace luthier {

/// A question about one picture, answered in both manners.
struct Answered {
  std::string picture, question, plain, longer;
};

/// The rows of both files are of the same questions, in the same order; an Input error where not.
Result<std::vector<Answered>> answered_both_ways(const std::filesystem::path& plain,
                                                 const std::filesystem::path& longer);

/// The question alone, as rows of every kind begin.
Json asked(const Answered& row);
/// Asked for a list, words that the base was never taught.
Json asked_as_list(Answered row);
/// The same as rows of answers: asked for a list, answered in the longer manner of `rows`.
std::string list_lines(const std::vector<Answered>& rows);

}  // namespace luthier
