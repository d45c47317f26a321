// SPDX-License-Identifier: GPL-3.0-or-later
// A small Llama 3.2 Vision for the tests of its arithmetic and of its memory.
#pragma once

#include "engine/models/family.h"

namespace luthier::test {

constexpr TokenId kMark = 40;  // one past the vocabulary

inline const Json kMllamaConfig = {{"model_type", "mllama"},
                                   {"image_token_index", kMark},
                                   {"text_config",
                                    {{"vocab_size", 40},
                                     {"hidden_size", 16},
                                     {"intermediate_size", 24},
                                     {"num_hidden_layers", 4},
                                     {"num_attention_heads", 4},
                                     {"num_key_value_heads", 2},
                                     {"cross_attention_layers", {1, 3, 9}}}},
                                   {"vision_config",
                                    {{"hidden_size", 8},
                                     {"intermediate_size", 12},
                                     {"num_hidden_layers", 2},
                                     {"num_global_layers", 1},
                                     {"attention_heads", 2},
                                     {"image_size", 8},
                                     {"patch_size", 4},
                                     {"intermediate_layers_indices", {-1, 0}},
                                     {"vision_output_dim", 24}}}};

}  // namespace luthier::test
