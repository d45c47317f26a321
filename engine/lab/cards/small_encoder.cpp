// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/lab/cards/small_encoder.h"

namespace luthier {

WordTokenizer encoder_words() {
  return {{"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"},
          {},
          {{"pad_token", "[PAD]"},
           {"unk_token", "[UNK]"},
           {"cls_token", "[CLS]"},
           {"sep_token", "[SEP]"},
           {"mask_token", "[MASK]"}},
          {"[CLS]"},
          {"[SEP]"},
          64};
}

Json small_encoder(const WordTokenizer& words) {
  return {{"architectures", {"BertForMaskedLM"}},
          {"model_type", "bert"},
          {"dtype", "float32"},
          {"vocab_size", words.size()},
          {"hidden_size", 96},
          {"intermediate_size", 256},
          {"num_hidden_layers", 3},
          {"num_attention_heads", 4},
          {"max_position_embeddings", words.longest},
          {"type_vocab_size", 2},
          {"hidden_act", "gelu"},
          {"layer_norm_eps", 1e-12},
          {"initializer_range", 0.05},
          {"hidden_dropout_prob", 0.0},
          {"attention_probs_dropout_prob", 0.0},
          {"pad_token_id", words.id("[PAD]")}};
}

}  // namespace luthier
