// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/llava_next/llava_next_model.h"

namespace luthier {

using torch::Tensor;

namespace {

constexpr const char *kKept = "kept_features", *kOrder = "features_and_ends",
                     *kCorners = "corners_of_shrunk", *kShares = "shares_of_corners";

/// Which of all frames' features are kept, and how these, the lines' end and the features of shrunk
/// lines come in the text. Those last are made of four kept ones each.
class Gathers {
 public:
  void add(const PictureLines& lines) {
    for (std::int64_t i = 0; i < lines.base; ++i) keep(i);
    if (!lines.tiled())
      order_.push_back(kEnd);
    else if (lines.shrunk())
      shrink(lines);
    else
      lay_out(lines);
    first_ += lines.frames() * lines.base;
  }

  void add_film(const PictureCut& cut, std::int64_t frames) {
    const std::int64_t base = cut.side * cut.side;
    const std::vector<Between> halves = betweens(cut.side, film_side(cut));
    for (std::int64_t frame = 0; frame < frames; ++frame, first_ += base) {
      const auto begin = static_cast<std::int64_t>(kept_.size());
      for (std::int64_t i = 0; i < base; ++i) kept_.push_back(first_ + i);
      for (const Between& row : halves) add_between(begin, cut.side, row, halves);
    }
    order_.push_back(kEnd);
  }

  void set_aside(NamedTensorMap& aside) {
    const auto kept = static_cast<std::int64_t>(kept_.size());
    for (std::int64_t& place : order_) {
      if (place < 0) place = kept + (kEnd - place);
    }
    aside[kKept] = torch::tensor(kept_, torch::kInt64);
    aside[kOrder] = torch::tensor(order_, torch::kInt64);
    if (shares_.empty()) return;
    aside[kCorners] = torch::tensor(corners_, torch::kInt64).view({-1, 4}).t().contiguous();
    aside[kShares] = torch::tensor(shares_, torch::kFloat32).view({-1, 4}).t().contiguous();
  }

 private:
  static constexpr std::int64_t kEnd = -1;  ///< and below it those of shrunk lines, one by one

  /// Its place among those kept.
  std::int64_t keep_tiles(const PictureLines& lines, std::int64_t row, std::int64_t column) {
    const std::int64_t frame = 1 + row / lines.side * lines.across + column / lines.side;
    kept_.push_back(first_ + frame * lines.base + row % lines.side * lines.side +
                    column % lines.side);
    return static_cast<std::int64_t>(kept_.size()) - 1;
  }
  void keep(std::int64_t feature) {
    order_.push_back(static_cast<std::int64_t>(kept_.size()));
    kept_.push_back(first_ + feature);
  }

  void lay_out(const PictureLines& lines) {
    const Unpadded& u = lines.kept;
    for (std::int64_t row = u.top; row < u.top + u.rows; ++row) {
      for (std::int64_t column = u.left; column < u.left + u.columns; ++column)
        order_.push_back(keep_tiles(lines, row, column));
      order_.push_back(kEnd);
    }
  }

  void shrink(const PictureLines& lines) {
    const Unpadded& u = lines.kept;
    const auto begin = static_cast<std::int64_t>(kept_.size());
    for (std::int64_t row = u.top; row < u.top + u.rows; ++row) {
      for (std::int64_t column = u.left; column < u.left + u.columns; ++column)
        keep_tiles(lines, row, column);
    }
    const std::vector<Between> columns = betweens(u.columns, lines.columns);
    for (const Between& row : betweens(u.rows, lines.rows)) {
      add_between(begin, u.columns, row, columns);
      order_.push_back(kEnd);
    }
  }

  /// A line between two of those kept from `begin` on, each `width` long.
  void add_between(std::int64_t begin, std::int64_t width, const Between& row,
                   const std::vector<Between>& columns) {
    const std::int64_t above = begin + row.first * width, below = begin + row.second * width;
    for (const Between& column : columns) {
      corners_.insert(corners_.end(), {above + column.first, above + column.second,
                                       below + column.first, below + column.second});
      const float left = 1 - column.share, up = 1 - row.share;
      shares_.insert(shares_.end(),
                     {up * left, up * column.share, row.share * left, row.share * column.share});
      order_.push_back(kEnd - static_cast<std::int64_t>(shares_.size() / 4));
    }
  }

  std::int64_t first_ = 0;  ///< feature of this picture
  std::vector<std::int64_t> kept_, order_, corners_;
  std::vector<float> shares_;
};

/// [shrunk, width] of [kept, width]; summed as float32, whatever the features are.
Tensor between_corners(const Tensor& features, const Tensor& corners, const Tensor& shares) {
  Tensor sum;
  for (std::int64_t corner = 0; corner < 4; ++corner) {
    const Tensor part =
        features.index_select(0, corners[corner]).to(torch::kFloat32) * shares[corner].unsqueeze(1);
    sum = sum.defined() ? sum + part : part;
  }
  return sum.to(features.scalar_type());
}

}  // namespace

void LlavaNextModel::set_gathers_aside(const std::vector<PictureFacts>& pictures,
                                       NamedTensorMap& aside) const {
  Gathers gathers;
  for (const PictureFacts& picture : pictures) {
    if (picture.step_seconds) {
      gathers.add_film(cut_, picture.rows);
      continue;
    }
    const PictureLines lines = picture_lines(cut_, picture.rows, picture.grid);
    TORCH_CHECK(picture.rows == lines.frames(), "a picture has ", picture.rows,
                " frames instead of ", lines.frames());
    gathers.add(lines);
  }
  gathers.set_aside(aside);
}

void LlavaNextModel::prepare(ModelInput& input) const {
  LlavaModel::prepare(input);
  if (!input.pictures.empty()) set_gathers_aside(input.pictures, input.aside);
}

Tensor LlavaNextModel::project(const Tensor& features, const ModelInput& input) {
  NamedTensorMap made = input.aside;
  if (!made.contains(kKept)) set_gathers_aside(input.pictures, made);
  const bool shrinks = made.contains(kCorners);
  std::vector<Tensor*> needed{&made[kKept], &made[kOrder]};
  if (shrinks) needed.insert(needed.end(), {&made[kCorners], &made[kShares]});
  move_together(needed, features.device());
  const Tensor projected = LlavaModel::project(features.index_select(0, made[kKept]), input);
  std::vector<Tensor> table{projected, image_newline().unsqueeze(0)};
  if (shrinks) table.push_back(between_corners(projected, made[kCorners], made[kShares]));
  return at::cat(table).index_select(0, made[kOrder]);
}

/// Lines that are shrunk, and a film's, say less than what was projected for them; a padding is
/// counted, too.
std::int64_t LlavaNextModel::projected(const PictureLoad& pictures) const {
  if (cut_.most_tiles == 0) return LlavaModel::projected(pictures);
  return pictures.frames * frame_features();
}

ModelGeometry LlavaNextModel::geometry() const {
  ModelGeometry g = LlavaModel::geometry();
  g.tile_tokens = TileTokens::Varying;
  return g;
}

}  // namespace luthier
