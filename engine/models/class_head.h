// SPDX-License-Identifier: GPL-3.0-or-later
// A head for a checkpoint that has none, or another one: of classes, of pairs of texts, of replaced
// tokens, or DeBERTa's mask decoder. The
// folder is written anew under transformers' class with such a head, what the checkpoint holds of
// it is taken over, and what it does not is drawn, which is said.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "engine/base/result.h"
#include "engine/data/class_options.h"

namespace luthier {

struct NewClassHead {
  std::string architecture;          ///< transformers' name of the class
  std::vector<std::string> drawn;    ///< parameters, by their names in memory
  std::vector<std::string> dropped;  ///< tensors of the source that this class has no place for
};

/// Writes `out`, which must not be there, with config.json of `classes` and all companion files.
/// What is drawn is normal with the family's initializer_range from `seed`, biases 0. Input errors:
/// a family without such a head, a checkpoint that lacks a tensor of its own body. Of a captioner
/// over a ResNet (VirTex) the ResNet alone becomes a model of pictures.
Result<NewClassHead> write_with_class_head(const std::filesystem::path& source,
                                           const ClassOptions& classes, std::uint64_t seed,
                                           const std::filesystem::path& out);

/// The same under BertForPreTraining or AlbertForPreTraining, whose head says whether two texts
/// follow one another (models/bert/pair_judge.h).
Result<NewClassHead> write_with_pair_head(const std::filesystem::path& source, std::uint64_t seed,
                                          const std::filesystem::path& out);

/// The same under ElectraForPreTraining, or for DeBERTa v2 and v3 under the authors'
/// ReplacedTokenDetectionModel, whose head tells replaced tokens (objective: replaced_tokens).
Result<NewClassHead> write_with_discriminator_head(const std::filesystem::path& source,
                                                   std::uint64_t seed,
                                                   const std::filesystem::path& out);

/// The same under DebertaV2ForMaskedLM with `enhanced_mask_decoder`: a table of positions for it
/// (He et al. 2021), and the head of a masked language model where the folder has none.
Result<NewClassHead> write_with_mask_decoder(const std::filesystem::path& source,
                                             std::uint64_t seed, const std::filesystem::path& out);

/// The same class with what BLIP's and BLIP-2's pretraining learns beside it and transformers'
/// retrieval classes lack (config.json's `pretraining_head`): the temperature, and BLIP-2's head of
/// words. transformers loads the folder and leaves those unread.
Result<NewClassHead> write_with_pretraining_head(const std::filesystem::path& source,
                                                 std::uint64_t seed,
                                                 const std::filesystem::path& out);

/// The same of an EVE with the layers that a tower's patches are held against (objective:
/// visual_alignment), of the sizes in config.json's `alignment_config`, else for CLIP-L/14 at 336
/// pixels; those that the authors' files hold are taken over.
Result<NewClassHead> write_with_aligning_layers(const std::filesystem::path& source,
                                                std::uint64_t seed,
                                                const std::filesystem::path& out);

}  // namespace luthier
