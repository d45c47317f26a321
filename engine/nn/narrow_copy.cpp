// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/nn/narrow_copy.h"

#include <mutex>

namespace luthier {

using torch::Tensor;

namespace {

/// Parts of a micro-batch ask side by side.
std::mutex& copies_mutex() {
  static std::mutex mutex;
  return mutex;
}

}  // namespace

bool NarrowCopy::stale(const Tensor& wide) const {
  return !of_.is_same(wide) || version_ != wide._version();
}

void NarrowCopy::remember(const Tensor& wide) const {
  of_ = wide;
  version_ = static_cast<std::uint32_t>(wide._version());
}

Tensor NarrowCopy::of(const Tensor& wide, torch::ScalarType type) const {
  if (wide.scalar_type() == type) return wide;
  if (wide.is_inference()) return wide.to(type);  // has no version
  const std::lock_guard lock(copies_mutex());
  if (copy_.defined() && copy_.scalar_type() == type && copy_.device() == wide.device() &&
      !stale(wide)) {
    return copy_;
  }
  // An answer asks under inference mode; what it leaves here must do for training, too.
  const c10::InferenceMode normal(false);
  const torch::NoGradGuard no_grad;
  copy_ = wide.detach().to(type);
  remember(wide);
  return copy_;
}

void NarrowCopy::refresh(const std::vector<Pair>& pairs) {
  const std::lock_guard lock(copies_mutex());
  const torch::NoGradGuard no_grad;
  std::vector<Tensor> from, to;
  std::vector<Pair> renewed;
  for (const Pair& pair : pairs) {
    const Tensor &wide = *pair.wide, &made = pair.copy->copy_;
    const bool stands = made.defined() && !wide.is_inference() && made.device() == wide.device() &&
                        made.sizes() == wide.sizes();
    if (!stands || !pair.copy->stale(wide)) continue;
    from.push_back(wide.detach());
    to.push_back(made);
    renewed.push_back(pair);
  }
  if (to.empty()) return;
  at::_foreach_copy_(to, from);
  for (const Pair& pair : renewed) pair.copy->remember(*pair.wide);
}

}  // namespace luthier
