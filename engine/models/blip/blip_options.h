// SPDX-License-Identifier: GPL-3.0-or-later
// BLIP's config.json (BlipConfig of transformers 5.17), and the classes that it may be of.
#pragma once

#include <memory>

#include "engine/models/blip/blip_tower.h"
#include "engine/models/blip/med_stack.h"
#include "engine/models/family.h"
#include "engine/models/row_memory.h"

namespace luthier::blip {

/// transformers' classes.
enum class Task {
  Caption,   ///< BlipForConditionalGeneration
  Answer,    ///< BlipForQuestionAnswering
  Retrieve,  ///< BlipForImageTextRetrieval
};

struct Options {
  Task task = Task::Caption;
  BlipTowerOptions vision;
  MedOptions text;
  TokenId start = 30522;                      ///< [DEC], which what is written begins with
  TokenId end = 102;                          ///< [SEP], which it ends with
  double label_smoothing = 0;                 ///< of what is written
  double text_range = 0.02;                   ///< of drawn weights, but for the tower's
  std::int64_t image_text_hidden_size = 256;  ///< of the space of Retrieve
  double logit_scale_init_value = 2.6592;     ///< ln of what likenesses are multiplied with there
  bool tie_word_embeddings = true;
  bool pretraining_head = false;  ///< of Retrieve: a temperature that learns ("temp", the authors')

  /// [ENC], which a text begins with that is read with its picture: the word behind [DEC], as the
  /// authors added the two.
  TokenId encoder_start() const { return start + 1; }
  std::int64_t states() const { return vision.tokens(); }  ///< of a picture
};

/// ModelInput::aside: the places of [ENC] in what is read with a picture; who puts it there himself
/// says which texts begin so, else all do.
inline constexpr const char* kReadStarts = "starts";

/// An Input error names `where` and the field.
Result<Options> read_options(const Json& config, const std::string& where);

/// Of Task::Caption and Task::Answer.
std::shared_ptr<Model> make_writer(const Options& options, const torch::TensorOptions& tensors);
/// Of Task::Retrieve.
std::shared_ptr<Model> make_retriever(const Options& options, const torch::TensorOptions& tensors);

/// The tower's and the text's sizes.
ModelGeometry geometry_of(const Options& options);

/// So many rows of a picture's states each, and for every row beyond one that shows nothing.
std::vector<std::int64_t> memory_lengths(const Options& options, std::size_t pictures,
                                         std::size_t rows);
/// states [pictures · states, width] as the memory of so many rows.
RowStates memory_of(const Options& options, torch::Tensor states, std::size_t pictures,
                    std::size_t rows);

}  // namespace luthier::blip
