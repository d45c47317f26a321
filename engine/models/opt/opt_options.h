// SPDX-License-Identifier: GPL-3.0-or-later
// The numbers of an OPT (Zhang et al. 2022), as transformers' OPTConfig has them, put into the one
// decoder's options.
#pragma once

#include <string>

#include "engine/models/decoder.h"

namespace luthier {

/// What read_opt_options calls its decoder, by which DecoderImpl knows it.
inline constexpr const char* kOptDecoder = "opt";

/// An Input error names `where` and the field, and so it does for what is not built: norms behind
/// the branches, words narrower than the states, norms without weights, layers that are left out at
/// random.
Result<DecoderOptions> read_opt_options(const Json& config, const std::string& where);

/// Rows of the table of positions that are nobody's; as many as a row's tokens may be lie behind
/// them (DecoderOptions::rotary.max_position_embeddings).
inline constexpr std::int64_t kOptRowsBefore = 2;

/// PyTorch's, whatever a configuration says.
inline constexpr double kOptNormEpsilon = 1e-5;

}  // namespace luthier
