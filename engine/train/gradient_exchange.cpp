// SPDX-License-Identifier: GPL-3.0-or-later
// In buckets, so that what lies on its way never is more than a few times kExchangeBucket.
#include "engine/train/gradient_exchange.h"

#include <algorithm>

#include "engine/ranks/owners.h"

namespace luthier {

namespace {

constexpr std::int64_t kAlign = 8;  ///< bytes: any type may be read where a piece begins

std::int64_t aligned(std::int64_t bytes) { return (bytes + kAlign - 1) / kAlign * kAlign; }

/// [count] of a tensor's numbers in their order.
torch::Tensor part_of(const torch::Tensor& tensor, std::int64_t first, std::int64_t count) {
  return tensor.contiguous().view({-1}).narrow(0, first, count);
}

}  // namespace

GradientExchange::GradientExchange(const std::vector<TrainedTensor>& tensors,
                                   std::shared_ptr<Ranks> ranks)
    : tensors_(tensors), ranks_(std::move(ranks)), sums_(tensors.size()), summed_(tensors.size()) {
  std::vector<std::int64_t> numbers;
  for (const TrainedTensor& each : tensors_) numbers.push_back(each.tensor.numel());
  owners_ = tensor_owners(numbers, ranks_->size());
  buckets_.resize(static_cast<std::size_t>(ranks_->size()));
  std::vector<std::int64_t> room(buckets_.size());
  for (std::size_t tensor = 0; tensor < tensors_.size(); ++tensor) {
    const auto owner = static_cast<std::size_t>(owners_[tensor]);
    for (std::int64_t first = 0; first < numbers[tensor];) {
      if (room[owner] == 0) {
        buckets_[owner].emplace_back();
        room[owner] = kExchangeBucket;
      }
      const std::int64_t count = std::min(numbers[tensor] - first, room[owner]);
      buckets_[owner].back().push_back({tensor, first, count});
      first += count;
      room[owner] -= count;
    }
  }
  for (const auto& of_owner : buckets_) most_buckets_ = std::max(most_buckets_, of_owner.size());
}

torch::TensorOptions GradientExchange::bytes_there() const {
  return torch::TensorOptions().dtype(torch::kUInt8).device(ranks_->line());
}

void GradientExchange::begin() {
  std::fill(sums_.begin(), sums_.end(), torch::Tensor());
  std::fill(summed_.begin(), summed_.end(), false);
}

std::string GradientExchange::standing() const {
  std::string letters;
  for (const TrainedTensor& each : tensors_) {
    const torch::Tensor& gradient = each.tensor.grad();
    letters += !gradient.defined()                                   ? '0'
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
    const auto size =
        static_cast<std::int64_t>(c10::elementSize(type_of(piece.tensor, standing[piece.tensor])));
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
    const torch::Tensor out = torch::empty({leaving}, bytes_there());
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
    for (const std::string& each : standing)
      summed_[tensor] = summed_[tensor] || each[tensor] != '0';
    tensors_[tensor].tensor.mutable_grad().reset();
  }
  return {};
}

Status GradientExchange::owners_to_all(
    const std::function<bool(std::size_t)>& is_there,
    const std::function<torch::ScalarType(std::size_t)>& type,
    const std::function<torch::Tensor(const Piece&)>& from,
    const std::function<void(const Piece&, const torch::Tensor&)>& into) const {
  const auto here = static_cast<std::size_t>(ranks_->rank());
  const auto room_of = [&](const Piece& piece) {
    return aligned(piece.count * static_cast<std::int64_t>(c10::elementSize(type(piece.tensor))));
  };
  for (std::size_t round = 0; round < most_buckets_; ++round) {
    std::int64_t longest = 0;
    for (const auto& of_owner : buckets_) {
      std::int64_t bytes = 0;
      for (const Piece& piece : round < of_owner.size() ? of_owner[round] : Bucket())
        if (is_there(piece.tensor)) bytes += room_of(piece);
      longest = std::max(longest, bytes);
    }
    const torch::Tensor mine = torch::zeros({longest}, bytes_there());
    std::int64_t at = 0;
    for (const Piece& piece : round < buckets_[here].size() ? buckets_[here][round] : Bucket()) {
      if (!is_there(piece.tensor)) continue;
      const torch::Tensor bytes = from(piece).view(torch::kUInt8);
      mine.narrow(0, at, bytes.numel()).copy_(bytes);
      at += room_of(piece);
    }
    LUTHIER_TRY(const torch::Tensor all, ranks_->gather(mine));
    for (std::size_t owner = 0; owner < buckets_.size(); ++owner) {
      at = 0;
      for (const Piece& piece :
           round < buckets_[owner].size() ? buckets_[owner][round] : Bucket()) {
        if (!is_there(piece.tensor)) continue;
        const std::int64_t room = room_of(piece);
        into(piece, all.select(0, static_cast<std::int64_t>(owner)).narrow(0, at, room));
        at += room;
      }
    }
  }
  return {};
}

/// The sums of what this rank owns as its gradients.
void GradientExchange::give_back(bool one) {
  for (std::size_t tensor = 0; tensor < tensors_.size(); ++tensor) {
    if (!summed_[tensor] || !owns(tensor) || !sums_[tensor].defined()) continue;
    const torch::Tensor& trained = tensors_[tensor].tensor;
    torch::Tensor sum = std::exchange(sums_[tensor], {}).view(trained.sizes());
    trained.mutable_grad() = one ? sum.to(trained.scalar_type()) : sum;
  }
}

Status GradientExchange::finish(bool one) {
  const torch::NoGradGuard no_grad;
  if (sharded_) {
    give_back(one);
    begin();
    return {};
  }
  LUTHIER_CHECK(owners_to_all(
      [&](std::size_t tensor) { return summed_[tensor]; },
      [](std::size_t) { return torch::kFloat32; },
      [&](const Piece& piece) { return sums_[piece.tensor].narrow(0, piece.first, piece.count); },
      [&](const Piece& piece, const torch::Tensor& bytes) {
        const torch::Tensor& tensor = tensors_[piece.tensor].tensor;
        torch::Tensor& gradient = tensor.mutable_grad();
        if (!gradient.defined())
          gradient = torch::empty(tensor.sizes(), tensor.options().dtype(torch::kFloat32));
        gradient.view({-1})
            .narrow(0, piece.first, piece.count)
            .copy_(bytes.view(torch::kFloat32).narrow(0, 0, piece.count));
      }));
  begin();
  if (!one) return {};
  for (const TrainedTensor& each : tensors_) {
    torch::Tensor& gradient = each.tensor.mutable_grad();
    if (gradient.defined()) gradient = gradient.to(each.tensor.scalar_type());
  }
  return {};
}

Result<torch::Tensor> GradientExchange::norm() const {
  const torch::NoGradGuard no_grad;
  const auto count = static_cast<std::int64_t>(tensors_.size());
  // Of a tensor without a gradient a number that no norm is.
  torch::Tensor mine = torch::full({count}, -1.0, torch::kFloat32);
  std::vector<torch::Tensor> gradients;
  std::vector<std::int64_t> places;
  for (std::int64_t tensor = 0; tensor < count; ++tensor) {
    const torch::Tensor& gradient = tensors_[static_cast<std::size_t>(tensor)].tensor.grad();
    if (!gradient.defined()) continue;
    gradients.push_back(gradient);
    places.push_back(tensor);
  }
  if (!gradients.empty()) {
    const std::vector<torch::Tensor> norms = at::_foreach_norm(gradients, 2, torch::kFloat32);
    const torch::Tensor together = torch::stack(norms).cpu();
    mine.index_put_({torch::tensor(places)}, together);
  }
  LUTHIER_TRY(const torch::Tensor all, ranks_->gather(mine.view(torch::kUInt8)));
  std::vector<torch::Tensor> norms;
  for (std::int64_t tensor = 0; tensor < count; ++tensor) {
    const torch::Tensor own = all.select(0, owners_[static_cast<std::size_t>(tensor)])
                                  .view(torch::kFloat32)
                                  .select(0, tensor);
    if (own.item<float>() != -1) norms.push_back(own);
  }
  return norms.empty() ? torch::Tensor() : torch::stack(norms).norm();
}

Status GradientExchange::spread() const {
  const torch::NoGradGuard no_grad;
  return owners_to_all([](std::size_t) { return true; },
                       [&](std::size_t tensor) { return tensors_[tensor].tensor.scalar_type(); },
                       [&](const Piece& piece) {
                         return part_of(tensors_[piece.tensor].tensor.detach(), piece.first,
                                        piece.count);
                       },
                       [&](const Piece& piece, const torch::Tensor& bytes) {
                         const torch::Tensor& tensor = tensors_[piece.tensor].tensor;
                         if (owns(piece.tensor)) return;
                         const torch::Tensor whole = tensor.detach().contiguous();
                         whole.view({-1})
                             .narrow(0, piece.first, piece.count)
                             .copy_(bytes.view(tensor.scalar_type()).narrow(0, 0, piece.count));
                         if (whole.data_ptr() != tensor.data_ptr()) tensor.detach().copy_(whole);
                       });
}

}  // namespace luthier
