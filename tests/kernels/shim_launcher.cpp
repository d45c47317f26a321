// SPDX-License-Identifier: GPL-3.0-or-later
// CUDA's words as C++ has them, then the sources as they are.
#include "tests/kernels/shim_launcher.h"

#include <bit>
#include <cmath>
#include <cstdint>
#include <mutex>
#include <stdexcept>
#include <tuple>
#include <type_traits>
#include <utility>

#define __global__
#define __device__
#define __shared__ static
#define __launch_bounds__(most)
#define threadIdx luthier::shim::places.thread
#define blockIdx luthier::shim::places.block
#define blockDim luthier::shim::places.block_size
#define gridDim luthier::shim::places.grid_size

namespace {

inline void __syncthreads() { luthier::shim::meet_block(); }
inline float __shfl_xor_sync(unsigned, float value, int mask) {
  return luthier::shim::exchange(value, mask);
}
inline float __uint_as_float(unsigned bits) { return std::bit_cast<float>(bits); }
inline unsigned __float_as_uint(float x) { return std::bit_cast<unsigned>(x); }
inline float rsqrtf(float x) { return 1 / std::sqrt(x); }

}  // namespace

#include "engine/kernels/source/adamw.cu"
#include "engine/kernels/source/cross_entropy.cu"
#include "engine/kernels/source/dropout.cu"
#include "engine/kernels/source/gated.cu"
#include "engine/kernels/source/heads.cu"
#include "engine/kernels/source/packed.cu"
#include "engine/kernels/source/rms_norm.cu"

namespace luthier::shim {

namespace {

using Reach = std::function<void*(void*)>;

template <class T>
T* reached(T* address, const Reach& reach) {
  return address ? static_cast<T*>(reach(const_cast<std::remove_const_t<T>*>(address))) : nullptr;
}
AdamwList reached(AdamwList list, const Reach& reach) {
  for (AdamwTensor& one : list.tensors) {
    one.parameter = reached(one.parameter, reach);
    one.gradient = reached(one.gradient, reach);
    one.first = reached(one.first, reach), one.second = reached(one.second, reach);
    one.rounded = reached(one.rounded, reach);
  }
  return list;
}
template <class T>
requires(!std::is_pointer_v<T>) T reached(T value, const Reach&) { return value; }

/// A kernel with its arguments read as the types that it declares.
struct Entry {
  std::function<std::function<void()>(void* const*, const Reach&)> bound;
  bool meets = true;
};

template <class... Arguments, std::size_t... places>
Entry entry_of(void (*kernel)(Arguments...), bool meets, std::index_sequence<places...>) {
  return {[kernel](void* const* given, const Reach& reach) -> std::function<void()> {
            const auto arguments = std::make_tuple(
                reached(*static_cast<std::remove_const_t<Arguments>*>(given[places]), reach)...);
            return [kernel, arguments] { std::apply(kernel, arguments); };
          },
          meets};
}
template <class... Arguments>
Entry entry_of(void (*kernel)(Arguments...), bool meets) {
  return entry_of(kernel, meets, std::index_sequence_for<Arguments...>());
}

#define MEETING(name)                                  \
  {#name "_float", entry_of(name##_float, true)}, {    \
#name "_bfloat16", entry_of(name##_bfloat16, true) \
  }
#define APART(name)                                     \
  {#name "_float", entry_of(name##_float, false)}, {    \
#name "_bfloat16", entry_of(name##_bfloat16, false) \
  }

const std::map<std::string, Entry>& table() {
  static const std::map<std::string, Entry> all{
      MEETING(rms_norm_forward),
      MEETING(rms_norm_backward),
      MEETING(rms_norm_weight_shares),
      APART(rms_norm_weight_total),
      MEETING(heads_forward),
      MEETING(heads_backward),
      APART(gated_forward),
      APART(gated_backward),
      MEETING(cross_entropy),
      APART(adamw),
      {"adamw_float_bfloat16", entry_of(adamw_float_bfloat16, false)},
      APART(dropout_float),
      APART(dropout_bfloat16),
      APART(expand_four_bits),
      APART(expand_eight_bits)};
  return all;
}

std::mutex one_grid;

}  // namespace

bool ShimLauncher::launch(const Launch& asked, int) {
  const std::lock_guard lock(one_grid);
  const auto found = table().find(asked.kernel.entry);
  if (found == table().end())
    throw std::logic_error(std::string("no source has the entry ") + asked.kernel.entry);
  if (fails && fails(asked)) return false;
  ++launches[asked.kernel.entry];
  if (instead && instead(asked)) return true;
  const std::function<void()> body = found->second.bound(asked.arguments, reach);
  run({asked.columns, asked.rows, asked.threads}, found->second.meets, order, body);
  return true;
}

std::set<std::string> entries() {
  std::set<std::string> names;
  for (const auto& [name, entry] : table()) names.insert(name);
  return names;
}

}  // namespace luthier::shim
