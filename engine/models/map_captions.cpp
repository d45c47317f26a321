// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/map_captions.h"

#include "engine/models/caption_tokens.h"

namespace luthier {

Status read_word_of(const Json& config, const char* key, const std::string& where,
                    std::int64_t vocabulary, TokenId& id) {
  LUTHIER_TRY(id, json_int(config, key, where, id));
  if (id >= 0 && id < vocabulary) return {};
  return input_error(
      std::string(key) + " is " + std::to_string(id) + ", which is no token of the vocabulary.",
      where + ": " + key);
}

PicturePlan map_captions(std::int64_t edge, std::int64_t states, TokenId start, TokenId end) {
  const ProcessorDefaults processor{"ConvNextImageProcessor"};
  return {-1, processor, [=](const std::filesystem::path& folder) -> Result<ImageTokens> {
            LUTHIER_CHECK(check_one_frame(folder, processor, edge, edge));
            return caption_tokens(states, start, end);
          }};
}

}  // namespace luthier
