// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/nn/rotary.h"

#include <algorithm>
#include <cmath>
#include <mutex>
#include <numbers>

#include <torch/csrc/autograd/custom_function.h>

#include "engine/kernels/heads.h"
#include "engine/nn/cpu_passes.h"

namespace luthier {

namespace {

using torch::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

class RotateFunction : public torch::autograd::Function<RotateFunction> {
 public:
  static Tensor forward(AutogradContext* context, const Tensor& x, const Tensor& cos,
                        const Tensor& sin) {
    context->save_for_backward({cos, sin});
    return rotated(x, cos, sin, 1);
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    // The two halves of cos and of sin are equal, so the transpose of the rotation is the rotation
    // with −sin.
    return {rotated(gradients[0], saved[0], saved[1], -1), Tensor(), Tensor()};
  }
};

/// `back`: pairs come together again.
Tensor with_pairs_moved(const Tensor& x, std::int64_t dimension, bool back) {
  Tensor y = at::empty(x.sizes(), x.options());
  const std::int64_t half = dimension / 2;
  for (const std::int64_t which : {0, 1}) {
    const auto neighbours = [&](const Tensor& t) { return t.slice(-1, which, dimension, 2); };
    const auto side = [&](const Tensor& t) { return t.narrow(-1, which * half, half); };
    if (back)
      neighbours(y).copy_(side(x));
    else
      side(y).copy_(neighbours(x));
  }
  if (dimension < x.size(-1)) y.slice(-1, dimension).copy_(x.slice(-1, dimension));
  return y;
}

class PairsApartFunction : public torch::autograd::Function<PairsApartFunction> {
 public:
  static Tensor forward(AutogradContext* context, const Tensor& x, std::int64_t dimension) {
    context->saved_data["dimension"] = dimension;
    return with_pairs_moved(x, dimension, false);
  }
  static variable_list backward(AutogradContext* context, variable_list gradients) {
    return {with_pairs_moved(gradients[0], context->saved_data["dimension"].toInt(), true),
            Tensor()};
  }
};

Tensor exponents(std::int64_t dimension) {
  return torch::arange(0, dimension, 2, torch::kInt64).to(torch::kFloat32) /
         static_cast<double>(dimension);
}

Tensor powers(double theta, std::int64_t dimension) {
  return torch::pow(theta, exponents(dimension));
}

/// Llama 3.1: long waves are stretched, short ones kept, those between blended.
Tensor llama3_frequencies(const RotaryOptions& o, const Tensor& frequencies) {
  const double old_length = static_cast<double>(o.original_max_position_embeddings);
  const Tensor wavelength = 2 * std::numbers::pi / frequencies;
  const double low = old_length / o.low_freq_factor, high = old_length / o.high_freq_factor;
  const Tensor scaled = torch::where(wavelength > low, frequencies / o.factor, frequencies);
  const Tensor smooth =
      (old_length / wavelength - o.low_freq_factor) / (o.high_freq_factor - o.low_freq_factor);
  const Tensor blended = (1 - smooth) * scaled / o.factor + smooth * scaled;
  const Tensor middle = (wavelength >= high).logical_and(wavelength <= low);
  return torch::where(middle, blended, scaled);
}

/// YaRN (Peng et al. 2023): a ramp over the frequencies between those that turn often (kept) and
/// seldom (stretched).
Tensor yarn_frequencies(const RotaryOptions& o) {
  const double dimension = static_cast<double>(o.dimension);
  const auto correction = [&](double rotations) {
    return dimension *
           std::log(static_cast<double>(o.original_max_position_embeddings) /
                    (rotations * 2 * std::numbers::pi)) /
           (2 * std::log(o.theta));
  };
  double low = correction(o.beta_fast), high = correction(o.beta_slow);
  if (o.truncate) low = std::floor(low), high = std::ceil(high);
  low = std::max(low, 0.0), high = std::min(high, dimension - 1);
  if (low == high) high += 0.001;
  const Tensor ramp =
      ((torch::arange(o.dimension / 2, torch::kFloat32) - low) / (high - low)).clamp(0, 1);
  const Tensor kept = 1 - ramp, wave = powers(o.theta, o.dimension);
  return 1.0 / (o.factor * wave) * (1 - kept) + 1.0 / wave * kept;
}

/// Which of the three position rows each frequency follows: [dimension / 2] int64.
Tensor section_axes(const RotaryOptions& o) {
  std::vector<std::int64_t> axes(static_cast<std::size_t>(o.dimension / 2), 0);
  if (o.interleaved) {
    for (const std::size_t axis : {1u, 2u}) {
      const auto end = std::min(axes.size(), static_cast<std::size_t>(o.sections[axis] * 3));
      for (std::size_t i = axis; i < end; i += 3) axes[i] = static_cast<std::int64_t>(axis);
    }
  } else {
    std::size_t at = 0;
    for (std::size_t axis = 0; axis < 3; ++axis) {
      for (std::int64_t i = 0; i < o.sections[axis] && at < axes.size(); ++i)
        axes[at++] = static_cast<std::int64_t>(axis);
    }
  }
  return torch::tensor(axes, torch::kInt64);
}

/// Parts of a micro-batch ask side by side for frequencies that go by the length.
std::mutex& lengths_mutex() {
  static std::mutex mutex;
  return mutex;
}

bool by_length(const RotaryOptions& o) { return o.type == "dynamic" || o.type == "longrope"; }

}  // namespace

RotaryEmbedding::RotaryEmbedding(RotaryOptions options) : options_(std::move(options)) {
  if (!by_length(options_)) fixed_ = frequencies(0);
  if (!options_.sections.empty()) axes_ = section_axes(options_);
}

bool RotaryEmbedding::goes_by_length() const { return by_length(options_); }

Tensor RotaryEmbedding::frequencies(std::int64_t seq) const {
  const RotaryOptions& o = options_;
  if (o.type == "yarn") return yarn_frequencies(o);
  if (o.type == "longrope") {  // LongRoPE (Ding et al. 2024)
    const auto& factors = seq > o.original_max_position_embeddings ? o.long_factor : o.short_factor;
    return 1.0 / (torch::tensor(factors, torch::kFloat64).to(torch::kFloat32) *
                  powers(o.theta, o.dimension));
  }
  double theta = o.theta;
  if (o.type == "dynamic" &&
      seq > o.max_position_embeddings) {  // NTK-aware: the base grows with the length
    const double dimension = static_cast<double>(o.dimension);
    theta *= std::pow(
        o.factor * static_cast<double>(seq) / static_cast<double>(o.max_position_embeddings) -
            (o.factor - 1),
        dimension / (dimension - 2));
  }
  const Tensor plain = 1.0 / powers(theta, o.dimension);
  if (o.type == "proportional") {  // the first of them, as fast as if all turned (Gemma 4)
    const std::int64_t still = o.dimension / 2 - o.angles;
    return at::constant_pad_nd(plain.slice(0, 0, o.angles), {0, still}) / o.factor;
  }
  if (o.type == "linear") return plain / o.factor;
  return o.type == "llama3" ? llama3_frequencies(o, plain) : plain;
}

const Tensor& RotaryEmbedding::frequencies_of(std::int64_t seq, torch::Device device) const {
  // Up to its first length either kind has one set of frequencies, and longrope one beyond it.
  const std::int64_t first = options_.type == "dynamic" ? options_.max_position_embeddings
                                                        : options_.original_max_position_embeddings;
  const std::int64_t length = options_.type == "dynamic" ? std::max(seq, first)
                              : seq > first              ? first + 1
                                                         : first;
  if (made_for_ != length || by_length_.device() != device) {
    by_length_ = frequencies(length).to(device);
    made_for_ = length;
  }
  return by_length_;
}

RotaryTable RotaryEmbedding::table(const Tensor& position_ids, torch::ScalarType dtype,
                                   std::optional<std::int64_t> end) const {
  const torch::Device device = position_ids.device();
  Tensor waves;
  if (by_length(options_)) {
    if (!end) end = position_ids.numel() > 0 ? position_ids.max().item<std::int64_t>() + 1 : 0;
    const std::lock_guard lock(lengths_mutex());
    waves = frequencies_of(*end, device);
  } else {
    if (fixed_.device() != device) fixed_ = fixed_.to(device);
    waves = fixed_;
  }
  if (options_.sections.empty()) {
    TORCH_CHECK(position_ids.dim() == 1, "one position axis is expected");
    return rotary_table(position_ids.to(torch::kFloat32).unsqueeze(1) * waves, dtype,
                        options_.attention_factor);
  }
  if (axes_.device() != device) axes_ = axes_.to(device);
  const Tensor rows =
      position_ids.dim() == 1 ? position_ids.unsqueeze(0).expand({3, -1}) : position_ids;
  return rotary_table(rows.index_select(0, axes_).t().to(torch::kFloat32) * waves, dtype,
                      options_.attention_factor);
}

RotaryTable rotary_table(const Tensor& angles, torch::ScalarType dtype, double factor) {
  const Tensor both = at::cat({angles, angles}, -1);
  if (factor == 1) return {both.cos().to(dtype), both.sin().to(dtype)};
  return {both.cos().mul_(factor).to(dtype), both.sin().mul_(factor).to(dtype)};
}

/// x·cos + rotate_half(x)·sin with halves [x1, x2] ↦ [−x2, x1].
Tensor rotated(const Tensor& x, const Tensor& cos, const Tensor& sin, double sign,
               const Tensor& into) {
  if (auto made = kernels::turn_heads({x, {}, {}, {}, cos, sin}, sign, {into, {}}))
    return made->query;
  if (suits_turn(x, cos, sin)) return turn_pass(x, cos, sin, sign, into);
  const std::int64_t dimension = cos.size(-1), half = dimension / 2;
  const bool partial = dimension < x.size(-1);
  const Tensor turned = partial ? x.slice(-1, 0, dimension) : x;
  Tensor y = turned * cos;
  const Tensor first = turned.slice(-1, 0, half), second = turned.slice(-1, half);
  y.slice(-1, 0, half).addcmul_(second, sin.slice(-1, 0, half), -sign);
  y.slice(-1, half).addcmul_(first, sin.slice(-1, half), sign);
  if (partial) y = at::cat({y, x.slice(-1, dimension)}, -1);
  return into.defined() ? Tensor(into).copy_(y) : y;
}

Tensor rotate(const Tensor& x, const RotaryTable& table) {
  return RotateFunction::apply(x, table.cos.unsqueeze(1), table.sin.unsqueeze(1));
}

Tensor pairs_apart(const Tensor& x, std::int64_t dimension) {
  return PairsApartFunction::apply(x, dimension);
}

}  // namespace luthier
