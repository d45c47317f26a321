// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/train/points_window.h"

#include <torch/csrc/autograd/autograd.h>

#include "engine/ranks/shared_work.h"

namespace luthier {

void PointsWindow::look(std::size_t batch, const MicroBatch& rows) {
  batches_[batch] = policy_.batch(rows, objective_.row_kind().order(), BatchMaker::Pass::Training);
  for (const torch::Tensor& each : objective_.points(policy_, *batches_[batch]))
    points_[batch].push_back(each.detach().requires_grad_());
  numbers_[batch] = rows.rows;
}

Json PointsWindow::said(std::size_t batch) const {
  Json points = Json::array();
  for (const torch::Tensor& each : points_[batch]) points.push_back(tensor_json(each));
  return {{"points", std::move(points)}, {"rows", numbers_[batch]}};
}

void PointsWindow::take(std::size_t batch, const Json& said) {
  for (const Json& each : said.at("points"))
    points_[batch].push_back(tensor_of(each).to(policy_.model().device()).requires_grad_());
  numbers_[batch] = said.at("rows").get<std::vector<std::int64_t>>();
}

Told PointsWindow::loss(double divisor) {
  std::vector<PointsOfRows> window;
  for (const PointsOfRows& each : points_)
    if (!each.empty()) window.push_back(each);
  for (const std::vector<std::int64_t>& each : numbers_)
    rows_.rows.insert(rows_.rows.end(), each.begin(), each.end());
  const LossSum loss = objective_.loss_of(window);
  const torch::Tensor share = loss.sum / divisor;
  share.backward();
  return {&rows_, share.detach(), loss.figures};
}

void PointsWindow::learn(std::size_t batch) {
  const PointsOfRows made = objective_.points(policy_, *batches_[batch]);
  torch::autograd::variable_list learning, gradients;
  for (std::size_t i = 0; i < made.size(); ++i) {
    const torch::Tensor& gradient = points_[batch][i].grad();
    if (!made[i].requires_grad() || !gradient.defined()) continue;
    learning.push_back(made[i]);
    gradients.push_back(gradient);
  }
  if (!learning.empty()) torch::autograd::backward(learning, gradients);
}

}  // namespace luthier
