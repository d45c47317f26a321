// SPDX-License-Identifier: GPL-3.0-or-later
// BERT (Devlin et al. 2019) as BertForMaskedLM of transformers 5.17, as BertForPreTraining, which
// says of two texts beside it whether the second follows, or with one of its heads of classes: sums
// of three tables, layers whose norms come after their branches, and a head that shares the table
// of words.
#include "engine/models/bert/text_encoder.h"
#include "engine/models/family.h"

namespace luthier {

namespace {

constexpr TextEncoderNames kBertNames{
    "bert",
    nullptr,
    "encoder.layer",
    nullptr,
    kBertLayer,
    {"cls.predictions.transform.dense", "cls.predictions.transform.LayerNorm",
     "cls.predictions.decoder", "cls.predictions"},
    {"bert.pooler.dense", "classifier", "classifier"},
    {"bert.pooler.dense", "cls.seq_relationship", nullptr}};

Result<Plan> read_bert(const Json& config, const std::filesystem::path& folder) {
  TextEncoderOptions o;
  o.names = &kBertNames;
  o.tables.words = 30522, o.tables.positions = 512, o.tables.types = 2, o.tables.padding = 0;
  LUTHIER_CHECK(read_text_encoder(config, (folder / "config.json").string(), o));
  o.tables.width = o.layer.hidden;
  return text_encoder_plan(o);
}

}  // namespace

extern const Family bert_family;
const Family bert_family =
    text_encoder_family("bert", read_bert, within_body_of<kBertNames>,
                        {"BertForSequenceClassification", "BertForTokenClassification"});

}  // namespace luthier
