// SPDX-License-Identifier: GPL-3.0-or-later
// One row as the model gets it, down to pixels and positions: what the window draws and
// `luthier-cli data show` prints. No LibTorch header.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "engine/config/recipe.h"
#include "engine/data/dataset.h"
#include "engine/data/processor.h"
#include "engine/vision/shown_pixels.h"

namespace luthier {

/// A picture or film of the row.
struct InspectedPicture {
  std::string name;
  bool film = false;
  int width = 0, height = 0;        ///< of the file; 0: not known
  std::vector<ShownFrame> frames;   ///< un-normalised, as the tower sees them
  std::string not_shown;            ///< a sentence, where the frames cannot be drawn
  std::vector<std::int64_t> shape;  ///< of what the tower gets
  int patch = 0;                    ///< pixels of a patch's side; 0: not known
  /// Runs of its tokens among the row's: [first, behind the last).
  std::vector<std::pair<std::size_t, std::size_t>> spans;

  std::size_t tokens() const;
};

struct InspectedRow {
  std::size_t row = 0;
  std::vector<TokenId> ids;
  std::vector<std::string> pieces;
  std::vector<bool> trained;          ///< whether the token carries a loss, one a token
  std::vector<std::int64_t> picture;  ///< of which picture it is a part, from 0; −1: of none
  std::vector<std::size_t> begins;    ///< where each of the row's sequences begins
  /// By axis, a number a token: one axis, or time, row and column. Empty: the model has none.
  std::vector<std::vector<std::int64_t>> positions;
  std::vector<InspectedPicture> pictures;
  std::vector<std::string> cut_off;  ///< pieces that were cut, of all sequences: by the context
                                     ///< length or by the model's positions
};
Json to_json(const InspectedRow& row);

/// The row of this number (from 0) as this recipe's run would meet it.
Result<InspectedRow> inspect_row(const Recipe& recipe, const Dataset& dataset,
                                 const ChatProcessor& processor, std::size_t row);

}  // namespace luthier
