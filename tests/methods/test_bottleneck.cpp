// SPDX-License-Identifier: GPL-3.0-or-later
// Bottleneck adapters: the formula of both places, which branches they stand behind, AdapterHub's
// config, and what of it is not computed.
#include "engine/methods/bottleneck.h"
#include "tests/methods/method_base.h"

using namespace luthier;
using namespace luthier::test;
using torch::Tensor;

class TestBottleneck : public QObject {
  Q_OBJECT

  MethodBase base_;

 private slots:
  void the_formula() {
    torch::manual_seed(6);
    const std::vector<Tensor> tensors{torch::randn({3, 8}), torch::randn({3}), torch::randn({8, 3}),
                                      torch::randn({8})};
    const Tensor y = torch::randn({5, 8}), x = torch::randn({5, 8});
    const auto network = [&](const Tensor& in) {
      const Tensor narrow = at::relu(at::mm(in, tensors[0].t()) + tensors[1]);
      return at::mm(narrow, tensors[2].t()) + tensors[3];
    };
    const BottleneckPlug houlsby(tensors, Activation::Relu, false);
    const BottleneckPlug pfeiffer(tensors, Activation::Relu, true);
    QVERIFY(far(houlsby.after(y, x), y + network(y)) < 1e-6);
    QVERIFY(far(pfeiffer.after(y, x), y + network(y + x)) < 1e-6);
  }

  void places() {
    LoadedModel loaded = base_.load();
    const auto keys = [&](const std::vector<std::string>& settings) {
      const Recipe recipe = base_.recipe("bottleneck", settings);
      auto made = create_adapter(loaded, "bottleneck", recipe.adapter, 1);
      if (!made) qFatal("%s", made.error().sentence().c_str());
      std::set<std::string> names;
      for (const auto& [key, tensor] : made.value()->tensors()) names.insert(key);
      return names;
    };
    const std::string layer = "model.language_model.layers.1.";
    const auto both = keys({});
    QCOMPARE(both.size(), std::size_t{(2 + 3) * 2 * 4});
    QVERIFY(both.contains(layer + "attention_adapters.adapters.default.adapter_down.0.weight"));
    QVERIFY(both.contains(layer + "output_adapters.adapters.default.adapter_up.bias"));
    const auto one = keys({"adapter.config=pfeiffer"});
    QCOMPARE(one.size(), std::size_t{(2 + 3) * 4});
    QVERIFY(!one.contains(layer + "attention_adapters.adapters.default.adapter_up.bias"));
    const auto text = keys({"adapter.exclude_modules=.*vision_tower.*"});
    QCOMPARE(text.size(), std::size_t{2 * 2 * 4});
  }

  void sizes_by_the_factor() {
    LoadedModel loaded = base_.load();
    for (const auto& [factor, narrow] : {std::pair{4, 16}, std::pair{16, 4}, std::pair{1000, 1}}) {
      const Recipe recipe =
          base_.recipe("bottleneck", {"adapter.reduction_factor=" + std::to_string(factor),
                                      "adapter.exclude_modules=.*vision_tower.*"});
      const auto made = create_adapter(loaded, "bottleneck", recipe.adapter, 1);
      for (const auto& [key, tensor] : made.value()->tensors()) {
        if (key.ends_with("adapter_down.0.weight"))
          QCOMPARE(tensor.sizes().vec(), (std::vector<std::int64_t>{narrow, 64}));
      }
    }
  }

  void adapter_hubs_config() {
    for (const char* place : {"houlsby", "pfeiffer"}) {
      const Recipe recipe =
          base_.recipe("bottleneck", {std::string("adapter.config=") + place,
                                      "adapter.non_linearity=swish", "adapter.reduction_factor=8"});
      const Json config = write_bottleneck_settings(recipe.adapter);
      const bool houlsby = std::string(place) == "houlsby";
      QCOMPARE(config["config"]["mh_adapter"], Json(houlsby));
      QCOMPARE(config["config"]["original_ln_before"], Json(!houlsby));
      const auto again = read_bottleneck_settings(config, "config");
      QVERIFY(again);
      QCOMPARE(again->more.text("adapter.config"), std::string(place));
      QCOMPARE(again->more.text("adapter.non_linearity"), std::string("swish"));
      QCOMPARE(again->more.integer("adapter.reduction_factor"), std::int64_t{8});
      for (const auto& [key, value] : std::map<std::string, Json>{{"ln_after", true},
                                                                  {"scaling", "learned"},
                                                                  {"is_parallel", true},
                                                                  {"phm_layer", true}}) {
        Json other = config;
        other["config"][key] = value;
        QVERIFY2(!read_bottleneck_settings(other, "config"), key.c_str());
      }
      Json named = config;
      named["name"] = "mine";
      const auto refused = read_bottleneck_settings(named, "config");
      QVERIFY(!refused && refused.error().where == "config: name");
    }
  }
};

QTEST_GUILESS_MAIN(TestBottleneck)
#include "test_bottleneck.moc"
