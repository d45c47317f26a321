// SPDX-License-Identifier: GPL-3.0-or-later
// A checkpoint's model alone, for who brings tensors instead of texts and pictures.
#pragma once

#include "engine/models/loaded_model.h"

namespace luthier {

/// What fills texts up by config.json: its pad_token_id, else its text_config's, else 0.
TokenId padding_by_config(const Json& config);

/// load_model() of a folder that may lack tokenizer and picture processor: `processor` is null, and
/// nothing is known of how it answers. Where a text's end is looked for by its padding, that is
/// padding_by_config().
Result<LoadedModel> load_without_processor(const std::filesystem::path& folder,
                                           const LoadOptions& options = {});

}  // namespace luthier
