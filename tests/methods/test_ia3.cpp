// SPDX-License-Identifier: GPL-3.0-or-later
// (IA)³: outputs scaled or inputs, the bias with them; which modules are feed-forward; settings
// that contradict one another.
#include "engine/methods/ia3.h"
#include "engine/methods/ia3_settings.h"
#include "tests/methods/method_base.h"

using namespace luthier;
using namespace luthier::test;
using torch::Tensor;

class TestIa3 : public QObject {
  Q_OBJECT

  MethodBase base_;

 private slots:
  void the_formula() {
    torch::manual_seed(4);
    const torch::NoGradGuard no_grad;
    Linear linear(5, 3, true, torch::TensorOptions(torch::kFloat32));
    for (Tensor& tensor : linear->parameters()) tensor.normal_();
    const Tensor x = torch::randn({7, 5}), out = torch::randn({3, 1}), in = torch::randn({1, 5});
    const Tensor weight = linear->weight.dense();
    const Ia3Linear outputs(out, false), inputs(in, true);
    const Tensor scaled = (at::mm(x, weight.t()) + linear->bias) * out.flatten();
    QVERIFY(far(outputs.forward(x, *linear), scaled) < 1e-6);
    QVERIFY(far(inputs.forward(x, *linear), at::mm(x * in, weight.t()) + linear->bias) < 1e-6);
    Ia3Linear half(out, false);
    half.strength = 0.5;
    const Tensor between = (linear->product(x) + scaled) / 2;
    QVERIFY(far(half.forward(x, *linear), between) < 1e-6);
    outputs.merge_into(*linear);
    QVERIFY(far(linear->product(x), scaled) < 1e-6);
  }

  void feedforward_data() {
    QTest::addColumn<QString>("setting");
    QTest::addColumn<bool>("down");
    QTest::addColumn<bool>("up");
    QTest::newRow("none") << "null" << false << false;
    QTest::newRow("a name") << "[down_proj]" << true << false;
    QTest::newRow("two names") << "[down_proj, up_proj]" << true << true;
    QTest::newRow("a pattern") << ".*down_proj" << true << false;
    QTest::newRow("a pattern of a part") << "down_proj" << true << false;
  }
  void feedforward() {
    QFETCH(QString, setting);
    QFETCH(bool, down);
    QFETCH(bool, up);
    const AdapterSettings settings =
        base_.recipe("ia3", {"adapter.feedforward_modules=" + setting.toStdString()}).adapter;
    const std::string layer = "model.language_model.layers.0.mlp.";
    QCOMPARE(is_feedforward(layer + "down_proj", settings), down);
    QCOMPARE(is_feedforward(layer + "up_proj", settings), up);
    const ModelModule module{layer + "down_proj", "Linear", {64, 128}, {}};
    const auto sizes = ia3_sizes(module, {}, settings);
    QCOMPARE(sizes.front().shape,
             down ? (std::vector<std::int64_t>{1, 128}) : (std::vector<std::int64_t>{64, 1}));
  }

  void starts() {
    LoadedModel loaded = base_.load();
    const auto ones = create_adapter(loaded, "ia3", base_.recipe("ia3").adapter, 1);
    for (const auto& [key, tensor] : ones.value()->tensors())
      QVERIFY(torch::equal(tensor, torch::ones_like(tensor)));
    ones.value()->activate();
    const Tensor same = logits_of(*loaded.model);
    ones.value()->deactivate();
    QVERIFY(torch::equal(same, logits_of(*loaded.model)));
    const auto drawn = create_adapter(
        loaded, "ia3", base_.recipe("ia3", {"adapter.init_ia3_weights=false"}).adapter, 1);
    const auto tensors = drawn.value()->tensors();
    QVERIFY(!torch::equal(tensors.front().second, torch::ones_like(tensors.front().second)));
  }

  void refusals() {
    const auto refused = [&](const std::vector<std::string>& settings) {
      return check_recipe(base_.recipe("ia3", settings));
    };
    QVERIFY(refused(
        {"adapter.target_modules=[q_proj, down_proj]", "adapter.feedforward_modules=[down_proj]"}));
    const auto apart =
        refused({"adapter.target_modules=[q_proj]", "adapter.feedforward_modules=[down_proj]"});
    QVERIFY(!apart && apart.error().where.ends_with("adapter.feedforward_modules"));
    QVERIFY(!refused({"adapter.feedforward_modules=all-linear"}));
    // What means no module of this model, by the model's names.
    LoadedModel loaded = base_.load();
    for (const char* setting : {"[dwon_proj]", ".*dwon_proj"}) {
      const Recipe recipe =
          base_.recipe("ia3", {std::string("adapter.feedforward_modules=") + setting});
      const auto made = create_adapter(loaded, "ia3", recipe.adapter, 1);
      QVERIFY(!made);
      QCOMPARE(made.error().where, std::string("adapter.feedforward_modules"));
      QVERIFY2(made.error().hint.find("down_proj") != std::string::npos,
               made.error().sentence().c_str());
    }
  }

  /// PEFT takes a list that is a part of the targets' list, or a pattern.
  void written_for_peft() {
    AdapterSettings settings =
        base_.recipe("ia3", {"adapter.feedforward_modules=[mlp.down_proj]"}).adapter;
    settings.target_modules = {ModuleSelector::Kind::Names, {"down_proj", "q_proj"}, {}};
    QCOMPARE(write_ia3_settings(settings)["feedforward_modules"], Json(".*(mlp\\.down_proj)"));
    settings.target_modules.names.push_back("mlp.down_proj");
    QCOMPARE(write_ia3_settings(settings)["feedforward_modules"], Json({"mlp.down_proj"}));
    QCOMPARE(write_ia3_settings(base_.recipe("ia3").adapter)["feedforward_modules"],
             Json(Json::array()));
  }
};

QTEST_GUILESS_MAIN(TestIa3)
#include "test_ia3.moc"
