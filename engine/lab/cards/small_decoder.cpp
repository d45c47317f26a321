// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/lab/cards/small_decoder.h"

namespace luthier {

Status write_small_decoder(const CardDraft& draft, const std::vector<std::string>& last) {
  const WordTokenizer words{
      {"<pad>", "<s>", "</s>", "<unk>"},
      last,
      {{"pad_token", "<pad>"}, {"bos_token", "<s>"}, {"eos_token", "</s>"}, {"unk_token", "<unk>"}},
      {"<s>"},
      {},
      128};
  const Json config = {{"architectures", {"LlamaForCausalLM"}},
                       {"model_type", "llama"},
                       {"dtype", "float32"},
                       {"vocab_size", words.size()},
                       {"hidden_size", 96},
                       {"intermediate_size", 256},
                       {"num_hidden_layers", 3},
                       {"num_attention_heads", 4},
                       {"num_key_value_heads", 4},
                       {"head_dim", 24},
                       {"hidden_act", "silu"},
                       {"max_position_embeddings", words.longest},
                       {"rms_norm_eps", 1e-5},
                       {"rope_theta", 10000.0},
                       {"attention_bias", false},
                       {"mlp_bias", false},
                       {"initializer_range", 0.05},
                       {"bos_token_id", 1},
                       {"eos_token_id", 2},
                       {"pad_token_id", 0},
                       {"tie_word_embeddings", true}};
  LUTHIER_CHECK(write_word_tokenizer(words, draft.model()));
  return write_model_file(draft, "config.json", config);
}

}  // namespace luthier
