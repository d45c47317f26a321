// SPDX-License-Identifier: GPL-3.0-or-later
// A batch as models take it: the tokens of all rows one after another, without padding, and what
// their pictures come to.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "engine/data/processor.h"
#include "engine/device/torch.h"
#include "engine/nn/rows.h"

namespace luthier {

/// What the batch knows of one picture or film besides its values.
struct PictureFacts {
  std::int64_t rows = 0;           ///< of pixel_values: 1, tiles or patches
  std::vector<std::int64_t> grid;  ///< as its processor gave it
  /// Of a film: seconds from one grid step to the next; none: a picture.
  std::optional<double> step_seconds = {};
};

/// How a recording (device/graph) meets a batch: filled up to numbers that many batches share.
struct StandingShape {
  std::int64_t rows = 0;    ///< 0: the batch is none of a recording's
  std::int64_t labels = 0;  ///< places whose next token has one, with those that fill them up
};

struct ModelInput {
  torch::Tensor input_ids;            ///< [tokens] int64
  std::vector<std::int64_t> lengths;  ///< of each row
  /// Of rows that fork (RowLayout): which row each goes on from. Empty: none does.
  std::vector<std::int64_t> trunks;
  std::vector<std::int64_t> prompt_lengths;  ///< tokens of each row before its answer; empty: not
                                             ///< known (decoding goes on from a cache)
  torch::Tensor pixel_values;    ///< [rows of all pictures, ...] float32, as the family's processor
                                 ///< lays it out; undefined: no pictures
  torch::Tensor tower_features;  ///< what tower() gave for these pictures earlier: used instead of
                                 ///< pixel_values when defined
  std::vector<PictureFacts> pictures;  ///< of all rows, in their order
  /// Where their marks stand among all tokens, of models whose pictures are nothing but that in the
  /// text: the host has to know, so Model::prepare writes it down.
  std::vector<std::int64_t> picture_marks;
  torch::Tensor labels;  ///< [tokens] int64 with kIgnoreLabel, or undefined
  /// What an encoder reads beside the rows above, which its decoder writes: [source tokens] int64
  /// and each row's length; undefined and empty for models of one text.
  torch::Tensor source_ids;
  std::vector<std::int64_t> source_lengths;
  /// [tokens] int64, which of two texts that are read together each is of; undefined: all are 0.
  torch::Tensor token_types;
  /// Places, positions and gathers that follow from the above, made on the host by Model::prepare
  /// so that they go to the device in the same copy. What is not in here is made where it is
  /// needed.
  NamedTensorMap aside;
  /// Where it has rows, the batch is filled up to them: prepare sets aside what a layout that
  /// stands and labels of that number ask for. In a recording no length is known: each is −1.
  StandingShape standing;
};

/// Whether any of its pictures is a film.
bool has_films(const ModelInput& input);

/// Lays examples one after another (on the CPU).
ModelInput collate(const std::vector<Example>& examples);
ModelInput collate(const std::vector<const Example*>& examples);
/// Moves what the model reads to its device, in one copy.
ModelInput to_device(const ModelInput& input, torch::Device device);

/// How its tokens lie, and those of source_ids.
RowLayout row_layout(const ModelInput& input);
RowLayout source_layout(const ModelInput& input);
/// Places that have a label: [labels] int64.
torch::Tensor label_places(const ModelInput& input);
/// Places whose next token in their own row has a label, and those labels: [labels] int64 each.
/// What stands before a fork's first token is its trunk's last.
struct NextLabels {
  torch::Tensor places, labels;
  /// [labels] float32, by which each is to count: 0 where a place only fills up, and then it is the
  /// last token's, else 1. Undefined: all count.
  torch::Tensor shares;
};
NextLabels next_labels(const ModelInput& input);
/// Sets aside what the functions above would make of an input that is still on the host.
void set_rows_and_labels_aside(ModelInput& input);

}  // namespace luthier
