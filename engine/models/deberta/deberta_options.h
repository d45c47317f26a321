// SPDX-License-Identifier: GPL-3.0-or-later
// The numbers of a DeBERTa v2 or v3 (He et al. 2021, 2023), as transformers' DebertaV2Config and
// the settings beside it have them.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "engine/base/result.h"
#include "engine/data/class_options.h"
#include "engine/io/json.h"
#include "engine/models/bert/text_embeddings.h"
#include "engine/models/bert/text_layer.h"

namespace luthier::deberta {

/// How distances are looked up in the one table that all layers share, and what they are for.
struct Distances {
  bool on = false;           ///< relative_attention: there is a table
  bool c2p = false;          ///< queries ask for a distance
  bool p2c = false;          ///< and keys are asked by one
  bool share_keys = false;   ///< the layer's own products make the table's keys and queries
  std::int64_t span = 512;   ///< the table has 2 · span rows
  std::int64_t buckets = 0;  ///< far ones share a row by the logarithm; 0: none do
  std::int64_t furthest = 512;

  /// Terms of a score.
  std::int64_t terms() const { return 1 + (c2p ? 1 : 0) + (p2c ? 1 : 0); }
};

/// A convolution over the embeddings that is added to the first layer's states.
struct ConvolutionSizes {
  std::int64_t kernel = 0, groups = 1;   ///< kernel 0: there is none
  std::optional<Activation> activation;  ///< none: tanh
};

struct Options {
  TextTables tables;
  TextLayerSizes layer;
  Distances distances;
  ConvolutionSizes convolution;
  std::int64_t num_hidden_layers = 24;
  bool norms_table = false;  ///< norm_rel_ebd: the table of distances goes through a norm
  bool legacy = true;        ///< the head is BERT's; else the authors' (lm_predictions)
  /// What was covered is said by the last layer, twice, of queries that begin with the positions
  /// (He et al. 2021); no key of transformers', whose class lacks it.
  bool enhanced_mask_decoder = false;
  bool replaced = false;                ///< the classes are those of v3's discriminator
  std::optional<ClassOptions> classes;  ///< of a head that stands in its place
  std::optional<Activation> pooled_by;  ///< none: tanh
  double initializer_range = 0.02;
  bool tie_word_embeddings = true;
};

/// The authors' name of the class, which `architectures` says, and the key of the mask decoder.
inline constexpr const char* kDiscriminatorClass = "ReplacedTokenDetectionModel";
inline constexpr const char* kMaskDecoderKey = "enhanced_mask_decoder";

/// An Input error names `where` and the field.
Result<Options> read_options(const Json& config, const std::string& where);

}  // namespace luthier::deberta
