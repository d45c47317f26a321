// SPDX-License-Identifier: GPL-3.0-or-later
// ELECTRA (Clark et al. 2020): BERT over tables that may be narrower than its layers. Its generator
// as ElectraForMaskedLM of transformers 5.17, whose head is always a gelu's and has a bias of its
// own; its discriminator as ElectraForPreTraining, which tells replaced tokens from others; and its
// heads of classes.
#include "engine/data/named_class.h"
#include "engine/models/bert/text_encoder.h"
#include "engine/models/config_numbers.h"
#include "engine/models/family.h"

namespace luthier {

namespace {

constexpr TextEncoderNames kElectraNames{
    "electra",
    "embeddings_project",
    "encoder.layer",
    nullptr,
    kBertLayer,
    {"generator_predictions.dense", "generator_predictions.LayerNorm", "generator_lm_head",
     nullptr},
    {"classifier.dense", "classifier.out_proj", "classifier"}};

constexpr TextEncoderNames kDiscriminatorNames = [] {
  TextEncoderNames names = kElectraNames;
  names.classes = {"discriminator_predictions.dense", "discriminator_predictions.dense_prediction",
                   nullptr};
  return names;
}();

bool is_discriminator(const Json& config) { return named_class(config) == "ElectraForPreTraining"; }

Result<Plan> read_electra(const Json& config, const std::filesystem::path& folder) {
  const std::string where = (folder / "config.json").string();
  TextEncoderOptions o;
  o.names = &kElectraNames;
  o.tables.words = 30522, o.tables.positions = 512, o.tables.types = 2, o.tables.padding = 0;
  o.layer.hidden = 256, o.layer.intermediate = 1024, o.layer.heads = 4;
  LUTHIER_CHECK(read_text_encoder(config, where, o));
  o.tables.width = 128;
  LUTHIER_CHECK(read_in_range(config, "embedding_size", where, 1, 1 << 20, o.tables.width));
  o.predicts_by = o.pooled_by.emplace(Activation::Gelu);
  if (is_discriminator(config)) {
    o.names = &kDiscriminatorNames;
    o.pooled_by = o.layer.activation;
    o.classes =
        ClassOptions{ClassOptions::Of::Token, ClassOptions::Says::One, {"original", "replaced"}};
    o.replaced = true;
  }
  return text_encoder_plan(o);
}

}  // namespace

extern const Family electra_family;
const Family electra_family =
    text_encoder_family("electra", read_electra, within_body_of<kElectraNames>,
                        {"ElectraForSequenceClassification", "ElectraForTokenClassification"});

}  // namespace luthier
