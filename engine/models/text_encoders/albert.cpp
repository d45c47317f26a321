// SPDX-License-Identifier: GPL-3.0-or-later
// ALBERT (Lan et al. 2020) as AlbertForMaskedLM of transformers 5.17, or as AlbertForPreTraining,
// which says of two texts beside it whether they are in their order: narrow tables before a
// product, and a few layers that come again and again, so that their gradients are sums.
#include "engine/models/bert/text_encoder.h"
#include "engine/models/config_numbers.h"
#include "engine/models/family.h"

namespace luthier {

namespace {

constexpr TextEncoderNames kAlbertNames{
    "albert",
    "encoder.embedding_hidden_mapping_in",
    "encoder.albert_layer_groups",
    "albert_layers",
    {"attention.query", "attention.key", "attention.value", "attention.dense",
     "attention.LayerNorm", "ffn", "ffn_output", "full_layer_layer_norm"},
    {"predictions.dense", "predictions.LayerNorm", "predictions.decoder", "predictions"},
    {"albert.pooler", "classifier", "classifier"},
    {"albert.pooler", "sop_classifier.classifier", nullptr}};

Result<Plan> read_albert(const Json& config, const std::filesystem::path& folder) {
  const std::string where = (folder / "config.json").string();
  TextEncoderOptions o;
  o.names = &kAlbertNames;
  o.tables.words = 30000, o.tables.positions = 512, o.tables.types = 2, o.tables.padding = 0;
  o.layer.hidden = 4096, o.layer.intermediate = 16384, o.layer.heads = 64;
  o.layer.activation = Activation::GeluTanh;
  LUTHIER_CHECK(read_text_encoder(config, where, o));
  o.tables.width = 128, o.always_projected = true, o.groups = 1;
  LUTHIER_CHECK(read_in_range(config, "embedding_size", where, 1, 1 << 20, o.tables.width));
  LUTHIER_CHECK(
      read_in_range(config, "num_hidden_groups", where, 1, o.num_hidden_layers, o.groups));
  LUTHIER_CHECK(read_in_range(config, "inner_group_num", where, 1, 4096 / o.groups, o.inner));
  return text_encoder_plan(o);
}

}  // namespace

extern const Family albert_family;
const Family albert_family =
    text_encoder_family("albert", read_albert, within_body_of<kAlbertNames>,
                        {"AlbertForSequenceClassification", "AlbertForTokenClassification"});

}  // namespace luthier
