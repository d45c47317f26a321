// SPDX-License-Identifier: GPL-3.0-or-later
// Starts of A and B other than LoRA's own, as PEFT 0.21 makes them: PiSSA (Meng et al. 2024) takes
// a weight's largest singular values, OLoRA (Büyükakyüz 2024) the first columns of its QR; both
// take out of the weight what they put into the pair. An orthogonal start draws a pair whose
// product is zero though neither half is. MiCA (2026) puts the directions of the smallest singular
// values into B, which stays as it is.
#pragma once

#include <string>

#include "engine/base/result.h"
#include "engine/config/kinds/start_rules.h"
#include "engine/methods/lora_variants.h"

namespace luthier {

/// Why a pair of this rank cannot start so on a weight [rows, columns]; fine: it can.
Status check_start(const std::string& start, const std::string& module, std::int64_t rank,
                   std::int64_t rows, std::int64_t columns);

/// What decides the draws of a module's approximation (pissa_niter_N), so that they are the same
/// whenever its folder is read.
std::uint64_t start_seed(const std::string& module);

/// What such a start takes, on the CPU: scale · b · a is that part of the weight. `seed`:
/// start_seed of its module.
LoraVariant::Taken taken_from(const Weight& weight, const std::string& start, std::int64_t rank,
                              double scale, std::uint64_t seed);

/// The left singular vectors of the `rank` smallest singular values of weight [out, in]: [out, r],
/// float32 on the CPU.
torch::Tensor smallest_directions(const torch::Tensor& weight, std::int64_t rank);

/// A [r, in] and B [out, r] of an orthogonal start.
void draw_orthogonal(torch::Tensor& a, torch::Tensor& b, at::Generator& generator);

}  // namespace luthier
