// SPDX-License-Identifier: GPL-3.0-or-later
// BLIP-2 that finds texts for pictures (Blip2ForImageTextRetrieval of transformers 5.17), and its
// first stage of pretraining (Li et al. 2023): a picture's queries and a text go through the
// Q-Former by themselves, together, or the text is written behind the queries. What the class lacks
// for that stage, a head of words and the temperature, a folder has where its config.json says
// `pretraining_head`; the names are the authors'.
#pragma once

#include <memory>
#include <string>

#include "engine/models/blip2/bridge.h"
#include "engine/models/model.h"

namespace luthier {

struct Blip2RetrievalOptions {
  BridgeOptions bridge;
  std::int64_t image_text_hidden_size = 256;
  double logit_scale = 2.6592600369;  ///< ln of what likenesses are multiplied with where no
                                      ///< temperature learns: ln(1 / 0.07)
  TokenId decoder_start = -1;         ///< [DEC], which a text that is written begins with
  bool pretraining_head = false;
  double initializer_range = 0.02;
};

/// Whether config.json's `architectures` names the class.
bool is_blip2_retrieval(const Json& config);
/// An Input error names `where` and the field.
Result<Blip2RetrievalOptions> read_blip2_retrieval_options(const Json& config,
                                                           const std::string& where);
std::shared_ptr<Model> make_blip2_retriever(const Blip2RetrievalOptions& options,
                                            const torch::TensorOptions& tensors);

}  // namespace luthier
