// SPDX-License-Identifier: GPL-3.0-or-later
// What text configs say of a token's place where layers do not all take it alike: which of them
// slide or know no positions, and by which positions queries grow.
#pragma once

#include <string>
#include <vector>

#include "engine/models/decoder.h"

namespace luthier {

/// Whether each layer slides as layer_types lists them; empty: it lists none.
Result<std::vector<bool>> read_listed_windows(const Json& config, const std::string& where,
                                              std::int64_t layers);

/// SmolLM3's layers that leave queries and keys as they are (no_rope_layers holds a 0 for them, or
/// every n-th is one), and their windows: those that layer_types names, else these layers' where
/// use_sliding_window says so.
Status read_unturned(const Json& config, const std::string& where, DecoderOptions& options);

/// Cohere 2's windows, and its layers of full attention, which leave queries and keys as they are:
/// as layer_types lists them, else every n-th.
Status read_turning_windows(const Json& config, const std::string& where, DecoderOptions& options);

/// Ministral 3's positions, and by them the growth of its queries. Without rope_parameters it has
/// those of its configuration class.
Status read_scaled_queries(const Json& config, const std::string& where,
                           const RotaryDefaults& defaults, DecoderOptions& options);

}  // namespace luthier
