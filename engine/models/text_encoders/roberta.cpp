// SPDX-License-Identifier: GPL-3.0-or-later
// RoBERTa (Liu et al. 2019) as RobertaForMaskedLM of transformers 5.17, and XLM-R (Conneau et al.
// 2020) as XLMRobertaForMaskedLM, which computes the same: BERT whose positions are counted behind
// the padding's id, without a second kind of tokens to speak of, and whose head is always a gelu's.
#include "engine/models/bert/text_encoder.h"
#include "engine/models/family.h"

namespace luthier {

namespace {

constexpr TextEncoderNames kRobertaNames{
    "roberta",
    nullptr,
    "encoder.layer",
    nullptr,
    kBertLayer,
    {"lm_head.dense", "lm_head.layer_norm", "lm_head.decoder", "lm_head"},
    {"classifier.dense", "classifier.out_proj", "classifier"}};

Result<Plan> read_roberta_of(const Json& config, const std::filesystem::path& folder,
                             std::int64_t words) {
  const std::string where = (folder / "config.json").string();
  TextEncoderOptions o;
  o.names = &kRobertaNames;
  o.tables.words = words, o.tables.positions = 512, o.tables.types = 2, o.tables.padding = 1;
  LUTHIER_CHECK(read_text_encoder(config, where, o));
  if (o.tables.padding < 0)
    return input_error("Positions are counted from the padding's id, and there is none.",
                       where + ": pad_token_id");
  o.tables.width = o.layer.hidden;
  o.tables.behind_padding = true;
  if (longest_row(o.tables) < 1)
    return input_error(
        "No position is left behind the padding's id, " + std::to_string(o.tables.padding) + ".",
        where + ": max_position_embeddings");
  o.predicts_by = Activation::Gelu;
  return text_encoder_plan(o);
}

Result<Plan> read_roberta(const Json& config, const std::filesystem::path& folder) {
  return read_roberta_of(config, folder, 50265);
}
Result<Plan> read_xlm_roberta(const Json& config, const std::filesystem::path& folder) {
  return read_roberta_of(config, folder, 30522);
}

}  // namespace

extern const Family roberta_family;
const Family roberta_family =
    text_encoder_family("roberta", read_roberta, within_body_of<kRobertaNames>,
                        {"RobertaForSequenceClassification", "RobertaForTokenClassification"});
extern const Family xlm_roberta_family;
const Family xlm_roberta_family = text_encoder_family(
    "xlm-roberta", read_xlm_roberta, within_body_of<kRobertaNames>,
    {"XLMRobertaForSequenceClassification", "XLMRobertaForTokenClassification"});

}  // namespace luthier
