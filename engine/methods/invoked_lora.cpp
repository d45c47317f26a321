// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/methods/invoked_lora.h"

#include <stdexcept>
#include <utility>

#include "engine/base/random_stream.h"
#include "engine/methods/token_rows.h"
#include "engine/models/decoder.h"
#include "engine/nn/batch_part.h"
#include "engine/nn/dropout.h"

namespace luthier {

using torch::Tensor;

namespace {

/// ids [length] of one row → where an invocation begins: [length] bool.
Tensor beginnings(const Tensor& ids, const std::vector<std::int64_t>& invocation) {
  const auto count = static_cast<std::int64_t>(invocation.size()), length = ids.size(0);
  Tensor found = torch::zeros({length}, ids.options().dtype(torch::kBool));
  const std::int64_t places = length - count + 1;
  if (places < 1) return found;
  Tensor here = found.slice(0, 0, places).fill_(true);
  for (std::int64_t i = 0; i < count; ++i)
    here.logical_and_(ids.slice(0, i, i + places) == invocation[static_cast<std::size_t>(i)]);
  return found;
}

/// From the last beginning on: [length] bool.
Tensor from_the_last(const Tensor& found) {
  const Tensor number = found.to(torch::kInt64);
  const Tensor from_here = number.flip(0).cumsum(0).flip(0);  // beginnings here or behind
  return (from_here == number).logical_and_(found.any());
}

class InvocationIds : public EmbeddingPlug {
 public:
  explicit InvocationIds(std::shared_ptr<Invocation> invocation)
      : invocation_(std::move(invocation)) {}
  Tensor forward(const Tensor& ids, const EmbeddingImpl& base) const override {
    invocation_->begin(ids);
    return base.lookup(ids);
  }

 private:
  std::shared_ptr<Invocation> invocation_;
};

class InvocationRows : public SequencePlug {
 public:
  explicit InvocationRows(std::shared_ptr<Invocation> invocation)
      : invocation_(std::move(invocation)) {}
  TokenSequence extend(const TokenSequence& sequence) const override {
    invocation_->lay_out(sequence.rows);
    return sequence;
  }

 private:
  std::shared_ptr<Invocation> invocation_;
};

}  // namespace

void Invocation::begin(const Tensor& ids) {
  const std::lock_guard lock(mutex_);
  Pass& pass = passes_[BatchPart::here()];
  pass.ids = ids.detach().flatten();
  pass.tokens = Tensor();
}

void Invocation::lay_out(const RowLayout& rows) {
  const torch::NoGradGuard no_grad;
  const std::lock_guard lock(mutex_);
  Pass& pass = passes_[BatchPart::here()];
  std::vector<Tensor> tokens, of_rows;
  std::int64_t start = 0;
  for (const std::int64_t length : rows.lengths()) {
    const Tensor on = from_the_last(beginnings(pass.ids.slice(0, start, start + length), tokens_));
    tokens.push_back(on);
    of_rows.push_back(on.any().reshape({1}));
    start += length;
  }
  pass.tokens = at::cat(tokens);
  pass.rows = at::cat(of_rows);
}

Tensor Invocation::on(std::int64_t count) const {
  const std::lock_guard lock(mutex_);
  const auto found = passes_.find(BatchPart::here());
  if (found == passes_.end()) throw std::logic_error("no pass has begun that an adapter is in");
  const Pass& pass = found->second;
  const Tensor& on = pass.tokens.defined() ? pass.tokens : pass.rows;
  if (on.defined() && on.size(0) == count) return on.unsqueeze(1);
  // Rows that have ended were taken out; which are left does not matter where all are alike.
  if (!pass.tokens.defined() && on.defined() && at::equal(on, on.slice(0, 0, 1).expand_as(on)))
    return on.slice(0, 0, 1).expand({count}).unsqueeze(1);
  throw std::logic_error("rows with an invocation and rows without one are answered together");
}

InvokedLora::InvokedLora(Tensor a, Tensor b, Tensor bias, double scale, double dropout,
                         std::uint64_t place)
    : a_(std::move(a)),
      b_(std::move(b)),
      bias_(std::move(bias)),
      scale_(scale),
      dropout_(dropout),
      place_(place) {}

std::optional<std::uint64_t> InvokedLora::mask_seed(std::uint64_t of_batch) const {
  if (dropout_ <= 0) return std::nullopt;
  return mixed_bits(of_batch + kGoldenStep * (place_ + 1));
}

Tensor InvokedLora::forward(const Tensor& x, const LinearImpl& linear) const {
  const Tensor y = linear.product(x);  // [..., out]
  if (strength == 0) return y;
  const torch::ScalarType type = x.scalar_type();
  Tensor in = x.reshape({-1, x.size(-1)});  // [n, in]
  const Tensor on = invocation->on(in.size(0)).to(type);
  if (training && dropout_ > 0) {
    const MaskSeed drawn(*mask_seed(seed ^ mixed_bits(BatchPart::here())), mask_there);
    in = in * dropped_out(torch::ones_like(in, in.options().requires_grad(false)), dropout_, drawn);
  }
  const Tensor bias = bias_.defined() ? bias_.to(type) : Tensor();
  const Tensor added = at::linear(at::linear(in, a_.to(type)), b_.to(type), bias);
  return y + (added * (scale_ * strength) * on).view_as(y);
}

Status check_invoked(const Ports& ports, const ModelModule& module) {
  const bool layered = ports.sequences.size() == 1 && module.linear() &&
                       module.name != ports.head_name &&
                       module.name.starts_with(ports.sequences.front().first + ".");
  if (layered) return {};
  return input_error(module.name +
                         " is no Linear of the decoder's layers, which alone read a "
                         "row's tokens as they stand.",
                     kInvocation, "Leave it out of adapter.target_modules.");
}

Status hang_invocation(Ports& ports, const AdapterSettings& settings, Adapter::Parts& parts) {
  const std::vector<std::int64_t> tokens = token_ids(settings, kInvocation);
  if (tokens.empty()) return {};
  const std::string name = ports.embeddings.begin()->first;
  Embedding embedding = ports.embeddings.begin()->second;
  // One that is not there never comes, so that the adapter would never be on.
  const std::int64_t count = embedding->weight.size(0);
  for (std::size_t i = 0; i < tokens.size(); ++i)
    if (tokens[i] < 0 || tokens[i] >= count)
      return input_error("The vocabulary has no token " + settings.more.names(kInvocation)[i] + ".",
                         kInvocation, "It has " + std::to_string(count) + " tokens, from 0 on.");
  for (const Adapter::Hung& each : parts.hung) {
    if (each.module != name) continue;
    return input_error("An invocation is found where " + name +
                           " looks tokens up, which has an "
                           "adapter of its own.",
                       kInvocation, "Leave out the embedding and its rows.");
  }
  const auto invocation = std::make_shared<Invocation>(tokens);
  for (const Adapter::Hung& each : parts.hung)
    if (const auto pair = std::dynamic_pointer_cast<InvokedLora>(each.plug))
      pair->invocation = invocation;
  parts.hung.push_back(hung_on(embedding->plug, name, std::make_shared<InvocationIds>(invocation)));
  SequencePort* port = ports.sequences.front().second;
  parts.hung.push_back(
      hung_on(port->sequence_plug, "", std::make_shared<InvocationRows>(invocation)));
  return {};
}

}  // namespace luthier
