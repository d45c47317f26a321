// SPDX-License-Identifier: GPL-3.0-or-later
// LLaVA-NeXT (Liu et al. 2024): LLaVA over the whole picture and tiles of it, whose features are
// laid out as the tiles lie, freed of the padding that the picture was given, and closed line by
// line with a learned vector. As LlavaNextForConditionalGeneration of transformers 5.17.
#pragma once

#include <filesystem>

#include "engine/models/llava/llava.h"
#include "engine/models/llava_next/picture_lines.h"

namespace luthier {

struct GivenMedium;

struct LlavaNextOptions {
  LlavaOptions llava;
  PictureCut cut;
  TokenId film_token_id = -1;  ///< −1: no films
};
Result<LlavaNextOptions> read_llava_next_options(const Json& config, const std::string& where);

/// What LLaVA-OneVision shares with it.
/// The plan of a model with these options; `type`: of the picture processor, `tokens`: as
/// PicturePlan has them.
Plan llava_next_plan(
    const LlavaNextOptions& options, const std::string& type,
    std::function<Result<ImageTokens>(const std::filesystem::path& folder)> tokens);
/// How a picture becomes `mark`s, where the folder's picture processor of this type cuts as the
/// model does.
Result<ImageTokens> llava_next_tokens(const LlavaNextOptions& options, const std::string& type,
                                      std::vector<detail::Extent> usual, const std::string& mark,
                                      const std::filesystem::path& folder);
/// [pictures, frames of the fullest, 3, height, width], zeros where a picture has fewer.
torch::Tensor llava_next_layout(const ModelInput& input);
/// The other way round, by what the class is given: each picture's frames by its size, whatever
/// stands behind them, and of `whole` pictures the first one alone.
Status put_tiled_pictures(const GivenArguments& given, const PictureCut& cut,
                          const std::vector<bool>& whole, std::vector<GivenMedium>& pictures);

/// The row of the family table.
extern const Family llava_next_family;

}  // namespace luthier
