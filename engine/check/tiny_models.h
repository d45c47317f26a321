// SPDX-License-Identifier: GPL-3.0-or-later
// A small model of every family, with drawn weights that are the same on every device, and rows for
// it: enough to ask a device for every kernel that the family needs. Their configurations are
// written down here, so that a folder that is carried to another machine needs no other file.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/batches/batch.h"
#include "engine/models/loaded_model.h"

namespace luthier {

/// What a family's processor would make of one picture.
struct TinyPicture {
  std::vector<std::int64_t> shape, grid;  ///< of its values; empty: the family takes none
  std::int64_t tokens = 0;                ///< in the text
};

struct TinyModel {
  const Family* family = nullptr;
  std::string objective = "sft";
  Json config;
  TinyPicture picture;
  TokenId image = -1;                 ///< −1: pictures are not in the text
  TokenId last = -1;                  ///< of every row, where the family looks for it; −1: any
  TokenId start = -1;                 ///< of answers that a decoder of their own writes; −1: none
  std::vector<std::int64_t> lengths;  ///< of rows, beyond a picture's tokens: of no one length
};

/// Input error where none of this family is written down.
Result<TinyModel> tiny_model(const Family& family);
/// Whether it has a product that adapters hang on unless they are told otherwise, beside its head
/// of classes, which trains whole: models of pictures that are convolutions have none.
bool takes_adapters(const TinyModel& model);
/// The same with so many more layers of its text's model.
TinyModel deeper(TinyModel model, std::int64_t more);

/// The model with its drawn weights rounded to `rounding`, in `tensors`' type and place.
/// `processor`: any; only its filler is asked for.
Result<LoadedModel> drawn(const TinyModel& model, const torch::TensorOptions& tensors,
                          torch::ScalarType rounding,
                          std::shared_ptr<const ChatProcessor> processor);

/// The whole of its rows as a micro-batch; each shows a picture where the family takes them.
MicroBatch tiny_rows(const TinyModel& model);
/// Prompts for decoding, of so many tokens beyond a picture's.
std::vector<Example> tiny_prompts(const TinyModel& model,
                                  const std::vector<std::int64_t>& lengths = {12, 12, 15});

}  // namespace luthier
