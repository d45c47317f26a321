// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/nn/cpu_passes.h"

#include <algorithm>

#include "engine/device/parallel.h"

namespace luthier {

using torch::Tensor;

namespace {

/// Numbers that are worth another thread.
constexpr std::int64_t kGrain = 1 << 15;

template <class Number>
const Number* numbers(const Tensor& tensor) {
  return tensor.defined() ? static_cast<const Number*>(tensor.const_data_ptr()) : nullptr;
}
template <class Number>
Number* to_write(Tensor& tensor) {
  return tensor.defined() ? static_cast<Number*>(tensor.mutable_data_ptr()) : nullptr;
}

/// Calls `work` with a number of the tensor's type.
template <class Work>
void by_type(const Tensor& tensor, const Work& work) {
  if (tensor.scalar_type() == torch::kFloat32)
    work(float());
  else
    work(loops::Bits());
}

/// Calls `work(begin, count)` for rows of `size` numbers, in parallel.
template <class Work>
void for_rows(std::int64_t rows, std::int64_t size, const Work& work) {
  const std::int64_t grain = std::max<std::int64_t>(1, kGrain / std::max<std::int64_t>(1, size));
  for_pieces(0, rows, grain,
             [&](std::int64_t begin, std::int64_t end) { work(begin, end - begin); });
}

template <class Number>
Number* from(Number* start, std::int64_t offset) {
  return start ? start + offset : nullptr;
}

Tensor like(const Tensor& x) {
  return torch::empty(x.sizes(), x.options().requires_grad(false), torch::MemoryFormat::Contiguous);
}

}  // namespace

bool suits_loops(at::TensorList tensors) {
  const torch::ScalarType type = tensors.front().scalar_type();
  return (type == torch::kFloat32 || type == torch::kBFloat16) &&
         std::all_of(tensors.begin(), tensors.end(), [type](const Tensor& each) {
           return each.is_cpu() && each.scalar_type() == type;
         });
}

std::pair<Tensor, Tensor> rms_norm_pass(const Tensor& x, const Tensor& weight, double epsilon,
                                        bool centred) {
  const Tensor in = x.contiguous(), factors = weight.contiguous();
  Tensor y = like(in);
  auto sizes = in.sizes().vec();
  const std::int64_t size = sizes.back();
  sizes.back() = 1;
  Tensor scale = torch::empty(sizes, in.options().dtype(torch::kFloat32).requires_grad(false));
  by_type(in, [&](auto number) {
    using Number = decltype(number);
    for_rows(scale.numel(), size, [&](std::int64_t begin, std::int64_t count) {
      loops::rms_norm(numbers<Number>(in) + begin * size, numbers<Number>(factors),
                      to_write<Number>(y) + begin * size, to_write<float>(scale) + begin,
                      {count, size, static_cast<float>(epsilon), centred});
    });
  });
  return {y, scale};
}

SumNorm sum_rms_norm_pass(const Tensor& x, const Tensor& added, const Tensor& weight,
                          double epsilon, bool centred) {
  const Tensor in = x.contiguous(), more = added.contiguous(), factors = weight.contiguous();
  auto sizes = in.sizes().vec();
  const std::int64_t size = sizes.back();
  sizes.back() = 1;
  SumNorm made{like(in), like(in),
               torch::empty(sizes, in.options().dtype(torch::kFloat32).requires_grad(false))};
  by_type(in, [&](auto number) {
    using Number = decltype(number);
    for_rows(made.scale.numel(), size, [&](std::int64_t begin, std::int64_t count) {
      const std::int64_t place = begin * size;
      loops::sum_rms_norm(numbers<Number>(in) + place, numbers<Number>(more) + place,
                          numbers<Number>(factors), to_write<Number>(made.sum) + place,
                          to_write<Number>(made.y) + place, to_write<float>(made.scale) + begin,
                          {count, size, static_cast<float>(epsilon), centred});
    });
  });
  return made;
}

Tensor rms_norm_back_pass(const Tensor& x, const Tensor& weight, const Tensor& scale,
                          const Tensor& gradient, bool centred, const Tensor& passed) {
  const Tensor in = x.contiguous(), factors = weight.contiguous(), given = gradient.contiguous(),
               more = passed.defined() ? passed.contiguous() : Tensor();
  Tensor dx = like(in);
  const std::int64_t size = in.size(-1);
  by_type(in, [&](auto number) {
    using Number = decltype(number);
    for_rows(scale.numel(), size, [&](std::int64_t begin, std::int64_t count) {
      loops::rms_norm_back(numbers<Number>(in) + begin * size, numbers<Number>(factors),
                           numbers<float>(scale) + begin, numbers<Number>(given) + begin * size,
                           from(numbers<Number>(more), begin * size),
                           to_write<Number>(dx) + begin * size, {count, size, 0, centred});
    });
  });
  return dx;
}

Tensor activate_pass(const Tensor& x, const Tensor& up, loops::Curve curve) {
  const Tensor in = x.contiguous(), ups = up.defined() ? up.contiguous() : Tensor();
  Tensor y = like(in);
  by_type(in, [&](auto number) {
    using Number = decltype(number);
    for_rows(in.numel(), 1, [&](std::int64_t begin, std::int64_t count) {
      loops::activate(numbers<Number>(in) + begin, from(numbers<Number>(ups), begin),
                      to_write<Number>(y) + begin, count, curve);
    });
  });
  return y;
}

std::pair<Tensor, Tensor> activate_back_pass(const Tensor& x, const Tensor& up,
                                             const Tensor& gradient, loops::Curve curve) {
  const Tensor in = x.contiguous(), ups = up.defined() ? up.contiguous() : Tensor(),
               given = gradient.contiguous();
  Tensor dx = like(in), dup = up.defined() ? like(in) : Tensor();
  by_type(in, [&](auto number) {
    using Number = decltype(number);
    for_rows(in.numel(), 1, [&](std::int64_t begin, std::int64_t count) {
      loops::activate_back(numbers<Number>(in) + begin, from(numbers<Number>(ups), begin),
                           numbers<Number>(given) + begin, to_write<Number>(dx) + begin,
                           from(to_write<Number>(dup), begin), count, curve);
    });
  });
  return {dx, dup};
}

bool suits_turn(const Tensor& x, const Tensor& cos, const Tensor& sin) {
  return suits_loops({x, cos, sin}) && x.dim() == 3 && cos.dim() == 3 && cos.size(1) == 1 &&
         cos.size(0) == x.size(0) && sin.sizes() == cos.sizes() && cos.size(2) % 2 == 0 &&
         cos.size(2) <= std::min(x.size(2), loops::kMostTurned);
}

Tensor turn_pass(const Tensor& x, const Tensor& cos, const Tensor& sin, double sign) {
  const Tensor in = x.contiguous(), cosines = cos.contiguous(), sines = sin.contiguous();
  Tensor y = like(in);
  const std::int64_t heads = in.size(1), size = in.size(2), turned = cosines.size(2);
  by_type(in, [&](auto number) {
    using Number = decltype(number);
    for_rows(in.size(0), heads * size, [&](std::int64_t begin, std::int64_t count) {
      const std::int64_t place = begin * heads * size;
      loops::turn(numbers<Number>(in) + place, numbers<Number>(cosines) + begin * turned,
                  numbers<Number>(sines) + begin * turned, to_write<Number>(y) + place,
                  {count, heads, size, turned, static_cast<float>(sign)});
    });
  });
  return y;
}

Tensor cross_entropy_pass(const Tensor& logits, const Tensor& target, bool gradient) {
  const Tensor goals = target.contiguous();
  const std::int64_t size = logits.size(1);
  Tensor losses =
      torch::empty({logits.size(0)}, logits.options().dtype(torch::kFloat32).requires_grad(false));
  by_type(logits, [&](auto number) {
    auto* const start = static_cast<decltype(number)*>(logits.mutable_data_ptr());
    for_rows(logits.size(0), size, [&](std::int64_t begin, std::int64_t count) {
      loops::cross_entropy(start + begin * size, goals.const_data_ptr<std::int64_t>() + begin,
                           to_write<float>(losses) + begin, {count, size, gradient});
    });
  });
  return losses;
}

}  // namespace luthier
