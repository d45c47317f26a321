// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/deberta/deberta_options.h"

#include <vector>

#include "engine/base/text.h"
#include "engine/data/named_class.h"
#include "engine/models/bert/text_encoder.h"
#include "engine/models/config_numbers.h"

namespace luthier::deberta {

namespace {

/// A list of words, or words with bars between them.
Result<std::vector<std::string>> read_words(const Json& config, const char* key,
                                            const std::string& where) {
  std::vector<std::string> words;
  const auto found = config.find(key);
  if (found == config.end() || found->is_null()) return words;
  const std::string place = where + ": " + key;
  const auto add = [&](const std::string& text) {
    std::string word;
    for (const char c : text + "|") {
      if (c == '|') {
        if (!word.empty()) words.push_back(word);
        word.clear();
      } else if (c != ' ') {
        word += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
      }
    }
  };
  if (found->is_string()) {
    add(found->get<std::string>());
    return words;
  }
  if (!found->is_array()) return input_error("A list of words is needed here.", place);
  for (const Json& word : *found) {
    if (!word.is_string()) return input_error("A list of words is needed here.", place);
    add(word.get<std::string>());
  }
  return words;
}

Status read_distances(const Json& config, const std::string& where, std::int64_t positions,
                      Distances& d) {
  LUTHIER_TRY(d.on, json_bool(config, "relative_attention", where, false));
  LUTHIER_TRY(d.share_keys, json_bool(config, "share_att_key", where, false));
  LUTHIER_TRY(const auto kinds, read_words(config, "pos_att_type", where));
  for (const std::string& kind : kinds) {
    if (kind != "c2p" && kind != "p2c")
      return input_error("\"" + kind + "\" is no kind of relative attention; c2p and p2c are.",
                         where + ": pos_att_type");
    (kind == "c2p" ? d.c2p : d.p2c) = true;
  }
  std::int64_t furthest = -1, buckets = -1;
  LUTHIER_CHECK(read_in_range(config, "max_relative_positions", where, -1, 1 << 20, furthest));
  LUTHIER_CHECK(read_in_range(config, "position_buckets", where, -1, 1 << 20, buckets));
  d.furthest = furthest < 1 ? positions : furthest;
  d.buckets = buckets > 0 ? buckets : 0;
  d.span = d.buckets > 0 ? d.buckets : d.furthest;
  if (d.on && d.buckets > 0 && (d.buckets < 2 || d.furthest < d.buckets / 2 + 2))
    return input_error(std::to_string(d.buckets) + " buckets do not divide distances up to " +
                           std::to_string(d.furthest) + ".",
                       where + ": position_buckets");
  return {};
}

/// The authors' class of v3's discriminator, of which transformers has none.
bool is_discriminator(const Json& config) {
  return named_class(config) == kDiscriminatorClass;
}

/// After the tables and layers are read.
Status read_mask_decoder(const Json& config, const std::string& where, std::int64_t positions,
                         Options& o) {
  LUTHIER_TRY(const bool enhanced, json_bool(config, kMaskDecoderKey, where, false));
  if (!enhanced || o.classes) return {};
  const std::string place = where + ": " + kMaskDecoderKey;
  if (o.tables.positions > 0)
    return input_error(
        "The mask decoder brings in the positions that the model's input lacks, "
        "and this one's has them.",
        place, "Set position_biased_input to false, or leave the key out.");
  if (o.num_hidden_layers < 2)
    return input_error("The mask decoder needs a layer before the last one.", place,
                       "Leave the key out, or take a model of two layers or more.");
  if (o.tables.width != o.layer.hidden)
    return input_error(
        "The mask decoder adds positions to the layers' states, so the tables are "
        "of hidden_size.",
        where + ": embedding_size");
  o.enhanced_mask_decoder = o.tables.positions_apart = true;
  o.tables.positions = positions;
  return {};
}

/// transformers' activations, with tanh, which no layer has; none: that one.
Result<std::optional<Activation>> read_activation(const Json& config, const char* key,
                                                  const std::string& where,
                                                  const std::string& otherwise) {
  LUTHIER_TRY(const std::string name, json_string(config, key, where, otherwise));
  if (name == "tanh") return std::optional<Activation>();
  LUTHIER_TRY(const Activation activation, parse_activation(name, where + ": " + key));
  return std::optional<Activation>(activation);
}

Status read_convolution(const Json& config, const std::string& where, std::int64_t width,
                        ConvolutionSizes& c) {
  LUTHIER_CHECK(read_in_range(config, "conv_kernel_size", where, 0, 1 << 10, c.kernel));
  if (c.kernel == 0) return {};
  if (c.kernel % 2 == 0)
    return input_error("A kernel of an even size makes rows of another length.",
                       where + ": conv_kernel_size");
  LUTHIER_CHECK(read_in_range(config, "conv_groups", where, 1, width, c.groups));
  if (width % c.groups != 0)
    return input_error("hidden_size is not a multiple of conv_groups.", where + ": conv_groups");
  LUTHIER_TRY(c.activation, read_activation(config, "conv_act", where, "tanh"));
  return {};
}

}  // namespace

Result<Options> read_options(const Json& config, const std::string& where) {
  TextEncoderOptions common;
  common.tables.words = 128100, common.tables.positions = 512, common.tables.types = 0;
  common.tables.padding = 0;
  common.tables.all_in_common = false;
  common.layer.hidden = 1536, common.layer.intermediate = 6144, common.layer.heads = 24;
  common.layer.layer_norm_eps = 1e-7;
  common.num_hidden_layers = 24;
  LUTHIER_CHECK(read_text_encoder(config, where, common));
  Options o;
  o.tables = common.tables, o.layer = common.layer;
  o.num_hidden_layers = common.num_hidden_layers;
  o.initializer_range = common.initializer_range;
  o.tie_word_embeddings = common.tie_word_embeddings;
  LUTHIER_CHECK(read_distances(config, where, o.tables.positions, o.distances));
  LUTHIER_TRY(const bool absolute, json_bool(config, "position_biased_input", where, true));
  const std::int64_t positions = o.tables.positions;
  if (!absolute) o.tables.positions = 0;
  o.tables.width = o.tables.normed = o.layer.hidden;
  LUTHIER_CHECK(read_in_range(config, "embedding_size", where, 1, 1 << 20, o.tables.width));
  std::int64_t size = o.layer.hidden / o.layer.heads;
  const std::int64_t expected = size;
  LUTHIER_CHECK(read_in_range(config, "attention_head_size", where, 1, 1 << 20, size));
  if (size != expected)
    return input_error(
        "Heads of another size than hidden_size / num_attention_heads do not fit "
        "the product behind them.",
        where + ": attention_head_size");
  LUTHIER_TRY(const auto norms, read_words(config, "norm_rel_ebd", where));
  for (const std::string& norm : norms) {
    if (norm == "layer_norm") o.norms_table = true;
  }
  LUTHIER_CHECK(read_convolution(config, where, o.layer.hidden, o.convolution));
  o.classes = common.classes;
  std::int64_t pooled = o.layer.hidden;
  LUTHIER_CHECK(read_in_range(config, "pooler_hidden_size", where, 1, 1 << 20, pooled));
  if (o.classes && pooled != o.layer.hidden)
    return input_error("The pooler takes the layers' states, so it is of their width.",
                       where + ": pooler_hidden_size");
  LUTHIER_TRY(o.pooled_by, read_activation(config, "pooler_hidden_act", where, "gelu"));
  if (is_discriminator(config)) {
    o.classes =
        ClassOptions{ClassOptions::Of::Token, ClassOptions::Says::One, {"original", "replaced"}};
    o.pooled_by = o.layer.activation, o.replaced = true;
  }
  LUTHIER_CHECK(read_mask_decoder(config, where, positions, o));
  LUTHIER_TRY(o.legacy, json_bool(config, "legacy", where, true));
  if (!o.legacy && !o.classes) {
    if (o.tables.width != o.layer.hidden)
      return input_error("The authors' head takes tables of the layers' width alone.",
                         where + ": embedding_size");
    o.tie_word_embeddings = true;  // it multiplies with the table of words, whatever is said
  }
  return o;
}

}  // namespace luthier::deberta
