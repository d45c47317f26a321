// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/objectives/momentum_queue.h"

#include <cmath>
#include <numbers>

#include "engine/base/random_stream.h"

namespace luthier {

using torch::Tensor;

namespace {

/// Vectors of length 1, [size, width]: normal numbers by the seed and each vector's place (Box and
/// Muller's way, one of a pair), divided by their length.
Tensor drawn_points(std::int64_t size, std::int64_t width, std::uint64_t seed, std::uint64_t side) {
  const Tensor made = torch::empty({size, width}, torch::kFloat64);
  double* out = made.mutable_data_ptr<double>();
  for (std::int64_t row = 0; row < size; ++row) {
    RandomStream draws(seed, side, static_cast<std::uint64_t>(row));
    for (std::int64_t i = 0; i < width; ++i) {
      const double radius = std::sqrt(-2 * std::log(1 - draws.unit()));
      *out++ = radius * std::cos(2 * std::numbers::pi * draws.unit());
    }
  }
  return (made / made.norm(2, 1, /*keepdim=*/true)).to(torch::kFloat32);
}

}  // namespace

FeatureQueue::FeatureQueue(std::int64_t size, std::int64_t width, std::uint64_t seed,
                           torch::Device device)
    : images(drawn_points(size, width, seed, 1).to(device)),
      texts(drawn_points(size, width, seed, 2).to(device)),
      next(torch::zeros({}, torch::kInt64)) {}

void FeatureQueue::add(const PairPoints& newest) {
  const torch::NoGradGuard no_grad;
  const std::int64_t size = images.size(0), rows = newest.images.size(0),
                     taken = std::min(rows, size);
  if (size == 0) return;
  const std::int64_t first = next.item<std::int64_t>() + rows - taken;
  const Tensor places = ((torch::arange(taken, torch::kInt64) + first) % size).to(images.device());
  places_ = places, next_before_ = next.item<std::int64_t>();
  replaced_ = {images.index_select(0, places), texts.index_select(0, places)};
  images.index_copy_(0, places, newest.images.slice(0, rows - taken));
  texts.index_copy_(0, places, newest.texts.slice(0, rows - taken));
  next.fill_((next.item<std::int64_t>() + rows) % size);
}

void FeatureQueue::take_back() {
  if (!places_.defined()) return;
  const torch::NoGradGuard no_grad;
  images.index_copy_(0, places_, replaced_.images);
  texts.index_copy_(0, places_, replaced_.texts);
  next.fill_(next_before_);
  places_.reset();
}

MomentumLogits momentum_logits(const PairPoints& points, const PairPoints& copies,
                               const FeatureQueue& queue, const Tensor& scale) {
  // The queue moves before the backward comes; what is joined is a copy of it.
  const auto among = [&](const Tensor& own, const Tensor& window, const Tensor& before) {
    return (at::matmul(own, at::cat({window, before}).t()) * scale).to(torch::kFloat32);
  };
  return {among(points.images, copies.texts, queue.texts),
          among(points.texts, copies.images, queue.images)};
}

Tensor momentum_loss(const MomentumLogits& logits, const MomentumLogits& of_copies, double alpha) {
  const auto one_way = [alpha](const Tensor& own, const Tensor& copies) {
    Tensor target = alpha * at::softmax(copies.detach(), 1);
    target.diagonal().add_(1 - alpha);
    return -(at::log_softmax(own, 1) * target).sum(1).mean();
  };
  return (one_way(logits.pictures, of_copies.pictures) + one_way(logits.texts, of_copies.texts)) /
         2;
}

}  // namespace luthier
