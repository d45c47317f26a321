// SPDX-License-Identifier: GPL-3.0-or-later
// What parity cannot see of BLIP: refusals of configurations that do not hold together, pairs that
// are matched together as alone, tokens one by one as all at once, and what is kept of a picture.
#include "engine/check/tiny_models.h"
#include "engine/models/families.h"
#include "engine/models/own_end.h"
#include "engine/models/smoothed_labels.h"
#include "engine/models/two_towers/pair_matcher.h"

// After LibTorch, whose names Qt's keywords would break.
#include <QTemporaryDir>
#include <QtTest>

#include "tests/models/family_files.h"

using namespace luthier;
using torch::Tensor;

namespace {

Json config_of(const char* name) {
  Json config = tiny_model(blip_family)->config;
  config["architectures"] = {name};
  return config;
}

constexpr const char *kCaption = "BlipForConditionalGeneration",
                     *kAnswer = "BlipForQuestionAnswering",
                     *kRetrieve = "BlipForImageTextRetrieval";

std::vector<Example> examples() {
  std::vector<Example> found;
  MicroBatch rows = tiny_rows(tiny_model(blip_family).take());
  for (EncodedRow& row : rows.encoded) found.push_back(std::move(row.sequences.front()));
  return found;
}

double differ(const Tensor& got, const Tensor& wanted) {
  return (got - wanted).abs().max().item<double>() / wanted.abs().max().item<double>();
}

}  // namespace

class TestBlip : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() { at::set_num_threads(1); }

  void refuses_what_does_not_hold_together_data() {
    QTest::addColumn<QString>("patch");
    QTest::addColumn<QString>("field");
    const auto add = [](const char* patch, const char* field) {
      QTest::newRow(patch) << patch << field;
    };
    add(R"({"architectures": ["BlipModel"]})", "architectures");
    add(R"({"architectures": []})", "architectures");
    add(R"({"architectures": "BlipForConditionalGeneration"})", "architectures");
    add(R"({"text_config": {"is_decoder": false}})", "is_decoder");
    add(R"({"text_config": {"model_type": "bert"}})", "model_type");
    add(R"({"text_config": {"label_smoothing": 1.5}})", "label_smoothing");
    add(R"({"text_config": {"bos_token_id": 160}})", "bos_token_id");
    add(R"({"text_config": {"sep_token_id": -1}})", "sep_token_id");
    add(R"({"vision_config": {"model_type": "blip_2_vision_model"}})", "model_type");
    // The word behind [DEC] is [ENC], which texts that are read with pictures begin with.
    add(R"({"architectures": ["BlipForImageTextRetrieval"], "text_config": {"bos_token_id": 159}})",
        "bos_token_id");
    add(R"({"architectures": ["BlipForImageTextRetrieval"], "image_text_hidden_size": 0})",
        "image_text_hidden_size");
    add(R"({"architectures": ["BlipForQuestionAnswering"], "vision_config": {"hidden_size": 32}})",
        "hidden_size");
  }
  void refuses_what_does_not_hold_together() {
    QFETCH(QString, patch);
    QFETCH(QString, field);
    const auto plan =
        blip_family.read(test::merged(config_of(kCaption), Json::parse(patch.toStdString())), "x");
    QVERIFY(!plan);
    QVERIFY2(plan.error().where.ends_with(field.toStdString()), plan.error().where.c_str());
  }

  void says_what_it_ends_with_and_smooths() {
    const auto model = test::drawn_model(blip_family, config_of(kCaption));
    QCOMPARE(dynamic_cast<OwnEnd&>(*model).end_token(), TokenId{3});
    QCOMPARE(dynamic_cast<SmoothedLabels&>(*model).label_smoothing(), 0.1);
  }

  void writes_one_by_one_as_all_at_once_data() {
    QTest::addColumn<QString>("name");
    for (const char* name : {kCaption, kAnswer}) QTest::newRow(name) << name;
  }
  void writes_one_by_one_as_all_at_once() {
    QFETCH(QString, name);
    const torch::NoGradGuard no_grad;
    const auto model = test::drawn_model(blip_family, config_of(name.toUtf8().constData()));
    SequenceToSequence& writer = *model->sequence_to_sequence();
    Example row = examples().front();
    const ModelInput whole = collate({row});
    const Tensor all = writer.decode(whole, writer.encode(whole), nullptr);
    KeyValueCache cache(writer.decoder_layers(), all.size(0));
    const RowStates memory = writer.encode(whole);
    for (std::size_t i = 0; i < row.input_ids.size(); ++i) {
      ModelInput next;
      next.input_ids = torch::tensor({row.input_ids[i]}, torch::kInt64);
      next.lengths = {1};
      const Tensor state = writer.decode(next, memory, &cache);
      QVERIFY(differ(state, all.slice(0, static_cast<std::int64_t>(i),
                                      static_cast<std::int64_t>(i) + 1)) < 1e-4);
    }
  }

  void pairs_are_matched_together_as_alone() {
    const torch::NoGradGuard no_grad;
    const auto model = test::drawn_model(blip_family, config_of(kRetrieve));
    auto& matcher = dynamic_cast<PairMatcher&>(*model);
    std::vector<Example> rows = examples();
    for (Example& row : rows) row.source_ids.clear();
    const ModelInput all = collate(rows);
    const PairMatcher::Pairs pairs{{0, 1, 2, 0, 2}, {0, 1, 2, 1, 0}};
    const Tensor together = matcher.match(all, pairs);
    for (std::size_t i = 0; i < pairs.texts.size(); ++i) {
      Example pair = rows[static_cast<std::size_t>(pairs.texts[i])];
      pair.images = rows[static_cast<std::size_t>(pairs.pictures[i])].images;
      QVERIFY(differ(together[static_cast<std::int64_t>(i)],
                     matcher.match(collate({pair}), {{0}, {0}})[0]) < 1e-4);
    }
    // What the tower gave is used in the pixels' place.
    ModelInput kept = all;
    kept.tower_features = model->picture_tower()->tower(all);
    kept.pixel_values = Tensor();
    QVERIFY(differ(matcher.match(kept, pairs), together) < 1e-6);
    QVERIFY(differ(text_likeness(*model->two_towers(), kept),
                   text_likeness(*model->two_towers(), all)) < 1e-6);
  }
};

QTEST_GUILESS_MAIN(TestBlip)
#include "test_blip.moc"
