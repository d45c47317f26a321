// SPDX-License-Identifier: GPL-3.0-or-later
#include <cmath>

#include "engine/models/blip2/blip2_retriever.h"
#include "engine/models/config_numbers.h"
#include "engine/models/tower_model.h"

namespace luthier {

bool is_blip2_retrieval(const Json& config) {
  const auto list = config.find("architectures");
  return list != config.end() && list->is_array() && list->size() == 1 &&
         list->front() == "Blip2ForImageTextRetrieval";
}

Result<Blip2RetrievalOptions> read_blip2_retrieval_options(const Json& config,
                                                           const std::string& where) {
  Blip2RetrievalOptions o;
  LUTHIER_TRY(o.bridge, read_bridge_options(config, where, /*instructed=*/false));
  const QFormerOptions& qformer = o.bridge.qformer;
  const std::string part = where + ": qformer_config";
  if (!qformer.reads_text)
    return input_error("The Q-Former reads no text, and Blip2ForImageTextRetrieval finds texts.",
                       part + ": use_qformer_text_input", "It must be true.");
  LUTHIER_CHECK(
      read_in_range(config, "image_text_hidden_size", where, 1, 1 << 20, o.image_text_hidden_size));
  LUTHIER_TRY(o.logit_scale, json_number(config, "logit_scale_init_value", where, o.logit_scale));
  if (!(std::abs(o.logit_scale) <= 20))
    return input_error("The logarithm of a scale must be between -20 and 20.",
                       where + ": logit_scale_init_value");
  LUTHIER_TRY(const Json section, config_section(config, "qformer_config", where));
  o.decoder_start = qformer.vocab_size - 1;  // the authors add it behind BERT's words
  LUTHIER_CHECK(
      read_in_range(section, "bos_token_id", part, 0, qformer.vocab_size - 1, o.decoder_start));
  LUTHIER_TRY(o.pretraining_head, json_bool(config, "pretraining_head", where, false));
  LUTHIER_TRY(o.initializer_range, json_number(config, "initializer_range", where, 0.02));
  return o;
}

}  // namespace luthier
