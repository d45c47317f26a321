// SPDX-License-Identifier: GPL-3.0-or-later
// What parity cannot see of CLIPSeg: refusals of configurations that do not hold together, a
// transposed convolution against torch's own, prompts of both kinds in one batch as each alone, and
// that features which were kept say the same.
#include "engine/check/tiny_models.h"
#include "engine/models/clipseg/segmenter.h"
#include "engine/models/clipseg/transposed_convolution.h"
#include "engine/models/families.h"

// After LibTorch, whose names Qt's keywords would break.
#include <QtTest>

#include "tests/models/family_files.h"

using namespace luthier;
using torch::Tensor;

namespace {

Json config_of() { return tiny_model(clipseg_family)->config; }

double apart(const Tensor& got, const Tensor& wanted) {
  return (got - wanted).abs().max().item<double>() / wanted.abs().max().item<double>();
}

/// Two rows of a picture and a text, of which the second has another picture behind its own.
std::vector<Example> prompted() {
  std::vector<Example> found;
  MicroBatch rows = tiny_rows(tiny_model(clipseg_family).take());
  found.push_back(rows.encoded[0].sequences.front());
  found.push_back(rows.encoded[1].sequences.front());
  found[1].images.push_back(rows.encoded[2].sequences.front().images.front());
  return found;
}

}  // namespace

class TestClipseg : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() { at::set_num_threads(1); }

  void refuses_what_does_not_hold_together_data() {
    QTest::addColumn<QString>("patch");
    QTest::addColumn<QString>("field");
    const auto add = [](const char* patch, const char* field) {
      QTest::newRow(patch) << patch << field;
    };
    add(R"({"extract_layers": []})", "extract_layers");
    add(R"({"extract_layers": [2]})", "extract_layers");
    add(R"({"extract_layers": [-1]})", "extract_layers");
    add(R"({"extract_layers": null})", "extract_layers");  // then [3, 6, 9]
    add(R"({"conditional_layer": 2})", "conditional_layer");
    add(R"({"conditional_layer": -1})", "conditional_layer");
    add(R"({"decoder_num_attention_heads": 5})", "decoder_num_attention_heads");
    add(R"({"reduce_dim": 0})", "reduce_dim");
    add(R"({"decoder_intermediate_size": 0})", "decoder_intermediate_size");
    add(R"({"projection_dim": 0})", "projection_dim");
    add(R"({"use_complex_transposed_convolution": true, "vision_config": {"patch_size": 3}})",
        "use_complex_transposed_convolution");
    add(R"({"vision_config": {"image_size": [24, 30]}})", "vision_config: image_size");
    add(R"({"vision_config": {"model_type": "clip_vision_model"}})", "vision_config: model_type");
    add(R"({"text_config": {"hidden_size": 62}})", "text_config: num_attention_heads");
  }
  void refuses_what_does_not_hold_together() {
    QFETCH(QString, patch);
    QFETCH(QString, field);
    const auto plan =
        clipseg_family.read(test::merged(config_of(), Json::parse(patch.toStdString())), "folder");
    QVERIFY(!plan.ok());
    QVERIFY2(plan.error().where.find(field.toStdString()) != std::string::npos,
             plan.error().sentence().c_str());
  }

  void a_transposed_convolution_is_torchs() {
    TransposedConvolution convolution(6, 3, 4, torch::TensorOptions());
    const torch::NoGradGuard no_grad;
    const Tensor weight = torch::randn({6, 3, 4, 4}), bias = torch::randn({3}),
                 x = torch::randn({2, 5, 7, 6});
    convolution.named_parameters()["weight"].copy_(weight);
    convolution.named_parameters()["bias"].copy_(bias);
    const Tensor wanted = at::conv_transpose2d(x.permute({0, 3, 1, 2}), weight, bias, {4, 4});
    QVERIFY(apart(convolution.forward(x).permute({0, 3, 1, 2}), wanted) < 1e-5);
  }

  void prompts_of_both_kinds_stand_in_one_batch() {
    const torch::NoGradGuard no_grad;
    const auto model = test::drawn_model(clipseg_family, config_of());
    auto& segmenter = dynamic_cast<Segmenter&>(*model);
    const std::vector<Example> rows = prompted();
    const ModelInput both = collate(rows);
    const Tensor together = segmenter.segment(both, {{0, 1}, {-1, 2}});
    QCOMPARE(together.sizes().vec(), (std::vector<std::int64_t>{2, 30, 30}));
    const Tensor text = segmenter.segment(collate({rows[0]}), {{0}, {-1}}),
                 shown = segmenter.segment(collate({rows[1]}), {{0}, {1}}),
                 said = segmenter.segment(collate({rows[1]}), {{0}, {-1}});
    QVERIFY(apart(together[0], text[0]) < 1e-5);
    QVERIFY(apart(together[1], shown[0]) < 1e-5);
    QVERIFY(apart(said[0], shown[0]) > 1e-3);
    // One picture that is asked twice.
    const Tensor twice = segmenter.segment(both, {{2, 2}, {-1, -1}});
    QVERIFY(apart(twice[0], twice[1]) > 1e-3);
    // What the tower gave stands in for the pixels.
    ModelInput kept = both;
    kept.tower_features = model->picture_tower()->tower(both);
    QCOMPARE(kept.tower_features.size(0), std::int64_t{3 * (2 * 26 + 1)});
    kept.pixel_values = Tensor();
    QVERIFY(torch::equal(segmenter.segment(kept, {{0, 1}, {-1, 2}}), together));
  }

  void clip_stands_still() {
    const auto model = test::drawn_model(clipseg_family, config_of());
    for (Tensor& tensor : model->parameters()) tensor.requires_grad_(true);
    dynamic_cast<Segmenter&>(*model)
        .segment(collate(prompted()), {{0, 1}, {-1, 2}})
        .sum()
        .backward();
    for (const auto& item : model->named_parameters())
      QCOMPARE(item.value().grad().defined(), item.key().starts_with("decoder."));
  }
};

QTEST_GUILESS_MAIN(TestClipseg)
#include "test_clipseg.moc"
