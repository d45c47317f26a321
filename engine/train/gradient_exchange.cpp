// SPDX-License-Identifier: GPL-3.0-or-later
// In buckets, so that what lies on its way never is more than a few times kBucket.
#include "engine/train/gradient_exchange.h"

#include <algorithm>
#include <numeric>

namespace luthier {

namespace {

constexpr std::int64_t kBucket = 4 << 20;  ///< numbers, of one owner
constexpr std::int64_t kAlign = 8;         ///< bytes: any type may be read where a piece begins

std::int64_t aligned(std::int64_t bytes) { return (bytes + kAlign - 1) / kAlign * kAlign; }

/// [count] of a tensor's numbers in their order.
torch::Tensor part_of(const torch::Tensor& tensor, std::int64_t first, std::int64_t count) {
  return tensor.contiguous().view({-1}).narrow(0, first, count);
}

}  // namespace

std::vector<int> gradient_owners(const std::vector<std::int64_t>& numbers, int ranks) {
  std::vector<std::size_t> order(numbers.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](std::size_t a, std::size_t b) { return numbers[a] > numbers[b]; });
  std::vector<std::int64_t> load(static_cast<std::size_t>(ranks));
  std::vector<int> owners(numbers.size());
  for (const std::size_t tensor : order) {
    const auto least = std::min_element(load.begin(), load.end());
    owners[tensor] = static_cast<int>(least - load.begin());
    *least += numbers[tensor];
  }
  return owners;
}

GradientExchange::GradientExchange(const std::vector<TrainedTensor>& tensors,
                                   std::shared_ptr<Ranks> ranks)
    : tensors_(tensors), ranks_(std::move(ranks)), sums_(tensors.size()), summed_(tensors.size()) {
  std::vector<std::int64_t> numbers;
  for (const TrainedTensor& each : tensors_) numbers.push_back(each.tensor.numel());
  const std::vector<int> owners = gradient_owners(numbers, ranks_->size());
  buckets_.resize(static_cast<std::size_t>(ranks_->size()));
  std::vector<std::int64_t> room(buckets_.size());
  for (std::size_t tensor = 0; tensor < tensors_.size(); ++tensor) {
    const auto owner = static_cast<std::size_t>(owners[tensor]);
    for (std::int64_t first = 0; first < numbers[tensor];) {
      if (room[owner] == 0) {
        buckets_[owner].emplace_back();
        room[owner] = kBucket;
      }
      const std::int64_t count = std::min(numbers[tensor] - first, room[owner]);
      buckets_[owner].back().push_back({tensor, first, count});
      first += count;
      room[owner] -= count;
    }
  }
  for (const auto& of_owner : buckets_) most_buckets_ = std::max(most_buckets_, of_owner.size());
}

void GradientExchange::begin() {
  std::fill(sums_.begin(), sums_.end(), torch::Tensor());
  std::fill(summed_.begin(), summed_.end(), false);
}

std::string GradientExchange::standing() const {
  std::string letters;
  for (const TrainedTensor& each : tensors_) {
    const torch::Tensor& gradient = each.tensor.grad();
    letters += !gradient.defined() ? '0'
               : gradient.scalar_type() == each.tensor.scalar_type() ? '1'
                                                                     : '2';
  }
  return letters;
}

torch::ScalarType GradientExchange::type_of(std::size_t tensor, char standing) const {
  return standing == '1' ? tensors_[tensor].tensor.scalar_type() : torch::kFloat32;
}

std::int64_t GradientExchange::bytes_of(const Bucket& bucket, const std::string& standing) const {
  std::int64_t bytes = 0;
  for (const Piece& piece : bucket) {
    if (standing[piece.tensor] == '0') continue;
    const auto size = static_cast<std::int64_t>(
        c10::elementSize(type_of(piece.tensor, standing[piece.tensor])));
    bytes += aligned(piece.count * size);
  }
  return bytes;
}

Status GradientExchange::add(const std::vector<std::string>& standing) {
  const torch::NoGradGuard no_grad;
  const auto here = static_cast<std::size_t>(ranks_->rank());
  static const Bucket kNone;
  for (std::size_t round = 0; round < most_buckets_; ++round) {
    const auto bucket = [&](std::size_t owner) -> const Bucket& {
      return round < buckets_[owner].size() ? buckets_[owner][round] : kNone;
    };
    std::vector<std::int64_t> to, from;
    std::int64_t leaving = 0;
    for (std::size_t rank = 0; rank < buckets_.size(); ++rank) {
      to.push_back(bytes_of(bucket(rank), standing[here]));
      from.push_back(bytes_of(bucket(here), standing[rank]));
      leaving += to.back();
    }
    const torch::Tensor out = torch::empty({leaving}, torch::kUInt8);
    std::int64_t at = 0;
    for (std::size_t owner = 0; owner < buckets_.size(); ++owner) {
      for (const Piece& piece : bucket(owner)) {
        if (standing[here][piece.tensor] == '0') continue;
        const torch::Tensor bytes =
            part_of(tensors_[piece.tensor].tensor.grad(), piece.first, piece.count)
                .view(torch::kUInt8);
        out.narrow(0, at, bytes.numel()).copy_(bytes);
        at += aligned(bytes.numel());
      }
    }
    LUTHIER_TRY(const torch::Tensor in, ranks_->exchange(out, std::move(to), std::move(from)));
    at = 0;
    for (std::size_t rank = 0; rank < buckets_.size(); ++rank) {
      for (const Piece& piece : bucket(here)) {
        const char letter = standing[rank][piece.tensor];
        if (letter == '0') continue;
        const torch::ScalarType type = type_of(piece.tensor, letter);
        const auto size = static_cast<std::int64_t>(c10::elementSize(type));
        const torch::Tensor numbers = in.narrow(0, at, piece.count * size).view(type);
        at += aligned(piece.count * size);
        const torch::Tensor& tensor = tensors_[piece.tensor].tensor;
        torch::Tensor& sum = sums_[piece.tensor];
        if (!sum.defined())
          sum = torch::empty({tensor.numel()}, tensor.options().dtype(torch::kFloat32));
        const torch::Tensor place = sum.narrow(0, piece.first, piece.count);
        // The first one as it is: added to a zero, the sign of another would be lost.
        bool first = !summed_[piece.tensor];
        for (std::size_t before = 0; before < rank; ++before)
          first = first && standing[before][piece.tensor] == '0';
        if (first)
          place.copy_(numbers);
        else
          place.add_(numbers.to(place.device()));
      }
    }
  }
  for (std::size_t tensor = 0; tensor < tensors_.size(); ++tensor) {
    for (const std::string& each : standing) summed_[tensor] = summed_[tensor] || each[tensor] != '0';
    tensors_[tensor].tensor.mutable_grad().reset();
  }
  return {};
}

Status GradientExchange::finish(bool one) {
  const torch::NoGradGuard no_grad;
  const auto here = static_cast<std::size_t>(ranks_->rank());
  for (std::size_t round = 0; round < most_buckets_; ++round) {
    std::vector<std::int64_t> lengths;
    for (const auto& of_owner : buckets_) {
      std::int64_t numbers = 0;
      if (round < of_owner.size()) {
        for (const Piece& piece : of_owner[round])
          if (summed_[piece.tensor]) numbers += piece.count;
      }
      lengths.push_back(numbers);
    }
    const std::int64_t longest = *std::max_element(lengths.begin(), lengths.end());
    const torch::Tensor mine = torch::zeros({longest}, torch::kFloat32);
    std::int64_t at = 0;
    if (round < buckets_[here].size()) {
      for (const Piece& piece : buckets_[here][round]) {
        if (!summed_[piece.tensor]) continue;
        mine.narrow(0, at, piece.count)
            .copy_(sums_[piece.tensor].narrow(0, piece.first, piece.count));
        at += piece.count;
      }
    }
    LUTHIER_TRY(const torch::Tensor all, ranks_->gather(mine.view(torch::kUInt8)));
    for (std::size_t owner = 0; owner < buckets_.size(); ++owner) {
      if (round >= buckets_[owner].size()) continue;
      const torch::Tensor numbers =
          all.select(0, static_cast<std::int64_t>(owner)).view(torch::kFloat32);
      at = 0;
      for (const Piece& piece : buckets_[owner][round]) {
        if (!summed_[piece.tensor]) continue;
        const torch::Tensor& tensor = tensors_[piece.tensor].tensor;
        torch::Tensor& gradient = tensor.mutable_grad();
        if (!gradient.defined())
          gradient = torch::empty(tensor.sizes(), tensor.options().dtype(torch::kFloat32));
        gradient.view({-1})
            .narrow(0, piece.first, piece.count)
            .copy_(numbers.narrow(0, at, piece.count));
        at += piece.count;
      }
    }
  }
  begin();
  if (!one) return {};
  for (const TrainedTensor& each : tensors_) {
    torch::Tensor& gradient = each.tensor.mutable_grad();
    if (gradient.defined()) gradient = gradient.to(each.tensor.scalar_type());
  }
  return {};
}

}  // namespace luthier
