// SPDX-License-Identifier: GPL-3.0-or-later
// The numbers of a BART (Lewis et al. 2020) or mBART (Liu et al. 2020), as transformers' BartConfig
// and MBartConfig have them.
#pragma once

#include <cstdint>
#include <string>

#include "engine/base/result.h"
#include "engine/data/processor.h"
#include "engine/io/json.h"
#include "engine/nn/layers.h"

namespace luthier::bart {

/// Of one of the two stacks.
struct StackSizes {
  std::int64_t layers = 12, heads = 16, wide = 4096;
};

struct Options {
  std::int64_t vocab_size = 50265, d_model = 1024;
  std::int64_t max_position_embeddings = 1024;  ///< of either text
  StackSizes encoder, decoder;
  double init_std = 0.02;
  Activation activation = Activation::Gelu;
  bool scale_embedding = false;  ///< words come into the stacks by √d_model
  bool pre_norm = false;         ///< mBART: norms before the branches, and one behind each stack
  TokenId start = 2;             ///< what written rows begin with
  TokenId padding = 1;           ///< the row of the table that learns nothing by being looked up
};

/// An Input error names `where` and the field.
Result<Options> read_options(const Json& config, const std::string& where);

}  // namespace luthier::bart
