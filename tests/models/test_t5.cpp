// SPDX-License-Identifier: GPL-3.0-or-later
// What a parity run of T5 cannot see: buckets by hand, broken configurations, what a head of its
// own makes of the configuration, rows together as alone.
#include "engine/models/loaded_model.h"
#include "engine/models/stored_head.h"
#include "engine/models/t5/t5_stack.h"

// After LibTorch, whose names Qt's keywords would break.
#include <QtTest>

#include "tests/models/tiny_t5.h"

using namespace luthier;
using namespace luthier::test;
using torch::Tensor;

namespace {

std::vector<std::int64_t> buckets(const std::vector<std::int64_t>& distances, bool both_ways,
                                  std::int64_t count, std::int64_t most) {
  const Tensor found = t5::relative_buckets(torch::tensor(distances), both_ways, count, most);
  const auto* first = found.const_data_ptr<std::int64_t>();
  return {first, first + found.numel()};
}

Result<Plan> read(Json changes) {
  Json config = t5_config();
  config.merge_patch(changes);
  return find_family(config, "config.json").value()->read(config, "somewhere");
}

ModelInput two_texts(const std::vector<std::int64_t>& source,
                     const std::vector<std::int64_t>& own) {
  std::vector<Example> examples;
  for (std::size_t row = 0; row < source.size(); ++row) {
    Example example;
    const auto id = [&](std::int64_t i) {
      return 4 + (static_cast<std::int64_t>(row) * 7 + i * 3) % 26;
    };
    for (std::int64_t i = 0; i < source[row]; ++i) example.source_ids.push_back(id(i));
    for (std::int64_t i = 0; i < own[row]; ++i) example.input_ids.push_back(id(i + 5));
    examples.push_back(std::move(example));
  }
  return collate(examples);
}

}  // namespace

class TestT5 : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() { at::set_num_threads(1); }

  void distances_have_buckets() {
    using Numbers = std::vector<std::int64_t>;
    // Back only, of 8: four single steps, then by the logarithm up to 20.
    QCOMPARE(buckets({0, -1, -2, -3, -4, -5, -6, -9, -13, -14, -20, -500}, false, 8, 20),
             (Numbers{0, 1, 2, 3, 4, 4, 5, 6, 6, 7, 7, 7}));
    QCOMPARE(buckets({1, 2, 30}, false, 8, 20), (Numbers{0, 0, 0}));
    // Both ways, of 8: four for either side, two of them single.
    QCOMPARE(buckets({0, -1, -2, -6, -7, -30, 1, 2, 6, 7, 30}, true, 8, 20),
             (Numbers{0, 1, 2, 2, 3, 3, 5, 6, 6, 7, 7}));
  }

  void broken_configurations_are_refused_data() {
    QTest::addColumn<QString>("changes");
    QTest::addColumn<QString>("field");
    const auto row = [](const char* changes, const char* field) {
      QTest::newRow(changes) << changes << field;
    };
    row(R"({"d_model": 0})", "d_model");
    row(R"({"num_heads": -4})", "num_heads");
    row(R"({"num_decoder_layers": 0})", "num_decoder_layers");
    row(R"({"d_ff": "64"})", "d_ff");
    row(R"({"relative_attention_num_buckets": 3})", "relative_attention_num_buckets");
    row(R"({"relative_attention_max_distance": 4})", "relative_attention_max_distance");
    row(R"({"feed_forward_proj": "gated-softsign"})", "feed_forward_proj");
    row(R"({"feed_forward_proj": "wide-relu"})", "feed_forward_proj");
    row(R"({"decoder_start_token_id": 4000})", "decoder_start_token_id");
    row(R"({"decoder_start_token_id": -1})", "decoder_start_token_id");
    row(R"({"is_encoder_decoder": false})", "is_encoder_decoder");
  }
  void broken_configurations_are_refused() {
    QFETCH(QString, changes);
    QFETCH(QString, field);
    const auto plan = read(Json::parse(changes.toStdString()));
    QVERIFY(!plan);
    QCOMPARE(QString::fromStdString(plan.error().where), "somewhere/config.json: " + field);
  }

  void a_head_of_its_own_keeps_the_scale_data() {
    QTest::addColumn<QString>("config");
    QTest::addColumn<bool>("scaled");
    QTest::newRow("1.0") << "{}" << true;
    QTest::newRow("1.0, said") << R"({"tie_word_embeddings": true})" << true;
    QTest::newRow("1.1") << R"({"tie_word_embeddings": false})" << false;
    QTest::newRow("1.1 of today")
        << R"({"tie_word_embeddings": true, "scale_decoder_outputs": false})" << false;
  }
  void a_head_of_its_own_keeps_the_scale() {
    QFETCH(QString, config);
    QFETCH(bool, scaled);
    Json json = Json::parse(config.toStdString());
    QCOMPARE(t5::read_options(json, "")->scaled_outputs, scaled);
    t5::untie(json);
    QCOMPARE(json["tie_word_embeddings"].get<bool>(), false);
    QCOMPARE(t5::read_options(json, "")->scaled_outputs, scaled);
  }

  void its_head_is_tied_unless_the_files_have_one() {
    for (const bool tied : {true, false}) {
      const auto plan = read({{"tie_word_embeddings", tied}});
      QVERIFY(plan);
      const auto meta = torch::TensorOptions().device(torch::kMeta);
      QCOMPARE(tied_weight(*plan->made(meta)), std::string("shared.weight"));
      QCOMPARE(tied_weight(*plan->build(meta, HeadWeight::Own)), std::string());
    }
  }

  void rows_together_are_as_alone() {
    const TinyT5 tiny;
    LoadOptions random;
    random.device = "cpu", random.random_weights = true;
    const auto loaded = load_model(tiny.model(), random);
    QVERIFY2(loaded, loaded ? "" : loaded.error().sentence().c_str());
    const torch::NoGradGuard no_grad;
    const std::vector<std::int64_t> source{9, 4, 9, 6}, own{3, 5, 3, 8};
    const Tensor together = states_before_head(*loaded->model, two_texts(source, own));
    std::int64_t at = 0;
    for (std::size_t row = 0; row < source.size(); ++row) {
      // The row's place says its tokens, so rows before it are made and left out.
      std::vector<std::int64_t> some(source.begin(),
                                     source.begin() + static_cast<std::ptrdiff_t>(row) + 1),
          some_own(own.begin(), own.begin() + static_cast<std::ptrdiff_t>(row) + 1);
      const Tensor alone = states_before_head(*loaded->model, two_texts(some, some_own));
      QVERIFY(at::allclose(alone.slice(0, at), together.slice(0, at, at + own[row]), 1e-4, 1e-5));
      at += own[row];
    }
  }

  void weights_are_drawn_as_transformers_does() {
    luthier::test::TinyModel size;
    size.hidden = 128, size.wide = 512;
    const TinyT5 tiny(size);
    LoadOptions random;
    random.device = "cpu", random.random_weights = true;
    const auto loaded = load_model(tiny.model(), random);
    QVERIFY(loaded);
    const auto deviation = [&](const char* name) {
      return loaded->model->named_parameters()[name].std().item<double>();
    };
    const std::string block = "encoder.block.1.layer.";
    const auto near = [](double got, double wanted) { return std::abs(got / wanted - 1) < 0.06; };
    QVERIFY(near(deviation("shared.weight"), 1));
    QVERIFY(
        near(deviation((block + "0.SelfAttention.q.weight").c_str()), 1 / std::sqrt(128 * 32.0)));
    QVERIFY(near(deviation((block + "0.SelfAttention.v.weight").c_str()), 1 / std::sqrt(128.0)));
    QVERIFY(near(deviation((block + "1.DenseReluDense.wo.weight").c_str()), 1 / std::sqrt(512.0)));
  }
};

QTEST_GUILESS_MAIN(TestT5)
#include "test_t5.moc"
