// SPDX-License-Identifier: GPL-3.0-or-later
// Methods that train copies of the base's own tensors: norms and biases.
#include "engine/train/strategy.h"
#include "tests/methods/method_base.h"

using namespace luthier;
using namespace luthier::test;
using torch::Tensor;

class TestBaseCopies : public QObject {
  Q_OBJECT

  MethodBase base_;

  std::shared_ptr<Adapter> fresh(LoadedModel& loaded, const std::string& strategy,
                                 const std::vector<std::string>& settings = {}) {
    const Recipe recipe = base_.recipe(strategy, settings);
    auto made = create_adapter(loaded, strategy, recipe.adapter, 1);
    if (!made) qFatal("%s", made.error().sentence().c_str());
    return made.take();
  }
  static std::string without_prefix(const std::string& key) {
    return key.substr(std::string("base_model.model.").size());
  }

 private slots:
  /// Every norm, and every bias, of the model; each starts as the base's.
  void all_of_them_by_default() {
    LoadedModel loaded = base_.load();
    const auto parameters = loaded.model->named_parameters();
    std::size_t norms = 0, biases = 0;
    for (const auto& item : parameters) {
      biases += item.key().ends_with(".bias");
      norms += item.key().find("norm") != std::string::npos;
    }
    QVERIFY(norms > 5 && biases > 5 && norms != biases);
    const auto of_norms = fresh(loaded, "ln_tuning")->tensors();
    QCOMPARE(of_norms.size(), norms);
    for (const auto& [key, tensor] : of_norms) {
      std::string name = without_prefix(key);
      name.erase(name.find(".ln_tuning_layers"), std::string(".ln_tuning_layers").size());
      QVERIFY2(parameters.contains(name), key.c_str());
      QVERIFY(torch::equal(tensor, parameters[name]));
      QVERIFY(!tensor.is_same(parameters[name]));
    }
    const auto of_biases = fresh(loaded, "bitfit")->tensors();
    QCOMPARE(of_biases.size(), biases);
    for (const auto& [key, tensor] : of_biases)
      QVERIFY2(torch::equal(tensor, parameters[without_prefix(key)]), key.c_str());
  }

  void chosen_ones() {
    LoadedModel loaded = base_.load();
    const auto adapter = fresh(loaded, "ln_tuning",
                               {"adapter.target_modules=[input_layernorm, layer_norm1]",
                                "adapter.exclude_modules=.*layers\\.0\\..*"});
    for (const auto& [key, tensor] : adapter->tensors()) {
      QVERIFY2(key.find("layers.0.") == std::string::npos, key.c_str());
      QVERIFY2(key.find("input_layernorm") != std::string::npos ||
                   key.find("layer_norm1") != std::string::npos,
               key.c_str());
    }
    const Recipe wrong = base_.recipe("ln_tuning", {"adapter.target_modules=[q_proj]"});
    const auto refused = create_adapter(loaded, "ln_tuning", wrong.adapter, 1);
    QVERIFY(!refused && refused.error().what.find("q_proj") != std::string::npos);
  }

  /// A norm does not decay, whatever its name, and a bias does not.
  void nothing_decays() {
    for (const char* strategy : {"ln_tuning", "bitfit"}) {
      LoadedModel loaded = base_.load();
      const auto made = apply_strategy(loaded, base_.recipe(strategy));
      QVERIFY(made);
      for (const TrainedTensor& trained : made->tensors)
        QVERIFY2(!trained.decay, trained.name.c_str());
    }
  }

  /// Half as strong is halfway between the base and the copy; the copies themselves stay.
  void strength_lies_between() {
    LoadedModel loaded = base_.load();
    const auto adapter = fresh(loaded, "ln_tuning", {"adapter.target_modules=[input_layernorm]"});
    disturb(*adapter);
    const std::string name = "model.language_model.layers.0.input_layernorm";
    const auto modules = loaded.model->named_modules();
    const auto norm = std::dynamic_pointer_cast<RmsNormImpl>(modules[name]);
    const Tensor base = norm->weight.clone();
    Tensor own;
    for (const auto& [key, tensor] : adapter->tensors())
      if (key.find(name) != std::string::npos) own = tensor.clone();
    adapter->activate();
    QVERIFY(torch::equal(norm->weight, own));
    adapter->set_strength(0.5);
    QVERIFY(torch::allclose(norm->weight, (base + own) / 2));
    adapter->set_strength(1);
    QVERIFY(torch::equal(norm->weight, own));
    adapter->set_strength(0.25);
    adapter->deactivate();
    QVERIFY(torch::equal(norm->weight, base));
  }

  /// Beside copies of biases a module that is trained whole keeps its weight and its bias.
  void beside_a_saved_module() {
    LoadedModel loaded = base_.load();
    const auto adapter = fresh(loaded, "bitfit", {"adapter.modules_to_save=[linear_2]"});
    disturb(*adapter);
    const fs::path folder = base_.made("saved");
    QVERIFY(adapter->save(folder, "base"));
    const auto again = load_adapter(loaded, folder);
    QVERIFY2(again, again ? "" : again.error().sentence().c_str());
    const auto left = adapter->tensors(), right = again.value()->tensors();
    QCOMPARE(left.size(), right.size());
    for (std::size_t i = 0; i < left.size(); ++i) {
      QCOMPARE(right[i].first, left[i].first);
      QVERIFY(torch::equal(right[i].second, left[i].second));
    }
  }
};

QTEST_GUILESS_MAIN(TestBaseCopies)
#include "test_base_copies.moc"
