// SPDX-License-Identifier: GPL-3.0-or-later
// Two encoders over the same tables: that the tensors are one and gradients meet in them; that
// tables of other sizes are refused by name; and of those that only add to the other's, that
// lookups are as they were, gradients stay apart, sums are what is stored, and the model is as it
// was when it is over.
#include "engine/models/shared_tables.h"

#include <QtTest>

#include "engine/models/bert/text_encoder.h"
#include "engine/models/family.h"

using namespace luthier;

namespace {

std::shared_ptr<Model> electra(const char* architecture, std::int64_t hidden,
                               std::int64_t width = 8) {
  const Json config = {
      {"model_type", "electra"}, {"architectures", {architecture}}, {"vocab_size", 11},
      {"embedding_size", width}, {"hidden_size", hidden},           {"intermediate_size", 12},
      {"num_hidden_layers", 1},  {"num_attention_heads", 2},        {"max_position_embeddings", 6}};
  const auto family = find_family(config, "config.json");
  if (!family) qFatal("electra is no family");
  const auto plan = (*family)->read(config, "");
  if (!plan) qFatal("%s", plan.error().sentence().c_str());
  const auto model = plan->made(torch::TensorOptions().dtype(torch::kFloat32));
  torch::manual_seed(hidden);
  const torch::NoGradGuard no_grad;
  for (torch::Tensor& tensor : model->parameters()) tensor.normal_(0, 0.3);
  return model;
}

/// A generator with a mask decoder has positions of its own.
std::shared_ptr<Model> deberta(const char* architecture, bool enhanced) {
  const Json config = {{"model_type", "deberta-v2"},
                       {"architectures", {architecture}},
                       {"vocab_size", 11},
                       {"hidden_size", 8},
                       {"intermediate_size", 12},
                       {"num_hidden_layers", 2},
                       {"num_attention_heads", 2},
                       {"max_position_embeddings", 6},
                       {"position_biased_input", false},
                       {"enhanced_mask_decoder", enhanced}};
  const auto plan = (*find_family(config, "config.json"))->read(config, "");
  if (!plan) qFatal("%s", plan.error().sentence().c_str());
  return plan->made(torch::TensorOptions().dtype(torch::kFloat32));
}

TextEncoder& encoder_of(const std::shared_ptr<Model>& model) {
  return *dynamic_cast<TextEncoder*>(model.get());
}

torch::Tensor looked_up(const std::shared_ptr<Model>& model) {
  return encoder_of(model).embeddings()->words->forward(torch::tensor({3, 1, 3}, torch::kInt64));
}

}  // namespace

class TestSharedTables : public QObject {
  Q_OBJECT

 private slots:
  void tables_and_the_tied_head_become_one() {
    const auto owner = electra("ElectraForPreTraining", 8),
               other = electra("ElectraForMaskedLM", 4);
    QVERIFY(tensors_in_common(*owner, *other).empty());
    QVERIFY(share_tables(*owner, *other, "here"));
    const auto common = tensors_in_common(*owner, *other);
    QCOMPARE(common.size(), std::size_t(5));  // three tables, and the norm's two
    for (const auto& [name, of_owner] : common) QCOMPARE(name, of_owner);
    QCOMPARE(bytes_in_common(*owner, *other), std::int64_t{4 * (11 + 6 + 2 + 2) * 8});
    const torch::Tensor words = encoder_of(owner).embeddings()->words->weight;
    QVERIFY(other->output_head()->weight.shares(words));
    torch::Tensor(words).requires_grad_(true);
    (looked_up(owner).sum() + 2 * looked_up(other).sum()).backward();
    QCOMPARE(words.grad()[3][0].item<double>(), 6.0);
  }

  void other_sizes_are_refused_by_the_table() {
    const auto owner = electra("ElectraForPreTraining", 8),
               other = electra("ElectraForMaskedLM", 4, 6);
    const Status shared = share_tables(*owner, *other, "here");
    QVERIFY(!shared);
    QCOMPARE(shared.error().where, std::string("here"));
    QVERIFY(shared.error().what.find("11 x 6") != std::string::npos);
    QVERIFY(!DisentangledTables::begin(*owner, *other, false, "here"));
  }

  void a_mask_decoders_positions_and_norms_stay_apart() {
    const auto owner = deberta("ReplacedTokenDetectionModel", false),
               other = deberta("DebertaV2ForMaskedLM", true);
    QVERIFY(other->named_parameters().contains("deberta.embeddings.position_embeddings.weight"));
    QVERIFY(share_tables(*owner, *other, "here"));
    const auto common = tensors_in_common(*owner, *other);
    QCOMPARE(common.size(), std::size_t(1));
    QCOMPARE(common.begin()->first, std::string("deberta.embeddings.word_embeddings.weight"));
    QVERIFY(!is_shared_table("deberta.embeddings.LayerNorm"));
    QVERIFY(
        DisentangledTables::begin(*owner, *deberta("DebertaV2ForMaskedLM", true), true, "here"));
  }

  void what_is_added_is_looked_up_with_the_others() {
    const auto owner = electra("ElectraForPreTraining", 8),
               other = electra("ElectraForMaskedLM", 4);
    const torch::Tensor before = encoder_of(owner).embeddings()->words->weight,
                        first = looked_up(owner).clone();
    {
      auto tables = DisentangledTables::begin(*owner, *other, false, "here");
      QVERIFY(tables);
      QVERIFY(at::allclose(looked_up(owner), first, 0, 1e-6));
      torch::Tensor added = encoder_of(owner).embeddings()->words->weight,
                    others = encoder_of(other).embeddings()->words->weight;
      QVERIFY(!added.is_same(before));
      added.requires_grad_(true), others.requires_grad_(true);
      looked_up(owner).sum().backward();
      QVERIFY(added.grad().defined() && !others.grad().defined());
      {
        const torch::NoGradGuard no_grad;
        others.add_(1), added.add_(0.5);
      }
      const std::string name = "electra.embeddings.word_embeddings.weight";
      std::map<std::string, torch::Tensor> masters;
      (*tables)->add_sums("generator.", masters);
      QCOMPARE(masters.size(), std::size_t(3));
      QVERIFY(at::allclose(masters.at(name), before + 1.5, 0, 1e-6));
      masters = {{"generator." + name, torch::ones_like(others)}};
      (*tables)->add_sums("generator.", masters);
      QVERIFY(at::allclose(masters.at(name), added.detach() + 1));
    }
    QVERIFY(encoder_of(owner).embeddings()->words->weight.is_same(before));
    QVERIFY(at::equal(looked_up(owner), first));
    auto alike = DisentangledTables::begin(*owner, *other, true, "here");
    QVERIFY(alike);
    QVERIFY(at::equal(looked_up(owner), looked_up(other)));
  }
};

QTEST_APPLESS_MAIN(TestSharedTables)
#include "test_shared_tables.moc"
