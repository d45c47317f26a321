// SPDX-License-Identifier: GPL-3.0-or-later
// Several answers to one prompt, laid out so that the prompt goes through the model once: it is a
// row of its own, and each answer a row that goes on from it (RowLayout::forks). The same numbers
// as with the prompt before each answer, but for the order of sums; a plug's dropout falls on the
// prompt once for all of them.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "engine/data/row_kind.h"

namespace luthier {

/// With how many tokens all sequences of the row begin before any of them has a label, all that the
/// pictures stand in among them. 0: they cannot be laid out so.
std::int64_t shared_beginning(const EncodedRow& row, const ChatProcessor& processor);

/// Whether laying rows out so is worth its own work: `all` tokens, of which `saved` go.
constexpr bool worth_forking(std::int64_t saved, std::int64_t all) { return saved * 8 >= all; }

/// A micro-batch's rows as prompts and what goes on from them.
struct ForkedRows {
  std::vector<Example> trunks;              ///< a row's each; without pictures
  std::vector<std::vector<Example>> forks;  ///< of each row's each sequence, what stands behind it
};
/// Nothing where it is not worth it, or cannot be.
std::optional<ForkedRows> forked(const std::vector<EncodedRow>& rows,
                                 const ChatProcessor& processor);

}  // namespace luthier
