// SPDX-License-Identifier: GPL-3.0-or-later
// What an evaluation tells of labels beside their loss: whether the likeliest token is the label,
// and whether all labels of a piece (a span that was cut out, a middle that is written) are hit.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "engine/nn/linear.h"

namespace luthier {

/// Of each row of hidden [n, hidden] 1 where the head's likeliest token is target's [n] int64, else
/// 0: [n] float32, without a graph. Of equally likely tokens the one with the lowest id counts.
torch::Tensor hit_labels(const torch::Tensor& hidden, const Linear& head,
                         const torch::Tensor& target);

/// Which piece each label belongs to, from 0; below 0: none.
struct LabelPieces {
  std::vector<std::int64_t> of_label;
  std::int64_t count = 0;
};
/// The share of the pieces whose labels are all hit; undefined where there is no piece.
torch::Tensor whole_pieces(const torch::Tensor& hits, const LabelPieces& pieces);

/// "accuracy", and `name` where there are pieces.
std::map<std::string, torch::Tensor> hit_figures(const torch::Tensor& hits,
                                                 const LabelPieces& pieces = {},
                                                 const char* name = "");

}  // namespace luthier
