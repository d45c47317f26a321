// SPDX-License-Identifier: GPL-3.0-or-later
// LoftQ's start (Li et al. 2023), as PEFT 0.21 makes it: the weight is packed and made dense again,
// and the pair begins with the largest singular values of what that left out, the two in turn. PEFT
// puts the packed numbers into the base; here they stand beside it (LoraVariant::stand_in), so that
// without the adapter the base is the base. The pair is not divided by its scale, so that it makes
// up for the packing only where that is 1: PEFT's, too.
#pragma once

#include "engine/config/kinds/start_rules.h"
#include "engine/methods/method.h"
#include "engine/nn/weight.h"

namespace luthier {

struct LoftqStart {
  Weight weight;       ///< what stands in the place of the base's
  torch::Tensor a, b;  // [r, in], [out, r], float32, on the CPU; undefined where not asked for
};

/// Fine where the weight has numbers that can be packed.
Status check_loftq(const Weight& weight, const std::string& module);

/// The start of a weight that check_loftq let pass, as adapter.loftq_bits and adapter.loftq_iter
/// say. The pair's own decomposition is left out where it is read from a file.
LoftqStart loftq_start(const Weight& weight, const AdapterSettings& settings, std::int64_t rank,
                       bool with_pair);

}  // namespace luthier
