// SPDX-License-Identifier: GPL-3.0-or-later
// Where a column looked when it wrote one token: the attention weights of every layer and head from
// the place that predicts it, and where the pictures' tokens lie on the pictures. It shows what was
// mixed in, not why an answer came out. Plain data; who makes it is attention_weights.h. No
// LibTorch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

namespace luthier {

/// Tokens that see a picture as a grid, row by row.
struct PictureGrid {
  std::size_t picture = 0;  ///< which one of the sample
  std::int64_t rows = 0, columns = 0;
  /// The part of the picture that they see, in shares of its width and height. A picture that was
  /// padded has one that reaches beyond it.
  double left = 0, top = 0, width = 1, height = 1;
  std::vector<std::size_t> places;  ///< of each cell's token in the row
};

struct ColumnAttention {
  std::string name;
  std::int64_t layers = 0, heads = 0, keys = 0;
  std::vector<float> weights;  ///< [layers, heads, keys]; they add up to 1 over a row's tokens
                               ///< unless an adapter puts some before it

  /// The mean over the chosen ones: [keys]. Nothing chosen: over all.
  std::vector<double> mean(std::optional<std::int64_t> layer,
                           std::optional<std::int64_t> head) const;
};

struct TokenAttention {
  std::size_t token = 0;   ///< of the answer
  std::int64_t query = 0;  ///< the place that it is predicted from
  std::vector<PictureGrid> grids;
  std::string no_grid;  ///< why there is none, as a sentence; empty: there are, or no picture
  std::vector<ColumnAttention> columns;
};

/// What the cells of a grid get of such means: [rows · columns].
std::vector<double> on_grid(const PictureGrid& grid, const std::vector<double>& mean);

}  // namespace luthier
