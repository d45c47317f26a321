// SPDX-License-Identifier: GPL-3.0-or-later
// Kernels of our own against what the same functions compute with ATen's operators on the same
// card: forward and backward, either type. A dropout's mask has no ATen to be held against: it is
// the CPU's to the bit.
#include <cmath>

#include <torch/csrc/autograd/autograd.h>

#include <ATen/CPUGeneratorImpl.h>

#include "engine/check/checks.h"
#include "engine/kernels/cross_entropy.h"
#include "engine/kernels/launcher.h"
#include "engine/nn/dropout.h"
#include "engine/nn/heads.h"
#include "engine/nn/packed_weight.h"
#include "engine/nn/rms_norm.h"
#include "engine/optim/optimizers.h"

namespace luthier {

namespace {

using Tensors = std::vector<torch::Tensor>;

/// Launches nothing, so that ATen goes on.
class NoLauncher : public Launcher {
 public:
  bool launch(const Launch&, int) override { return false; }
};

/// The device's own, counted.
class CountingLauncher : public Launcher {
 public:
  explicit CountingLauncher(Launcher& own) : own_(own) {}
  bool launch(const Launch& launch, int device) override {
    const bool done = own_.launch(launch, device);
    launched += done, refused += !done;
    return done;
  }
  int launched = 0, refused = 0;

 private:
  Launcher& own_;
};

/// All that asks for kernels on the device gets this launcher's, for as long as one stands.
class KernelsBy {
 public:
  KernelsBy(torch::Device device, Launcher& launcher)
      : type_(device.type()), before_(kernels::set_launcher(type_, &launcher)) {}
  ~KernelsBy() { kernels::set_launcher(type_, before_); }
  KernelsBy(const KernelsBy&) = delete;
  KernelsBy& operator=(const KernelsBy&) = delete;

 private:
  c10::DeviceType type_;
  Launcher* before_;
};

/// Draws on the host, the same each time.
class SeededDraws {
 public:
  explicit SeededDraws(torch::TensorOptions tensors) : tensors_(tensors) {}
  torch::Tensor operator()(c10::IntArrayRef size) {
    return torch::empty(size, torch::kFloat32)
        .normal_(0, 1, generator_)
        .to(tensors_.device(), c10::typeMetaToScalarType(tensors_.dtype()));
  }
  torch::Tensor learned(c10::IntArrayRef size) { return (*this)(size).requires_grad_(true); }
  const torch::TensorOptions& tensors() const { return tensors_; }

 private:
  torch::TensorOptions tensors_;
  at::Generator generator_ = at::make_generator<at::CPUGeneratorImpl>(std::uint64_t{17});
};

/// The results, and the leaves' gradients under drawn ones of the results.
Tensors with_gradients(SeededDraws& draw, Tensors made, const Tensors& leaves) {
  Tensors gradients;
  for (const torch::Tensor& each : made) gradients.push_back(draw(each.sizes()));
  torch::autograd::backward(made, gradients);
  for (const torch::Tensor& leaf : leaves) made.push_back(leaf.grad());
  return made;
}

Tensors of_norm(SeededDraws& draw) {
  const Tensors leaves{draw.learned({67, 2052}), draw.learned({2052})};
  return with_gradients(draw, {rms_norm(leaves[0], leaves[1], 1e-6, false)}, leaves);
}

Tensors of_sum_and_norm(SeededDraws& draw) {
  const Tensors leaves{draw.learned({67, 1024}), draw.learned({67, 1024}), draw.learned({1024})};
  const auto [sum, normed] = sum_and_rms_norm(leaves[0], leaves[1], leaves[2], 1e-6, true);
  return with_gradients(draw, {sum, normed}, leaves);
}

Tensors of_heads(SeededDraws& draw) {
  constexpr std::int64_t kTokens = 33, kHead = 128;
  const auto type = c10::typeMetaToScalarType(draw.tensors().dtype());
  const torch::Tensor angles = torch::arange(kTokens, torch::kFloat32).unsqueeze(1) *
                               torch::linspace(1, 0.01, kHead / 2, torch::kFloat32).unsqueeze(0);
  const RotaryTable table = rotary_table(angles.to(draw.tensors().device()), type);
  RmsNorm query(kHead, 1e-6, draw.tensors(), false), key(kHead, 1e-6, draw.tensors(), false);
  {
    const torch::NoGradGuard no_grad;
    query->weight.copy_(draw({kHead})), key->weight.copy_(draw({kHead}));
  }
  query->weight.requires_grad_(true), key->weight.requires_grad_(true);
  const Tensors leaves{draw.learned({kTokens, 8, kHead}), draw.learned({kTokens, 2, kHead}),
                       query->weight, key->weight};
  const auto [turned_query, turned_key] =
      normed_and_turned(leaves[0], leaves[1], query, key, table);
  return with_gradients(draw, {turned_query, turned_key}, leaves);
}

Tensors of_gates(SeededDraws& draw) {
  Tensors all;
  for (const Activation activation :
       {Activation::Silu, Activation::GeluTanh, Activation::Gelu, Activation::QuickGelu}) {
    const Tensors leaves{draw.learned({61, 3000}), draw.learned({61, 3000})};
    for (const torch::Tensor& each :
         with_gradients(draw, {gated(leaves[0], leaves[1], activation)}, leaves))
      all.push_back(each);
  }
  return all;
}

/// The losses of rows and their gradient; the last row counts nothing.
Tensors of_entropy(SeededDraws& draw) {
  constexpr std::int64_t kRows = 9, kWords = 30001;
  const torch::Tensor logits = draw({kRows, kWords}).mul_(4);
  torch::Tensor target = torch::arange(kRows, torch::kInt64).mul_(3001);
  target[kRows - 1] = -100;
  target = target.to(logits.device());
  const torch::Tensor places = logits.clone();
  if (const auto losses = kernels::cross_entropy_(places, target, true)) return {*losses, places};
  const torch::Tensor wide = logits.to(torch::kFloat32).requires_grad_(true);
  const torch::Tensor losses = at::cross_entropy_loss(wide, target, {}, at::Reduction::None, -100);
  losses.sum().backward();
  return {losses.detach(), wide.grad().to(logits.scalar_type())};
}

/// Steps over tensors of this type, whose masters and moments are float32. `sums`: their gradients
/// too, as those of several micro-batches.
Tensors adamw_steps(SeededDraws& draw, bool sums) {
  std::vector<TrainedTensor> trained;
  for (const std::int64_t size : {64, 33, 70000}) {
    TrainedTensor one;
    one.name = "w" + std::to_string(size);
    one.tensor = draw.learned({size});
    one.decay = size != 33;
    trained.push_back(std::move(one));
  }
  Recipe recipe;
  recipe.training.optim = "adamw_torch";
  recipe.training.weight_decay = 0.1;
  const auto optimizer = make_optimizer(trained, recipe);
  for (int step = 0; step < 3; ++step) {
    for (TrainedTensor& each : trained) {
      const torch::Tensor gradient = draw(each.tensor.sizes()).mul_(0.1);
      each.tensor.mutable_grad() = sums ? gradient.to(torch::kFloat32) : gradient;
    }
    optimizer->step(1e-2);
  }
  Tensors made;
  for (const TrainedTensor& each : trained) made.push_back(each.tensor.detach());
  for (const auto& [name, tensor] : optimizer->state())
    if (tensor.is_floating_point()) made.push_back(tensor);
  return made;
}

Tensors of_adamw(SeededDraws& draw) { return adamw_steps(draw, false); }
Tensors of_adamw_of_sums(SeededDraws& draw) { return adamw_steps(draw, true); }

/// Packed as these settings say, then to numbers: all of them, and rows out of the middle.
Tensors of_packed(SeededDraws& draw, const Json& settings) {
  const auto type = c10::typeMetaToScalarType(draw.tensors().dtype());
  const torch::Tensor numbers = draw({29, 157}).to(torch::kCPU);
  const WeightKind* kind = find_weight_kind(settings, "gpu-check").take();
  const PackedPointer weight = weight_packing(*kind)
                                   ->pack(numbers, settings, "gpu-check")
                                   .take()
                                   ->to(draw.tensors().device());
  return {weight->dense_rows(0, weight->rows(), type), weight->dense_rows(3, 8, type)};
}

/// NF4 and FP4, their scales plain and packed.
Tensors of_four_bits(SeededDraws& draw) {
  Tensors all;
  for (const char* kind : {"nf4", "fp4"}) {
    for (const bool twice : {false, true}) {
      const Json settings{{"load_in_4bit", true},
                          {"bnb_4bit_quant_type", kind},
                          {"bnb_4bit_use_double_quant", twice}};
      for (const torch::Tensor& each : of_packed(draw, settings)) all.push_back(each);
    }
  }
  return all;
}
Tensors of_eight_bits(SeededDraws& draw) { return of_packed(draw, {{"load_in_8bit", true}}); }

struct KernelCase {
  const char* name;
  Tensors (*make)(SeededDraws& draw);
};
constexpr KernelCase kKernelCases[] = {
    {"RMSNorm", of_norm},
    {"sum and RMSNorm", of_sum_and_norm},
    {"heads' norms and turns", of_heads},
    {"gates", of_gates},
    {"cross-entropy", of_entropy},
    {"AdamW", of_adamw},
    {"AdamW of float32 sums", of_adamw_of_sums},
    {"packed weights, four bits", of_four_bits},
    {"packed weights, eight bits", of_eight_bits},
};

/// Of what two orders of a sum, and roundings that follow one another, may come to: 128 of float32's
/// last bits, 4 of bfloat16's, of a number's own size or its tensor's root mean square.
double share_of_rounding(const torch::Tensor& made, const torch::Tensor& expected) {
  constexpr double kAll = std::numeric_limits<double>::infinity();
  if (made.sizes() != expected.sizes() || made.scalar_type() != expected.scalar_type()) return kAll;
  const double allowed =
      made.scalar_type() == torch::kBFloat16 ? std::ldexp(4.0, -8) : std::ldexp(128.0, -23);
  const torch::Tensor a = made.detach().to(torch::kCPU).to(torch::kFloat64),
                      b = expected.detach().to(torch::kCPU).to(torch::kFloat64);
  const torch::Tensor size = b.abs() + b.square().mean().sqrt();
  const double share = ((a - b).abs() / size.mul_(allowed).add_(1e-38)).max().item<double>();
  return std::isfinite(share) ? share : kAll;
}

Found no_kernels() { return Found::skip("no kernels of our own run on this device"); }

Found launched(const CountingLauncher& counting, double share) {
  Found found;
  found.good = counting.launched > 0 && counting.refused == 0 && share <= 1;
  found.detail = std::to_string(counting.launched) + " launches";
  if (counting.refused > 0) found.detail += ", " + std::to_string(counting.refused) + " refused";
  if (counting.launched == 0) found.detail += ": ATen went on in their place";
  char text[64];
  std::snprintf(text, sizeof text, "; the farthest number at %.0f %% of what is allowed",
                share * 100);
  found.detail += text;
  found.figures = {{"launches", counting.launched}, {"refused", counting.refused}};
  if (std::isfinite(share)) found.figures["share"] = share;
  return found;
}

Result<Found> check_kernel(const CheckedCard& card, const KernelCase& which,
                           torch::ScalarType type) {
  if (type == torch::kBFloat16 && !card.bfloat16) return Found::skip("the card has no bfloat16");
  Launcher* own = kernels::launcher_for(card.device.type());
  if (!own) return no_kernels();
  const auto tensors = torch::TensorOptions().device(card.device).dtype(type);
  CountingLauncher counting(*own);
  NoLauncher none;
  Tensors made, expected;
  {
    const KernelsBy by(card.device, counting);
    SeededDraws draw(tensors);
    made = which.make(draw);
  }
  {
    const KernelsBy by(card.device, none);
    SeededDraws draw(tensors);
    expected = which.make(draw);
  }
  double share = made.size() == expected.size() ? 0 : std::numeric_limits<double>::infinity();
  for (std::size_t i = 0; i < made.size() && i < expected.size(); ++i)
    share = std::max(share, share_of_rounding(made[i], expected[i]));
  return launched(counting, share);
}

Result<Found> check_mask(const CheckedCard& card, torch::ScalarType type) {
  if (type == torch::kBFloat16 && !card.bfloat16) return Found::skip("the card has no bfloat16");
  Launcher* own = kernels::launcher_for(card.device.type());
  if (!own) return no_kernels();
  CountingLauncher counting(*own);
  const KernelsBy by(card.device, counting);
  SeededDraws draw(torch::TensorOptions().device(torch::kCPU).dtype(type));
  const torch::Tensor x = draw({70001});
  bool same = true;
  for (const double p : {0.05, 0.5}) {
    const torch::Tensor there = dropped_out(x.to(card.device), p, 0xfedcba9876543210ull);
    same = same && at::equal(there.to(torch::kCPU), dropped_out(x, p, 0xfedcba9876543210ull));
  }
  Found found = launched(counting, same ? 0 : std::numeric_limits<double>::infinity());
  found.detail = std::to_string(counting.launched) + " launches; the mask is " +
                 (same ? "the CPU's to the bit" : "another than the CPU's");
  return found;
}

}  // namespace

std::vector<Check> kernel_checks(const CheckedCard& card) {
  std::vector<Check> checks;
  for (const auto type : {torch::kFloat32, torch::kBFloat16}) {
    const std::string name = type == torch::kFloat32 ? ", float32" : ", bfloat16";
    for (const KernelCase& which : kKernelCases)
      checks.push_back(
          {which.name + name, [&card, &which, type] { return check_kernel(card, which, type); }});
    checks.push_back({"dropout's mask" + name, [&card, type] { return check_mask(card, type); }});
  }
  return checks;
}

}  // namespace luthier
