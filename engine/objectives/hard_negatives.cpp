// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/objectives/hard_negatives.h"

#include "engine/base/random_stream.h"

namespace luthier {

using torch::Tensor;

namespace {

/// Added to each share, so that no other is out of reach.
constexpr double kFloor = 1e-4;

/// Of each row [rows, rows] of likenesses the column that its number of [0, 1) falls on, its own
/// left out.
std::vector<std::int64_t> others(const Tensor& logits, const std::vector<double>& draws) {
  const Tensor shares = (at::softmax(logits.detach(), 1) + kFloor).to(torch::kCPU, torch::kFloat64);
  const auto weights = shares.fill_diagonal_(0).contiguous();
  const std::int64_t rows = weights.size(0);
  std::vector<std::int64_t> found;
  for (std::int64_t row = 0; row < rows; ++row) {
    const double* of_row = weights.const_data_ptr<double>() + row * rows;
    double all = 0;
    for (std::int64_t i = 0; i < rows; ++i) all += of_row[i];
    double left = draws[static_cast<std::size_t>(row)] * all;
    std::int64_t at = row == rows - 1 ? rows - 2 : rows - 1;  // where rounding leaves a rest
    for (std::int64_t i = 0; i < rows; ++i) {
      left -= of_row[i];
      if (i != row && left < 0) {
        at = i;
        break;
      }
    }
    found.push_back(at);
  }
  return found;
}

}  // namespace

void draw_negatives(MicroBatch& rows, std::uint64_t seed) {
  std::uint64_t number = 0;
  for (EncodedRow& row : rows.encoded) {
    RandomStream draws(seed, number++);
    row.targets = {draws.unit(), draws.unit()};
  }
}

NegativeDraws negative_draws(const Batch& batch) {
  NegativeDraws draws;
  for (const Batch::Sequence& sequence : batch.sequences) {
    const std::vector<double>& drawn = batch.rows->encoded[sequence.row].targets;
    TORCH_CHECK(drawn.size() == 2, "a row has no draws");
    draws.pictures.push_back(drawn[0]);
    draws.texts.push_back(drawn[1]);
  }
  return draws;
}

PairMatcher::Pairs pairs_with_negatives(const Tensor& texts, const Tensor& pictures,
                                        const NegativeDraws& draws) {
  PairMatcher::Pairs pairs;
  const std::int64_t rows = texts.size(0);
  for (std::int64_t row = 0; row < rows; ++row) {
    pairs.texts.push_back(row);
    pairs.pictures.push_back(row);
  }
  if (rows < 2) return pairs;
  const std::vector<std::int64_t> own = pairs.texts;
  const auto other_pictures = others(texts, draws.pictures),
             other_texts = others(pictures, draws.texts);
  pairs.texts.insert(pairs.texts.end(), own.begin(), own.end());
  pairs.pictures.insert(pairs.pictures.end(), other_pictures.begin(), other_pictures.end());
  pairs.texts.insert(pairs.texts.end(), other_texts.begin(), other_texts.end());
  pairs.pictures.insert(pairs.pictures.end(), own.begin(), own.end());
  return pairs;
}

MatchedPairs matched_pairs(const Tensor& scores, std::int64_t rows) {
  Tensor right = torch::zeros({scores.size(0)}, torch::kInt64);
  right.slice(0, 0, rows).fill_(1);
  right = right.to(scores.device());
  return {at::cross_entropy_loss(scores, right),
          scores.argmax(1).eq(right).to(torch::kFloat32).mean()};
}

Tensor own_found(const Tensor& logits) {
  const Tensor own = torch::arange(logits.size(0), logits.options().dtype(torch::kInt64));
  return logits.argmax(1).eq(own).to(torch::kFloat32).mean();
}

}  // namespace luthier
