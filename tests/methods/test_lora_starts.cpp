// SPDX-License-Identifier: GPL-3.0-or-later
// Where LoRA begins otherwise than with a product of nothing: what each start takes out of a weight
// or finds in it, what of that trains and what a mask sees, and the same adapter as a plain one.
#include <cmath>

#include "engine/config/quantization_fields.h"
#include "engine/methods/convert.h"
#include "engine/methods/loftq.h"
#include "engine/methods/lora_settings.h"
#include "engine/methods/lora_starts.h"
#include "engine/train/strategy.h"
#include "tests/methods/lora_base.h"

using namespace luthier;
using namespace luthier::test;
using torch::Tensor;

class TestLoraStarts : public QObject {
  Q_OBJECT

  MethodBase base_;

 private slots:
  /// B are directions that the weight hardly knows; they are in the file and stay.
  void mica_trains_a_alone() {
    LoadedModel loaded = base_.load();
    Recipe asked = lora_recipe(base_, {"adapter.init_lora_weights=mica", "adapter.r=3",
                                       "adapter.target_modules=[layers.0.self_attn.q_proj]"});
    const auto made = apply_strategy(loaded, asked);
    QVERIFY(made);
    std::int64_t numbers = 0;
    std::size_t others = 0;
    for (const auto& [key, tensor] : made->adapter->tensors()) {
      QVERIFY2(!tensor.requires_grad() || key.find("lora_B") == std::string::npos, key.c_str());
      if (key.find("lora_A") == std::string::npos) continue;
      others += 1;
      numbers += tensor.numel();
    }
    QVERIFY(others > 0);
    QCOMPARE(made->parameters(), numbers);
    const fs::path folder = base_.made("mica-b");
    QVERIFY(made->adapter->save(folder, "base"));
    const auto file = SafetensorsFile::open(folder / Adapter::kTensorFile);
    QVERIFY(file);
    std::size_t found = 0;
    for (const auto& [key, info] : file->header().tensors)
      found += key.find("lora_B") != std::string::npos ? 1 : 0;
    QCOMPARE(found, others);
    QCOMPARE((*read_json_file(folder / Adapter::kConfigFile))["init_lora_weights"], Json("mica"));

    const Tensor weight = torch::diag(torch::tensor({5.f, 4.f, 3.f, 2.f}));
    const Tensor b = smallest_directions(weight, 2);  // [4, 2]
    QVERIFY(far(b.abs(), torch::tensor({{0.f, 0.f}, {0.f, 0.f}, {1.f, 0.f}, {0.f, 1.f}})) < 1e-6);
    asked.adapter.r = 4000;
    const auto large = apply_strategy(loaded, asked);
    QVERIFY(!large && large.error().where == "adapter.r");
    asked.adapter.use_dora = true;
    QVERIFY(!check_recipe(asked));
  }

  /// With dropout what was taken out of the weight still sees x as it is.
  void taken_out_sees_no_mask() {
    torch::manual_seed(2);
    Linear linear(6, 5, true, torch::TensorOptions());
    const torch::NoGradGuard no_grad;
    linear->weight.slot().copy_(torch::randn({5, 6}));
    linear->bias.copy_(torch::randn({5}));
    const double s = 0.5;
    const LoraVariant::Taken taken = taken_from(linear->weight, "pissa", 2, s, 0);
    const Tensor a = taken.a + torch::randn({2, 6}), b = taken.b + torch::randn({5, 2});
    const Tensor x = torch::randn({7, 6});
    const auto pair = std::make_shared<LoraLinear>(a, b, s, 0.4, 0);
    LoraVariant plug(pair, taken);
    plug.training = true;
    plug.seed = 4;
    const LowRank low = pair->low_rank_of(plug, 1, torch::kFloat32);
    const Tensor rest = linear->weight.dense() - s * torch::mm(taken.b, taken.a);
    const Tensor wanted = torch::mm(x, rest.t()) + linear->bias +
                          s * torch::mm(torch::mm(dropped_out(x, 0.4, low.seed), a.t()), b.t());
    QVERIFY(far(plug.forward(x, *linear), wanted) < 1e-5);
  }

  void what_starts_take() {
    torch::manual_seed(3);
    for (const auto& sizes : {std::vector<std::int64_t>{9, 6}, {6, 9}}) {
      const Tensor w = torch::randn(sizes);
      const Weight weight(w);
      const auto pissa = taken_from(weight, "pissa", 3, 2, 0);
      const auto singular = std::get<1>(at::linalg_svd(w - 2 * torch::mm(pissa.b, pissa.a)));
      const auto whole = std::get<1>(at::linalg_svd(w));
      QVERIFY(far(singular.slice(0, 0, 3), whole.slice(0, 3, 6)) < 1e-5);  // the three are gone
      const auto nearly = taken_from(weight, "pissa_niter_40", 3, 2, 8);
      QVERIFY(far(torch::mm(nearly.b, nearly.a), torch::mm(pissa.b, pissa.a)) < 1e-3);
      const auto again = taken_from(weight, "pissa_niter_40", 3, 2, 8);
      QVERIFY(torch::equal(nearly.a, again.a) && torch::equal(nearly.b, again.b));
      const auto olora = taken_from(weight, "olora", 3, 2, 0);
      QVERIFY(far(torch::mm(olora.b.t(), olora.b), torch::eye(3)) < 1e-5);
      QVERIFY(far(torch::mm(olora.b, torch::mm(olora.b.t(), w)), torch::mm(olora.b, olora.a)) <
              1e-5);
    }
    auto generator = at::make_generator<at::CPUGeneratorImpl>(1);
    Tensor a = torch::zeros({4, 9}), b = torch::zeros({6, 4});
    draw_orthogonal(a, b, generator);
    QVERIFY(a.abs().max().item<double>() > 0.01 && b.abs().max().item<double>() > 0.01);
    QVERIFY(torch::mm(b, a).abs().max().item<double>() < 1e-6);
  }

  void packed_bases_have_no_start_to_take() {
    LoadOptions options;
    options.device = "cpu";
    options.dtype = "float32";
    options.quantization =
        quantization_settings(base_.recipe("lora", {"quantization.load_in_4bit=true"}));
    auto loaded = load_model(base_.folder(), options);
    QVERIFY2(loaded, loaded ? "" : loaded.error().sentence().c_str());
    for (const char* start : {"pissa", "olora"}) {
      const Recipe asked = lora_recipe(base_, {"adapter.target_modules=[q_proj]",
                                               QString("adapter.init_lora_weights=%1").arg(start)});
      const auto refused = create_adapter(*loaded, "lora", asked.adapter, 1);
      QVERIFY(!refused);
      QCOMPARE(refused.error().where, std::string("adapter.init_lora_weights"));
    }
    // DoRA's norm is of the weight as it is packed.
    const auto adapter = fresh_lora(
        *loaded, lora_recipe(base_, {"adapter.target_modules=[q_proj]", "adapter.use_dora=true"}));
    const Tensor plain = logits_of(*loaded->model);
    adapter->activate();
    QVERIFY(far(logits_of(*loaded->model), plain) < 1e-5);
  }

  /// W − Q of the packed weight is what the pair begins with, as far as its rank goes.
  void loftq_makes_up_for_the_packing() {
    LoadedModel loaded = base_.load();
    const Tensor plain = logits_of(*loaded.model);
    const auto answer = [&](const QStringList& set) {
      const auto adapter = fresh_lora(
          loaded,
          lora_recipe(base_,
                      QStringList{"adapter.target_modules=.*language_model.*(q_proj|down_proj)",
                                  "adapter.init_lora_weights=loftq"}
                          << set));
      adapter->activate();
      const Tensor logits = logits_of(*loaded.model);
      adapter->deactivate();
      return logits;
    };
    const double whole = far(answer({"adapter.r=64", "adapter.lora_alpha=64"}), plain);
    const double some = far(answer({"adapter.r=16", "adapter.lora_alpha=16"}), plain);
    const double none = far(answer({"adapter.r=16", "adapter.lora_alpha=0.0001"}), plain);
    QVERIFY2(whole < 1e-4, std::to_string(whole).c_str());  // a pair of full rank is all of it
    QVERIFY2(some > 1e-3 && some < none, std::to_string(some).c_str());

    const Linear linear =
        list_ports(*loaded.model).linears.at("model.language_model.layers.0.self_attn.q_proj");
    const Tensor w = linear->weight.dense();
    AdapterSettings settings = lora_recipe(base_, {"adapter.init_lora_weights=loftq"}).adapter;
    const LoftqStart once = loftq_start(linear->weight, settings, 4, true);
    const auto left = [&](const LoftqStart& start) {
      return std::get<1>(
          at::linalg_svd(w - start.weight.dense(torch::kFloat32) - torch::mm(start.b, start.a)));
    };
    const Tensor residual = std::get<1>(at::linalg_svd(w - once.weight.dense(torch::kFloat32)));
    QVERIFY(far(left(once)[0], residual[4]) < 1e-3);  // its four largest are gone
    QVERIFY(once.weight.packed() && once.weight.bytes() * 6 < linear->weight.bytes());
    ModelModule module;
    module.type = "Linear", module.shape = w.sizes().vec();
    TrainedShare share;
    lora_keeps(share, module, ModuleScale{}, settings);
    QCOMPARE(once.weight.bytes(), share.fixed_numbers * 4 + share.fixed_bytes);
    settings.more.set_json("adapter.loftq_iter", "5");
    const LoftqStart often = loftq_start(linear->weight, settings, 4, true);
    QVERIFY(left(often).square().sum().item<double>() < left(once).square().sum().item<double>());
    // Read from a file, the same weight stands there without the pair.
    const LoftqStart read = loftq_start(linear->weight, settings, 4, false);
    QVERIFY(!read.a.defined());
    QVERIFY(torch::equal(read.weight.dense(), often.weight.dense()));
  }

  void converted_is_the_same_adapter_data() {
    QTest::addColumn<QStringList>("set");
    for (const char* start : {"pissa", "olora", "pissa_niter_2"})
      QTest::newRow(start) << QStringList{QString("adapter.init_lora_weights=%1").arg(start)};
    QTest::newRow("scales") << QStringList{
        "adapter.init_lora_weights=pissa", "adapter.use_rslora=true",
        "adapter.rank_pattern={q_proj: 2}", "adapter.alpha_pattern={k_proj: 5}"};
    QTest::newRow("dora") << QStringList{"adapter.init_lora_weights=pissa",
                                         "adapter.use_dora=true"};
  }
  void converted_is_the_same_adapter() {
    QFETCH(QStringList, set);
    LoadedModel loaded = base_.load();
    const auto adapter = fresh_lora(
        loaded,
        lora_recipe(
            base_,
            QStringList{"adapter.r=4", "adapter.target_modules=[embed_tokens, q_proj, k_proj]"}
                << set));
    disturb(*adapter);
    const fs::path folder = base_.made(std::string("taken-") + QTest::currentDataTag());
    QVERIFY(adapter->save(folder, "base"));
    adapter->activate();
    const Tensor wanted = logits_of(*loaded.model);
    adapter->deactivate();
    const fs::path out = base_.root() / (std::string("plain-") + QTest::currentDataTag());
    const auto done = convert_to_plain_lora(base_.folder(), folder, out);
    QVERIFY2(done, done ? "" : done.error().sentence().c_str());
    const auto plain = load_adapter(loaded, out);
    QVERIFY2(plain, plain ? "" : plain.error().sentence().c_str());
    QCOMPARE((*plain)->settings().init_lora_weights, std::string("true"));
    (*plain)->activate();
    QVERIFY(far(logits_of(*loaded.model), wanted) < 1e-4);
    (*plain)->deactivate();
    QVERIFY(!convert_to_plain_lora(base_.folder(), out, base_.root() / "twice"));
  }
};

QTEST_GUILESS_MAIN(TestLoraStarts)
#include "test_lora_starts.moc"
