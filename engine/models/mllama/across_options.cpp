// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/mllama/across_options.h"

namespace luthier {

Status read_across_layers(const Json& config, const std::string& where, DecoderOptions& o) {
  constexpr std::int64_t kMarks = 8;
  const std::string place = where + ": cross_attention_layers";
  Json layers = {3, 8, 13, 18, 23, 28, 33, 38};
  if (const auto found = config.find("cross_attention_layers");
      found != config.end() && !found->is_null())
    layers = *found;
  if (!layers.is_array()) return input_error("A list of numbers is expected.", place);
  o.across.assign(static_cast<std::size_t>(o.num_hidden_layers), false);
  for (const Json& layer : layers) {
    if (!layer.is_number_integer()) return input_error("A list of numbers is expected.", place);
    const auto number = layer.get<std::int64_t>();
    // transformers asks of each of its layers whether it is in the list.
    if (number < 0 || number >= o.num_hidden_layers) continue;
    if (number == 0)
      return input_error("The first layer cannot look across to pictures.", place,
                         "transformers counts a text's tokens by what that layer keeps.");
    o.across[static_cast<std::size_t>(number)] = true;
  }
  o.more_embeddings = kMarks;
  o.tie_word_embeddings = false;
  return {};
}

}  // namespace luthier
