// SPDX-License-Identifier: GPL-3.0-or-later
// OPT (Zhang et al. 2022) as OPTForCausalLM of transformers 5.17: a decoder of LayerNorms whose
// tokens' places are looked up in a learned table.
#include <string_view>

#include "engine/models/decoder_model.h"
#include "engine/models/family.h"
#include "engine/models/opt/opt_body.h"
#include "engine/models/opt/opt_options.h"

namespace luthier {

namespace {

struct OptModelOptions {
  DecoderOptions decoder;
  TokenId padding = -1;
  bool tie_word_embeddings = true;
};

class OptModel : public DecoderModel {
 public:
  OptModel(const OptModelOptions& o, const torch::TensorOptions& t) {
    const auto body = std::make_shared<OptBody>(o.decoder, o.padding, t);
    assemble(body, body->decoder, o.tie_word_embeddings, t);
  }
};

Result<Plan> read_opt(const Json& config, const std::filesystem::path& folder) {
  const std::string where = (folder / "config.json").string();
  OptModelOptions options;
  LUTHIER_TRY(options.decoder, read_opt_options(config, where));
  LUTHIER_TRY(options.padding, read_opt_padding(config, where));
  options.tie_word_embeddings = options.decoder.tie_word_embeddings;
  Plan plan;
  plan.build = builder<OptModel>(options);
  plan.initializer_range = options.decoder.initializer_range;
  plan.longest_row = options.decoder.rotary.max_position_embeddings;
  return plan;
}

/// Files of a decoder saved without its head lack the "model." before their names.
std::string opt_memory_name(const std::string& stored) {
  return stored.starts_with("decoder.") ? "model." + stored : stored;
}

}  // namespace

extern const Family opt_family;
const Family opt_family{"opt", /*takes_pictures=*/false, read_opt, opt_memory_name, same_name};

}  // namespace luthier
