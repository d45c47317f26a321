// SPDX-License-Identifier: GPL-3.0-or-later
// What a class of transformers is called with, as this engine's models take it: rows filled up to
// one length become rows one behind the other, and pictures know how many patches they have.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/models/class_forward.h"

namespace luthier {

/// Rows of tokens as the class takes them, filled up: which places are the rows' own.
struct FilledUp {
  torch::Tensor ids, own;  ///< [rows, length] int64, bool
  std::vector<std::int64_t> lengths;

  std::int64_t rows() const { return ids.size(0); }
  /// [rows, length, ...] → of the rows' own places alone, one behind the other.
  torch::Tensor taken(const torch::Tensor& of) const { return of.index({own}); }
  /// The other way round, with 0 between: [tokens, ...] → [rows, length, ...].
  torch::Tensor put_back(const torch::Tensor& tokens) const;
};

/// How a class's pictures lie, beside one frame each.
struct ClassPictures {
  bool tiles_in_rows = false;  ///< pixel_values may be [rows, tiles, 3, height, width]
  /// Of a tower that takes pictures of any size, filled up to the largest: a patch's side; else 0.
  std::int64_t patch = 0;
};

class GivenArguments {
 public:
  GivenArguments(const ClassArguments& given, const ClassPictures& pictures)
      : given_(given), pictures_(pictures) {}

  /// Input error: what no class is given here.
  Status check_names() const;
  const std::string& where() const { return given_.where; }
  /// Null: it is not given.
  const torch::Tensor* find(const char* name) const;
  Result<torch::Tensor> wanted(const char* name) const;
  bool asks(const char* option, bool unless_given = false) const;
  Error shape_error(const std::string& name, const std::string& wanted) const;

  /// input_ids with attention_mask; where there is none all places are the rows' own.
  Result<FilledUp> text_rows() const;
  void put_rows(const FilledUp& rows, ModelInput& input) const;
  Status put_types(const FilledUp& rows, ModelInput& input) const;
  /// `labels` of the rows' own places, where they are given: input.labels.
  Status put_labels(const FilledUp& rows, ModelInput& input) const;
  /// Pictures as the class takes them. Several patches of one go by image_grid_thw.
  Status put_pictures(ModelInput& input) const;
  /// The same where each row is about one of its own.
  Status put_own_pictures(const FilledUp& rows, ModelInput& input) const;
  /// Of models that read pictures alone: a row each.
  void put_picture_rows(ModelInput& input) const;

 private:
  /// [pictures, 3, height, width] of which image_sizes says what is theirs → their patches.
  Status put_patches(const torch::Tensor& sizes, ModelInput& input) const;
  /// [pictures, tiles, 3, height, width], filled up with tiles of zeros.
  Status put_tiles(const torch::Tensor& sizes, ModelInput& input) const;
  Status put_grids(const torch::Tensor& grids, ModelInput& input) const;

  const ClassArguments& given_;
  const ClassPictures pictures_;
};

}  // namespace luthier
