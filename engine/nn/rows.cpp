// SPDX-License-Identifier: GPL-3.0-or-later
// The gathers are made on the CPU from the lengths. A gather's backward is the gather back: no
// atomic additions, the same bits each time.
#include "engine/nn/rows.h"

#include <algorithm>

#include <torch/csrc/autograd/custom_function.h>

namespace luthier {

namespace {

using torch::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// What once() is asked for, by another name than attention's masks and gathers have.
constexpr std::int64_t kEnds = -4;

class ReorderFunction : public torch::autograd::Function<ReorderFunction> {
 public:
  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& there,
                        const Tensor& back) {
    context->save_for_backward({there, back});
    context->saved_data["rows"] = x.size(0);
    return x.index_select(0, there);
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    if (saved[1].numel() > 0) return {gradients[0].index_select(0, saved[1]), Tensor(), Tensor()};
    auto shape = gradients[0].sizes().vec();
    shape[0] = context->saved_data["rows"].toInt();
    return {torch::zeros(shape, gradients[0].options()).index_copy_(0, saved[0], gradients[0]),
            Tensor(), Tensor()};
  }
};

Tensor index_tensor(const std::vector<std::int64_t>& values) {
  return torch::tensor(values, torch::kInt64);
}

}  // namespace

Tensor reorder(const Tensor& x, const Tensor& there, const Tensor& back) {
  if (!at::GradMode::is_enabled() || !x.requires_grad()) return x.index_select(0, there);
  return ReorderFunction::apply(x, there,
                                back.defined() ? back : torch::empty({0}, there.options()));
}

RowLayout::RowLayout(std::vector<std::int64_t> lengths)
    : lengths_(std::move(lengths)), rows_(static_cast<std::int64_t>(lengths_.size())) {
  for (const std::int64_t length : lengths_) {
    tokens_ += length;
    longest_ = std::max(longest_, length);
  }
  reach_ = longest_;
  made_ = std::make_shared<std::map<std::vector<std::int64_t>, Tensor>>();
  std::map<std::int64_t, std::vector<std::int64_t>, std::greater<>>
      by_length;  // → where such rows start
  std::int64_t start = 0;
  for (const std::int64_t length : lengths_) {
    by_length[length].push_back(start);
    start += length;
  }
  std::int64_t sorted = 0;  // tokens before the group
  for (const auto& [length, starts] : by_length) {
    groups_.push_back({length, static_cast<std::int64_t>(starts.size())});
    for (const std::int64_t first : starts) {
      grouped_ = grouped_ && first == sorted;
      sorted += length;
    }
  }
  if (equal()) return;

  const auto count = static_cast<std::size_t>(tokens_);
  std::vector<std::int64_t> padded, flat, order, back(count);
  start = 0;
  for (std::size_t row = 0; row < lengths_.size(); ++row) {
    for (std::int64_t i = 0; i < longest_; ++i)
      padded.push_back(std::min(start + std::min(i, lengths_[row] - 1), tokens_ - 1));
    for (std::int64_t i = 0; i < lengths_[row]; ++i)
      flat.push_back(static_cast<std::int64_t>(row) * longest_ + i);
    start += lengths_[row];
  }
  for (const auto& [length, starts] : by_length) {
    for (const std::int64_t first : starts) {
      for (std::int64_t i = first; i < first + length; ++i) {
        back[static_cast<std::size_t>(i)] = static_cast<std::int64_t>(order.size());
        order.push_back(i);
      }
    }
  }
  padded_ = index_tensor(padded), flat_ = index_tensor(flat), order_ = index_tensor(order),
  order_back_ = index_tensor(back);
}

RowLayout::RowLayout(std::vector<std::int64_t> lengths, const std::vector<std::int64_t>& trunks)
    : RowLayout(lengths) {
  std::vector<std::int64_t> starts, first;
  std::int64_t start = 0;
  for (std::size_t row = 0; row < lengths.size(); ++row) {
    starts.push_back(start);
    start += lengths[row];
    if (trunks[row] < 0) {
      TORCH_CHECK(forks_.empty(), "rows that begin by themselves come first");
      first.push_back(lengths[row]);
      continue;
    }
    const auto trunk = static_cast<std::size_t>(trunks[row]);
    TORCH_CHECK(trunk < first.size(), "a trunk begins by itself");
    forks_.push_back({starts[trunk], lengths[trunk], starts[row], lengths[row]});
    reach_ = std::max(reach_, lengths[trunk] + lengths[row]);
  }
  beginnings_ = std::make_shared<const RowLayout>(std::move(first));
}

RowLayout RowLayout::standing(std::int64_t rows, std::int64_t tokens) {
  RowLayout layout;
  layout.rows_ = rows, layout.stands_ = true;
  layout.tokens_ = layout.longest_ = layout.reach_ = tokens;
  layout.made_ = std::make_shared<std::map<std::vector<std::int64_t>, Tensor>>();
  return layout;
}

Tensor RowLayout::once(const std::vector<std::int64_t>& key,
                       const std::function<Tensor()>& make) const {
  if (!made_) return make();
  Tensor& made = (*made_)[key];
  if (!made.defined()) made = make();
  return made;
}

Tensor RowLayout::on(torch::Device device, Tensor& index) {
  if (index.defined() && index.device() != device) index = index.to(device);
  return index;
}

Tensor RowLayout::pad(const Tensor& flat) const {
  auto shape = flat.sizes().vec();
  shape[0] = longest_;
  shape.insert(shape.begin(), rows());
  if (equal()) return flat.reshape(shape);
  return reorder(flat, on(flat.device(), known(padded_)), on(flat.device(), known(flat_)))
      .view(shape);
}

Tensor RowLayout::unpad(const Tensor& padded) const {
  auto shape = padded.sizes().vec();
  shape.erase(shape.begin());
  shape[0] = rows() * longest_;
  const Tensor flat = padded.reshape(shape);
  return equal() ? flat : reorder(flat, on(padded.device(), known(flat_)), {});
}

Tensor RowLayout::positions_here() const {
  std::vector<Tensor> parts;
  if (forked()) {
    parts.push_back(beginnings().positions_here());
    for (const Fork& fork : forks_)
      parts.push_back(torch::arange(fork.length, torch::kInt64) + fork.trunk_length);
  } else {
    for (const std::int64_t length : lengths())
      parts.push_back(torch::arange(length, torch::kInt64));
  }
  return parts.empty() ? torch::empty({0}, torch::kInt64) : at::cat(parts);
}

Tensor RowLayout::positions(torch::Device device) const {
  if (positions_.defined()) return positions_;
  // Of rows of one token, which decoding has at every step, nothing need be brought there.
  if (longest_ == 1 && !stands_ && !forked())
    return torch::zeros({tokens_}, torch::TensorOptions().device(device).dtype(torch::kInt64));
  return positions_here().to(device);
}

Tensor RowLayout::ends_here() const {
  std::vector<std::int32_t> ends{0};
  for (const std::int64_t length : lengths())
    ends.push_back(ends.back() + static_cast<std::int32_t>(length));
  return torch::tensor(ends, torch::kInt32);
}

Tensor RowLayout::ends(torch::Device device) const {
  return once({kEnds}, [&] { return ends_here().to(device); });
}

void RowLayout::set_aside(NamedTensorMap& aside, const std::string& name, bool standing) const {
  aside[name + " positions"] = positions_here();
  if (equal() && !standing) return;
  aside[name + " ends"] = ends_here();
  if (standing) return;
  aside[name + " padded"] = padded_, aside[name + " flat"] = flat_;
  aside[name + " order"] = order_, aside[name + " back"] = order_back_;
}

void RowLayout::take_back(const NamedTensorMap& aside, const std::string& name) {
  const auto take = [&](const char* what, Tensor& tensor) {
    if (const auto found = aside.find(name + what); found != aside.end()) tensor = found->second;
  };
  take(" positions", positions_);
  take(" padded", padded_), take(" flat", flat_);
  take(" order", order_), take(" back", order_back_);
  if (const auto found = aside.find(name + " ends"); found != aside.end())
    (void)once({kEnds}, [&] { return found->second; });
}

}  // namespace luthier
