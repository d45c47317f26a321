// SPDX-License-Identifier: GPL-3.0-or-later
// What the tests of this room share: another launcher for as long as one stands, and how near two
// results must be.
#pragma once

#include <QString>

#include <algorithm>
#include <cmath>

#include "engine/kernels/launcher.h"

namespace luthier::test {

/// All that asks for kernels on this kind of device gets `launcher`'s.
class Launching {
 public:
  explicit Launching(Launcher* launcher, c10::DeviceType type = c10::DeviceType::CPU)
      : type_(type), before_(kernels::set_launcher(type, launcher)) {}
  ~Launching() { kernels::set_launcher(type_, before_); }
  Launching(const Launching&) = delete;
  Launching& operator=(const Launching&) = delete;

 private:
  c10::DeviceType type_;
  Launcher* before_;
};

/// Empty: `made` is `expected` but for the order of a row's sum. float32: within 2⁻²⁰ (or of so
/// many `bits`) of a number's own size or of its tensor's root mean square. bfloat16: such a
/// difference lets a number fall on the other side of a rounding now and then, and `roundings` of
/// those follow one another: so many units of its last place, in at most one of fifty numbers.
/// `least`: what a tensor's numbers are made of, where most of it cancels.
inline QString difference(const torch::Tensor& made, const torch::Tensor& expected,
                          int roundings = 1, double least = 0, int bits = 20) {
  if (made.defined() != expected.defined()) return "one is not there";
  if (!made.defined()) return {};
  if (made.sizes() != expected.sizes() || made.scalar_type() != expected.scalar_type())
    return "of another shape or type";
  if (made.numel() == 0) return {};
  const bool narrow = made.scalar_type() == torch::kBFloat16;
  const torch::Tensor a = made.detach().to(torch::kFloat64),
                      b = expected.detach().to(torch::kFloat64);
  const torch::Tensor apart = (a - b).abs(), size = b.abs();
  const double typical = std::max(least, b.square().mean().sqrt().item<double>());
  const torch::Tensor limit =
      narrow ? (size * (roundings / 128.0)).add_(typical * (roundings / 256.0)).add_(1e-38)
             : (size + typical).mul_(std::ldexp(1.0, -bits)).add_(1e-38);
  const torch::Tensor finite = b.isfinite();
  if (!a.isfinite().equal(finite) || !a.isnan().equal(b.isnan())) return "not finite elsewhere";
  const torch::Tensor beyond = apart.gt(limit).logical_and(finite);
  if (beyond.any().item<bool>()) {
    const auto worst = apart.masked_fill(finite.logical_not(), 0).argmax();
    return QString("%1 for %2 (%3 numbers of %4 too far)")
        .arg(a.flatten()[worst.item<std::int64_t>()].item<double>(), 0, 'g', 9)
        .arg(b.flatten()[worst.item<std::int64_t>()].item<double>(), 0, 'g', 9)
        .arg(beyond.sum().item<std::int64_t>())
        .arg(beyond.numel());
  }
  const double others =
      made.ne(expected).logical_and(made.eq(made)).to(torch::kFloat64).mean().item<double>();
  if (narrow && made.numel() >= 100 && others > 0.02 * roundings)
    return QString("%1 of the numbers are others").arg(others);
  return {};
}

}  // namespace luthier::test

#define VERIFY_NEAR(made, expected, ...)                                                         \
  do {                                                                                           \
    const QString apart_ = luthier::test::difference(made, expected __VA_OPT__(, ) __VA_ARGS__); \
    QVERIFY2(apart_.isEmpty(), qPrintable(apart_));                                              \
  } while (false)
