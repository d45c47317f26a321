// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/nn/cpu_passes.h"

#include <algorithm>

#include "engine/device/neighbours.h"
#include "engine/device/parallel.h"
#include "engine/nn/loop_numbers.h"

namespace luthier {

using torch::Tensor;

namespace {

/// Numbers that are worth another thread.
constexpr std::int64_t kGrain = 1 << 15;

/// Calls `work(begin, count)` for rows of `size` numbers, in parallel.
template <class Work>
void for_rows(std::int64_t rows, std::int64_t size, const Work& work) {
  const std::int64_t grain = std::max<std::int64_t>(1, kGrain / std::max<std::int64_t>(1, size));
  for_pieces(0, rows, grain,
             [&](std::int64_t begin, std::int64_t end) { work(begin, end - begin); });
}

Tensor like(const Tensor& x) {
  return torch::empty(x.sizes(), x.options().requires_grad(false), torch::MemoryFormat::Contiguous);
}

using Tensors = std::initializer_list<const Tensor*>;

std::int64_t most_pieces(Tensors tensors, std::int64_t unit) {
  std::int64_t most = 1;
  for (const Tensor* each : tensors) {
    if (!each->defined() || each->numel() == 0) continue;
    const auto pieces = pieces_of(*each);
    if (pieces && pieces->length % unit == 0) most = std::max(most, pieces->count);
  }
  return most;
}

/// Into how many rows these, of one shape, are taken apart, so that each row's numbers stand
/// together and are whole runs of `unit`: 1 where all are contiguous. Where to write decides; what
/// is read and lies otherwise is copied.
std::int64_t common_rows(Tensors read, Tensors written, std::int64_t unit) {
  const std::int64_t rows = most_pieces(written, unit);
  return rows > 1 ? rows : most_pieces(read, unit);
}

/// Rows that a loop reads.
class Read {
 public:
  Read(const Tensor& given, std::int64_t rows) {
    if (!given.defined()) return;
    const auto own = row_step(given, rows);
    tensor_ = own ? given : given.contiguous();
    step_ = own ? *own : given.numel() / rows;
  }
  std::int64_t step() const { return step_; }
  template <class Number>
  const Number* at(std::int64_t row, std::int64_t offset = 0) const {
    return tensor_.defined() ? numbers<Number>(tensor_) + row * step_ + offset : nullptr;
  }

 private:
  Tensor tensor_;
  std::int64_t step_ = 0;
};

/// Rows that it writes.
class Written {
 public:
  Written(const Tensor& given, std::int64_t rows) : tensor_(given) {
    if (!given.defined()) return;
    const auto own = row_step(given, rows);
    TORCH_CHECK(own, "a result does not lie in rows");
    step_ = *own;
  }
  std::int64_t step() const { return step_; }
  template <class Number>
  Number* at(std::int64_t row, std::int64_t offset = 0) {
    return tensor_.defined() ? to_write<Number>(tensor_) + row * step_ + offset : nullptr;
  }

 private:
  Tensor tensor_;
  std::int64_t step_ = 0;
};

/// Calls `work(row, first, count)` for so many units of `size` numbers in each of so many rows, in
/// parallel: all of a row, or, of a single row, a part of it.
template <class Work>
void for_units(std::int64_t rows, std::int64_t units, std::int64_t size, const Work& work) {
  if (rows == 1) {
    for_rows(units, size, [&](std::int64_t begin, std::int64_t count) { work(0, begin, count); });
    return;
  }
  for_rows(rows, units * size, [&](std::int64_t begin, std::int64_t count) {
    for (std::int64_t row = begin; row < begin + count; ++row) work(row, 0, units);
  });
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
  const std::int64_t size = x.size(-1), rows = common_rows({&x}, {}, size);
  const Read in(x, rows);
  const Tensor factors = weight.contiguous();
  Tensor y = like(x);
  auto sizes = x.sizes().vec();
  sizes.back() = 1;
  Tensor scale = torch::empty(sizes, x.options().dtype(torch::kFloat32).requires_grad(false));
  const std::int64_t norms = scale.numel() / rows;  // of a row
  by_type(x, [&](auto number) {
    using Number = decltype(number);
    for_units(rows, norms, size, [&](std::int64_t row, std::int64_t first, std::int64_t count) {
      const std::int64_t place = row * norms + first;
      loops::rms_norm(in.at<Number>(row, first * size), numbers<Number>(factors),
                      to_write<Number>(y) + place * size, to_write<float>(scale) + place,
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
                          const Tensor& gradient, bool centred, const Tensor& into,
                          const Tensor& passed) {
  Tensor dx = into.defined() ? into : like(x);
  const std::int64_t size = x.size(-1), rows = common_rows({&x, &gradient}, {&dx}, size);
  const Read in(x, rows), given(gradient, rows), more(passed, rows);
  Written out(dx, rows);
  const Tensor factors = weight.contiguous();
  const std::int64_t norms = scale.numel() / rows;
  by_type(x, [&](auto number) {
    using Number = decltype(number);
    for_units(rows, norms, size, [&](std::int64_t row, std::int64_t first, std::int64_t count) {
      const std::int64_t place = first * size;
      loops::rms_norm_back(in.at<Number>(row, place), numbers<Number>(factors),
                           numbers<float>(scale) + row * norms + first,
                           given.at<Number>(row, place), more.at<Number>(row, place),
                           out.at<Number>(row, place), {count, size, 0, centred});
    });
  });
  return dx;
}

Tensor activate_pass(const Tensor& x, const Tensor& up, loops::Curve curve) {
  const std::int64_t rows = common_rows({&x, &up}, {}, 1);
  const Read in(x, rows), ups(up, rows);
  Tensor y = like(x);
  Written out(y, rows);
  by_type(x, [&](auto number) {
    using Number = decltype(number);
    for_units(rows, x.numel() / rows, 1,
              [&](std::int64_t row, std::int64_t first, std::int64_t count) {
                loops::activate(in.at<Number>(row, first), ups.at<Number>(row, first),
                                out.at<Number>(row, first), count, curve);
              });
  });
  return y;
}

std::pair<Tensor, Tensor> activate_back_pass(const Tensor& x, const Tensor& up,
                                             const Tensor& gradient, loops::Curve curve) {
  std::pair<Tensor, Tensor> made =
      up.defined() ? empty_pair(x, up, rows_beside(up, x)) : std::pair(like(x), Tensor());
  const std::int64_t rows = common_rows({&x, &up, &gradient}, {&made.first, &made.second}, 1);
  const Read in(x, rows), ups(up, rows), given(gradient, rows);
  Written dx(made.first, rows), dup(made.second, rows);
  by_type(x, [&](auto number) {
    using Number = decltype(number);
    for_units(rows, x.numel() / rows, 1,
              [&](std::int64_t row, std::int64_t first, std::int64_t count) {
                loops::activate_back(in.at<Number>(row, first), ups.at<Number>(row, first),
                                     given.at<Number>(row, first), dx.at<Number>(row, first),
                                     dup.at<Number>(row, first), count, curve);
              });
  });
  return made;
}

bool suits_turn(const Tensor& x, const Tensor& cos, const Tensor& sin) {
  return suits_loops({x, cos, sin}) && x.dim() == 3 && cos.dim() == 3 && cos.size(1) == 1 &&
         cos.size(0) == x.size(0) && sin.sizes() == cos.sizes() && cos.size(2) % 2 == 0 &&
         cos.size(2) <= std::min(x.size(2), loops::kMostTurned);
}

Tensor turn_pass(const Tensor& x, const Tensor& cos, const Tensor& sin, double sign,
                 const Tensor& into) {
  const std::int64_t tokens = x.size(0), heads = x.size(1), size = x.size(2), turned = cos.size(2);
  const Tensor cosines = cos.contiguous(), sines = sin.contiguous();
  Tensor y = into.defined() ? into : like(x);
  if (y.numel() == 0) return y;
  const Read in(x, tokens);
  Written out(y, tokens);
  by_type(x, [&](auto number) {
    using Number = decltype(number);
    for_rows(tokens, heads * size, [&](std::int64_t begin, std::int64_t count) {
      loops::turn(in.at<Number>(begin), numbers<Number>(cosines) + begin * turned,
                  numbers<Number>(sines) + begin * turned, out.at<Number>(begin),
                  {count, heads, size, turned, in.step(), out.step(), static_cast<float>(sign)});
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
