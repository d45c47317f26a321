// SPDX-License-Identifier: GPL-3.0-or-later
// What parity cannot see of FIBER: that what looks across begins at nothing and shows a picture
// once α is another number, whatever stands in other rows, and refusals of configurations that do
// not hold together.
#include "engine/models/families.h"
#include "engine/models/two_towers/pair_matcher.h"

// After LibTorch, whose names Qt's keywords would break.
#include <QtTest>

#include "tests/models/family_files.h"

using namespace luthier;
using namespace luthier::test;
using torch::Tensor;

namespace {

const Json kFiberConfig = Json::parse(R"({
  "model_type": "fiber", "num_fuse_block": 2, "hidden_size": 12,
  "vision_config": {"model_type": "swin", "image_size": 20, "patch_size": 2, "embed_dim": 8,
    "depths": [2, 1], "num_heads": [1, 2], "window_size": 3, "mlp_ratio": 2},
  "text_config": {"model_type": "roberta", "vocab_size": 40, "hidden_size": 16,
    "intermediate_size": 24, "num_hidden_layers": 3, "num_attention_heads": 2,
    "max_position_embeddings": 12, "type_vocab_size": 1}})");

std::shared_ptr<Model> small(double alpha) {
  auto model = drawn_model(fiber_family, kFiberConfig);
  const torch::NoGradGuard no_grad;
  for (auto& item : model->named_parameters())
    if (item.key().ends_with("alpha")) item.value().fill_(alpha);
  return model;
}

ModelInput two_rows(std::int64_t first, std::int64_t second) {
  ModelInput input;
  input.input_ids = torch::tensor({2, 9, 17, 3, 2, 30, 3}, torch::kInt64);
  input.lengths = {4, 3};
  input.pictures = {PictureFacts{1, {}}, PictureFacts{1, {}}};
  const auto shown = [](std::int64_t which) {
    return torch::linspace(-1, 1, 3 * 20 * 20).mul(7 + which).sin().view({1, 3, 20, 20});
  };
  input.pixel_values = at::cat({shown(first), shown(second)});
  return input;
}

double apart(const Tensor& a, const Tensor& b) { return (a - b).abs().max().item<double>(); }

}  // namespace

class TestFiber : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() { at::set_num_threads(1); }

  void a_picture_is_seen_once_alpha_is_not_zero() {
    const torch::NoGradGuard no_grad;
    const auto closed = small(0), open = small(0.5);
    const auto read = [](Model& model, const ModelInput& input) {
      return model.encoder()->encode(input);
    };
    QVERIFY(apart(read(*closed, two_rows(1, 2)), read(*closed, two_rows(3, 4))) == 0);
    const Tensor seen = read(*open, two_rows(1, 2)), other = read(*open, two_rows(1, 4));
    QVERIFY(apart(seen.slice(0, 0, 4), other.slice(0, 0, 4)) < 1e-6);
    QVERIFY2(apart(seen.slice(0, 4), other.slice(0, 4)) > 1e-4,
             qPrintable(QString::number(apart(seen.slice(0, 4), other.slice(0, 4)))));
  }

  void towers_alone_look_at_nothing() {
    const torch::NoGradGuard no_grad;
    const auto closed = small(0), open = small(0.5);
    const ModelInput input = two_rows(1, 2);
    QVERIFY(apart(closed->two_towers()->image(input), open->two_towers()->image(input)) == 0);
    QVERIFY(apart(closed->two_towers()->text(input, 2), open->two_towers()->text(input, 2)) == 0);
  }

  void pairs_are_told_by_both() {
    const torch::NoGradGuard no_grad;
    const auto open = small(0.5);
    auto& matcher = dynamic_cast<PairMatcher&>(*open);
    const Tensor told = matcher.match(two_rows(1, 2), {{0, 0, 1, 1}, {0, 1, 0, 1}});
    QCOMPARE(told.sizes(), (at::IntArrayRef{4, 2}));
    for (const int one : {0, 1, 2}) QVERIFY(apart(told[one], told[one + 1]) > 1e-3);
    const Tensor alone = matcher.match(two_rows(1, 2), {{1}, {0}});
    QVERIFY(apart(told[2], alone[0]) < 1e-5);
  }

  void fresh_looks_begin_at_nothing() {
    const Plan plan = fiber_family.read(kFiberConfig, "").take();
    const auto model = plan.made(torch::TensorOptions().device(torch::kMeta));
    std::int64_t alphas = 0;
    for (const auto& item : model->named_modules()) {
      const auto* owner = dynamic_cast<const ParameterModule*>(item.value().get());
      if (!owner || !owner->named_parameters(false).contains("alpha")) continue;
      const Tensor first = owner->first_value("alpha", at::detail::getDefaultCPUGenerator());
      QVERIFY(first.defined() && first.item<double>() == 0);
      ++alphas;
    }
    QCOMPARE(alphas, 4);
  }

  void refuses_what_does_not_hold_together_data() {
    QTest::addColumn<QString>("patch");
    QTest::addColumn<QString>("field");
    const auto add = [](const char* patch, const char* field) {
      QTest::addRow("%s", patch) << patch << field;
    };
    add(R"({"architectures": ["FiberForBoxes"]})", "architectures");
    add(R"({"num_fuse_block": 0})", "num_fuse_block");
    add(R"({"num_fuse_block": 4})", "num_fuse_block");
    add(R"({"hidden_size": 0})", "hidden_size");
    add(R"({"itc_pooler": 3})", "itc_pooler");
    add(R"({"vision_config": {"model_type": "vit"}})", "vision_config: model_type");
    add(R"({"vision_config": {"image_size": 8}})", "vision_config: image_size");
    add(R"({"vision_config": {"num_heads": [1, 3]}})", "vision_config: num_heads");
    add(R"({"text_config": {"model_type": "bert"}})", "text_config: model_type");
    add(R"({"text_config": {"num_attention_heads": 3}})", "text_config: num_attention_heads");
    add(R"({"text_config": {"max_position_embeddings": 2}})",
        "text_config: max_position_embeddings");
    add(R"({"text_config": {"is_decoder": true}})", "text_config: is_decoder");
    add(R"({"vision_config": 5})", "vision_config");
  }
  void refuses_what_does_not_hold_together() {
    QFETCH(QString, patch);
    QFETCH(QString, field);
    Json config = kFiberConfig;
    config.merge_patch(Json::parse(patch.toStdString()));
    const auto plan = fiber_family.read(config, "folder");
    QVERIFY2(!plan.ok(), "it was taken");
    const QString where = QString::fromStdString(plan.error().where);
    QVERIFY2(where.contains(field), qPrintable(where));
    QVERIFY(where.startsWith("folder/config.json"));
  }
};

QTEST_GUILESS_MAIN(TestFiber)
#include "test_fiber.moc"
