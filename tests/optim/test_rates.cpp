// SPDX-License-Identifier: GPL-3.0-or-later
// Groups of tensors that have rates of their own.
#include "engine/optim/rates.h"

#include <QtTest>  // after LibTorch: its keyword `slots` is a name there

using namespace luthier;

namespace {

TrainedTensor of_part(const char* part, bool plug = false) {
  TrainedTensor trained{"w", part, torch::zeros({2})};
  trained.plug = plug;
  return trained;
}

}  // namespace

class TestRates : public QObject {
  Q_OBJECT

 private slots:
  void what_names_no_rate_has_the_common_one() {
    Recipe recipe;
    recipe.training.learning_rate = 3e-4;
    std::vector<TrainedTensor> tensors{of_part("vision_tower"), of_part("language_model", true)};
    give_rates(tensors, recipe);
    QCOMPARE(tensors[0].rate, 1.0);
    QCOMPARE(tensors[1].rate, 1.0);
  }

  void the_nearest_name_counts() {
    Recipe recipe;
    recipe.training.learning_rate = 1e-4;
    QVERIFY(set_field(recipe, "training.vision_tower_learning_rate", "2e-6").ok());
    QVERIFY(set_field(recipe, "training.projector_learning_rate", "0").ok());
    QVERIFY(set_field(recipe, "training.adapter_learning_rate", "1e-3").ok());
    QCOMPARE(rate_of(of_part("vision_tower"), recipe), 2e-6);
    QCOMPARE(rate_of(of_part("vision_tower", true), recipe), 2e-6);  // the part's goes first
    QCOMPARE(rate_of(of_part("projector"), recipe), 0.0);
    QCOMPARE(rate_of(of_part("language_model"), recipe), 1e-4);
    QCOMPARE(rate_of(of_part("language_model", true), recipe), 1e-3);
    std::vector<TrainedTensor> tensors{of_part("vision_tower"), of_part("projector"),
                                       of_part("language_model", true)};
    give_rates(tensors, recipe);
    QVERIFY(std::abs(tensors[0].rate - 0.02) < 1e-15);
    QCOMPARE(tensors[1].rate, 0.0);
    QVERIFY(std::abs(tensors[2].rate - 10) < 1e-12);
  }

  void muons_matrices_may_have_their_own() {
    Recipe recipe;
    QVERIFY(set_field(recipe, "training.optim", "muon").ok());
    QVERIFY(set_field(recipe, "training.muon_learning_rate", "0.02").ok());
    recipe.training.learning_rate = 1e-4;
    TrainedTensor matrix = of_part("language_model");
    QCOMPARE(rate_of(matrix, recipe), 1e-4);
    matrix.use = TensorUse::Matrix;
    QCOMPARE(rate_of(matrix, recipe), 0.02);
  }

  /// Groups and decay are PEFT's; what a group's rate multiplies is the tensor's own.
  void loraplus_multiplies_what_a_tensor_has() {
    Recipe recipe;
    recipe.training.learning_rate = 1e-3;
    QVERIFY(set_field(recipe, "training.loraplus_lr_ratio", "8").ok());
    QVERIFY(set_field(recipe, "training.adapter_learning_rate", "5e-4").ok());
    const auto named = [](const char* name, std::vector<std::int64_t> shape) {
      TrainedTensor trained{name, "language_model", torch::zeros(shape)};
      trained.plug = true;
      return trained;
    };
    std::vector<TrainedTensor> tensors{
        named("q.lora_A.weight", {2, 3}), named("q.lora_B.weight", {3, 2}),
        named("e.lora_embedding_A", {2, 9}), named("q.lora_B.bias", {3}), named("n.weight", {3})};
    give_rates(tensors, recipe, {false, false, false, false, true});
    const double rates[] = {0.5, 4, 1e-3, 4, 4};
    const bool decay[] = {true, true, true, false, false};
    for (std::size_t i = 0; i < tensors.size(); ++i) {
      QVERIFY2(std::abs(tensors[i].rate - rates[i]) < 1e-12, tensors[i].name.c_str());
      QCOMPARE(tensors[i].decay, decay[i]);
    }
    // What is set of another method stays in the recipe and moves nothing.
    QVERIFY(set_field(recipe, "strategy", "hra").ok());
    recipe.training.learning_rate = 5e-4;
    give_rates(tensors, recipe);
    for (const TrainedTensor& trained : tensors) QCOMPARE(trained.rate, 1.0);
  }

  void a_rate_beside_none_is_refused() {
    Recipe recipe;
    recipe.model = recipe.output_dir = "x", recipe.dataset = {"x"};
    recipe.training.learning_rate = 0;
    QVERIFY(check_recipe(recipe).ok());
    QVERIFY(set_field(recipe, "training.projector_learning_rate", "1e-3").ok());
    QVERIFY(!check_recipe(recipe).ok());
  }
};

QTEST_APPLESS_MAIN(TestRates)
#include "test_rates.moc"
