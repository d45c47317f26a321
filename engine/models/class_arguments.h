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

/// A picture or a film as it stands in the text.
struct GivenMedium {
  PictureFacts facts;
  torch::Tensor pixels;
  std::int64_t tokens = 0;  ///< places of it
};

/// Of `name`_id or, as older files call it, `name`_index; −1: config.json names none.
TokenId token_of(const Json& config, const std::string& name);

class GivenArguments {
 public:
  explicit GivenArguments(const ClassArguments& given) : given_(given) {}

  /// Input error: what no class is given here.
  Status check_names() const;
  const std::string& where() const { return given_.where; }
  /// Null: it is not given.
  const torch::Tensor* find(const char* name) const;
  Result<torch::Tensor> wanted(const char* name) const;
  bool asks(const char* option, bool unless_given = false) const;
  Error shape_error(const std::string& name, const std::string& wanted) const;

  /// input_ids with attention_mask; where there is none all places are the rows' own.
  Result<FilledUp> text_rows(const char* ids = "input_ids",
                             const char* mask = "attention_mask") const;
  void put_rows(const FilledUp& rows, ModelInput& input) const;
  Status put_types(const FilledUp& rows, ModelInput& input) const;
  /// `labels` of the rows' own places, where they are given: input.labels.
  Status put_labels(const FilledUp& rows, ModelInput& input) const;
  /// Whether there are pictures or films among what is given.
  bool has_pictures() const;
  /// pixel_values as most classes take them: a frame each, [pictures, 3, height, width], or patches
  /// of several pictures and films by image_grid_thw and video_grid_thw.
  Status put_frames_or_patches(const Json& config, ModelInput& input) const;
  Status put_frames(const torch::Tensor& pixels, ModelInput& input) const;
  /// Input error: some of what pixel_attention_mask says of pictures is not seen.
  Status check_whole(const torch::Tensor& seen) const;
  /// Pictures and films in the order in which the text has them.
  Status put_media(const std::vector<GivenMedium>& pictures, const std::vector<GivenMedium>& films,
                   const Json& config, ModelInput& input) const;
  /// [pictures, 2] int64: height and width in pixels of each.
  Result<torch::Tensor> image_sizes(std::int64_t pictures) const;
  /// Of models that read pictures alone: a row each.
  void put_picture_rows(ModelInput& input) const;

 private:
  /// Of image_grid_thw or video_grid_thw and the pixels that go with it.
  Result<std::vector<GivenMedium>> media(const char* pixels, const char* grids,
                                         const Json& config) const;

  const ClassArguments& given_;
};

}  // namespace luthier
