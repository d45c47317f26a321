// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/objectives/token_hits.h"

#include "engine/objectives/head_loss.h"
#include "engine/objectives/loss_cost.h"

namespace luthier {

using torch::Tensor;

Tensor hit_labels(const Tensor& hidden, const Linear& head, const Tensor& target) {
  const torch::NoGradGuard no_grad;
  const Tensor hits = torch::zeros({target.size(0)}, hidden.options().dtype(torch::kFloat32));
  const auto look = [&](const Tensor& logits, std::int64_t begin, std::int64_t end, bool) {
    hits.slice(0, begin, end).copy_(logits.argmax(-1).eq(target.slice(0, begin, end)));
    return torch::zeros({}, hits.options());
  };
  chunked_loss(hidden.detach(), head, loss_chunk(head->out_features(), hidden.is_cpu()), look);
  return hits;
}

Tensor whole_pieces(const Tensor& hits, const LabelPieces& pieces) {
  if (pieces.count == 0) return {};
  TORCH_CHECK(static_cast<std::int64_t>(pieces.of_label.size()) == hits.size(0),
              "each label is of a piece or of none");
  std::vector<std::int64_t> labels, of_piece;
  for (std::size_t i = 0; i < pieces.of_label.size(); ++i) {
    if (pieces.of_label[i] < 0) continue;
    labels.push_back(static_cast<std::int64_t>(i));
    of_piece.push_back(pieces.of_label[i]);
  }
  const auto on_device = [&](const std::vector<std::int64_t>& numbers) {
    return torch::tensor(numbers, torch::kInt64).to(hits.device());
  };
  const Tensor misses = torch::zeros({pieces.count}, hits.options());
  misses.index_add_(0, on_device(of_piece), 1 - hits.index_select(0, on_device(labels)));
  return misses.eq(0).to(torch::kFloat32).mean();
}

std::map<std::string, Tensor> hit_figures(const Tensor& hits, const LabelPieces& pieces,
                                          const char* name) {
  std::map<std::string, Tensor> figures;
  if (hits.size(0) > 0) figures["accuracy"] = hits.mean();
  if (const Tensor whole = whole_pieces(hits, pieces); whole.defined()) figures[name] = whole;
  return figures;
}

}  // namespace luthier
