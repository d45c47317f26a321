// SPDX-License-Identifier: GPL-3.0-or-later
// What this machine's processor has for bfloat16, which decides whether training in it is worth
// proposing or warned of: `auto` computes in float32 on every CPU, so that its numbers do not
// depend on the processor. No LibTorch.
#pragma once

#include <optional>

namespace luthier {

/// Instructions that multiply bfloat16 numbers and add up in float32.
enum class NarrowProducts {
  Unknown,  ///< a processor that is not asked (no x86)
  None,
  Vectors,  ///< AVX512-BF16: twice the products of float32
  Tiles     ///< AMX: sixteen times
};

/// Of this processor; asked once.
NarrowProducts narrow_products();
constexpr bool has_narrow_products(NarrowProducts products) {
  return products == NarrowProducts::Vectors || products == NarrowProducts::Tiles;
}
/// Another answer in its place, for tests; nullopt: the processor's own again.
void set_narrow_products(std::optional<NarrowProducts> products);

}  // namespace luthier
