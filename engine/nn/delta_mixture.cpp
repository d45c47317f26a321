// SPDX-License-Identifier: GPL-3.0-or-later
// Heads of rows go to the threads, all rows of a head together, so that threads have as much to do
// where rows are of unlike lengths. Gradients of what all rows share are made row by row and added
// in the rows' order.
#include "engine/nn/delta_mixture.h"

#include <algorithm>
#include <vector>

#include <torch/csrc/autograd/custom_function.h>

#include "engine/device/neighbours.h"
#include "engine/device/parallel.h"
#include "engine/nn/delta_chunks.h"
#include "engine/nn/float_loops.h"
#include "engine/nn/loop_numbers.h"

namespace luthier {

namespace {

using torch::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// Numbers of a row stand one after the other.
Tensor with_whole_rows(const Tensor& x) { return x.stride(1) == 1 ? x : x.contiguous(); }

delta::TokenRows rows_of(const Tensor& x) { return {numbers<float>(x), x.stride(0)}; }
delta::TokenRowsToWrite rows_to_write(const Tensor& x) { return {to_write<float>(x), x.stride(0)}; }

/// Places in the order in which they are shared out.
std::vector<delta::MixerPlace> places_of(const std::vector<std::int64_t>& lengths,
                                         std::int64_t heads) {
  std::vector<delta::MixerPlace> places;
  for (std::int64_t head = 0; head < heads; ++head) {
    std::int64_t first = 0;
    for (const std::int64_t length : lengths) {
      if (length > 0) places.push_back({first, length, head});
      first += length;
    }
  }
  return places;
}

/// Calls `work(place, row, scratch)` for each, `bytes` of scratch each.
template <class Work>
void for_places(const std::vector<std::int64_t>& lengths, std::int64_t heads, std::int64_t bytes,
                const Work& work) {
  const auto places = places_of(lengths, heads);
  const auto count = static_cast<std::int64_t>(places.size()), rows = count / heads;
  for_pieces(0, count, 1, [&](std::int64_t begin, std::int64_t end) {
    // LibTorch's blocks begin at multiples of 64 bytes.
    const Tensor scratch = torch::empty({bytes}, torch::kByte);
    for (std::int64_t i = begin; i < end; ++i)
      work(places[static_cast<std::size_t>(i)], i % rows, scratch.mutable_data_ptr());
  });
}

std::int64_t longest_of(const std::vector<std::int64_t>& lengths) {
  return lengths.empty() ? 0 : *std::max_element(lengths.begin(), lengths.end());
}

class MixtureFunction : public torch::autograd::Function<MixtureFunction> {
 public:
  static Tensor forward(AutogradContext* context, const Tensor& mixed, const Tensor& gate,
                        const Tensor& write, const Tensor& decay, const Tensor& taps,
                        const Tensor& bias, const Tensor& rate, const Tensor& norm,
                        const delta::MixerSizes& sizes, const std::vector<std::int64_t>& lengths) {
    const variable_list all{mixed, gate, write, decay, taps, bias, rate, norm};
    context->save_for_backward(all);
    context->saved_data["lengths"] = lengths;
    context->saved_data["sizes"] = std::vector<std::int64_t>{
        sizes.key_heads, sizes.value_heads, sizes.key_dim, sizes.value_dim, sizes.kernel};
    context->saved_data["epsilon"] = static_cast<double>(sizes.epsilon);
    return mixture(all, sizes, lengths);
  }

  static Tensor mixture(const variable_list& all, const delta::MixerSizes& sizes,
                        const std::vector<std::int64_t>& lengths) {
    Tensor result =
        torch::empty({all[0].size(0), sizes.values()}, all[0].options().requires_grad(false));
    const delta::MixerGiven given = given_of(all);
    const delta::TokenRowsToWrite to = rows_to_write(result);
    for_places(lengths, sizes.key_heads, delta::mixer_scratch(sizes, longest_of(lengths)),
               [&](const delta::MixerPlace& place, std::int64_t, void* scratch) {
                 delta::mix(sizes, given, place, to, scratch);
               });
    return result;
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto all = context->get_saved_variables();
    const auto lengths = context->saved_data["lengths"].toIntVector(),
               numbers = context->saved_data["sizes"].toIntVector();
    const delta::MixerSizes sizes{
        numbers[0], numbers[1], numbers[2],
        numbers[3], numbers[4], static_cast<float>(context->saved_data["epsilon"].toDouble())};
    const Tensor gradient = with_whole_rows(gradients[0]);
    const std::int64_t rows = std::count_if(lengths.begin(), lengths.end(),
                                            [](std::int64_t length) { return length > 0; });
    // Beside one another, as what makes them wants them: one product for all.
    const auto made = parted_beside(
        torch::empty({gradient.size(0), sizes.channels() + sizes.values() + 2 * sizes.value_heads},
                     gradient.options()),
        {gradient.size(0)},
        {sizes.channels(), sizes.values(), sizes.value_heads, sizes.value_heads});
    const auto each_row = [&](std::size_t which, at::IntArrayRef shape) {
      return context->needs_input_grad(which) ? torch::empty(shape, gradient.options()) : Tensor();
    };
    const Tensor taps = each_row(4, {rows, sizes.channels(), 1, sizes.kernel}),
                 bias = each_row(5, {rows, sizes.value_heads}),
                 rate = each_row(6, {rows, sizes.value_heads}),
                 norm = each_row(7, {rows, sizes.key_heads, sizes.value_dim});
    const delta::MixerGiven given = given_of(all);
    for_places(lengths, sizes.key_heads, delta_mixture_room(sizes, longest_of(lengths)),
               [&](const delta::MixerPlace& place, std::int64_t row, void* scratch) {
                 const auto own = [row](const Tensor& sums) {
                   return sums.defined() ? to_write<float>(sums) + row * sums.stride(0) : nullptr;
                 };
                 delta::mix_back(
                     sizes, given, place, rows_of(gradient),
                     {rows_to_write(made[0]), rows_to_write(made[1]), rows_to_write(made[2]),
                      rows_to_write(made[3]), own(taps), own(rate), own(bias), own(norm)},
                     scratch);
               });
    const auto sum = [](const Tensor& parts) { return parts.defined() ? parts.sum(0) : Tensor(); };
    return {made[0],   made[1],   made[2],   made[3],
            sum(taps), sum(bias), sum(rate), norm.defined() ? norm.flatten(0, 1).sum(0) : Tensor(),
            Tensor(),  Tensor()};
  }

 private:
  static delta::MixerGiven given_of(const variable_list& all) {
    return {rows_of(all[0]),        rows_of(all[1]),        rows_of(all[2]),
            rows_of(all[3]),        numbers<float>(all[4]), numbers<float>(all[6]),
            numbers<float>(all[5]), numbers<float>(all[7])};
  }
};

}  // namespace

bool delta_mixture_takes(const DeltaProducts& products, const DeltaWeights& weights,
                         const delta::MixerSizes& sizes) {
  const auto whole = [](const Tensor& x) {
    return x.is_cpu() && x.scalar_type() == torch::kFloat32;
  };
  for (const Tensor& each : {products.mixed, products.gate, products.write, products.decay,
                             weights.taps, weights.bias, weights.rate, weights.norm})
    if (!whole(each)) return false;
  return delta::takes_sizes(sizes.key_dim, sizes.value_dim) && floats::available();
}

Tensor delta_mixture(const DeltaProducts& products, const DeltaWeights& weights,
                     const delta::MixerSizes& sizes, const RowLayout& rows) {
  const Tensor mixed = with_whole_rows(products.mixed), gate = with_whole_rows(products.gate),
               write = with_whole_rows(products.write), decay = with_whole_rows(products.decay),
               taps = weights.taps.contiguous(), bias = weights.bias.contiguous(),
               rate = weights.rate.contiguous(), norm = weights.norm.contiguous();
  return MixtureFunction::apply(mixed, gate, write, decay, taps, bias, rate, norm, sizes,
                                rows.lengths());
}

std::int64_t delta_mixture_room(const delta::MixerSizes& sizes, std::int64_t longest) {
  return delta::mixer_back_scratch(sizes, longest);
}

}  // namespace luthier
