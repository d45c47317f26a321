// SPDX-License-Identifier: GPL-3.0-or-later
// LoRA's other settings: what each of them is held to that tests/methods/test_methods holds plain
// LoRA to, its formula written out once more, and what is refused.
#include <cmath>

#include "engine/config/quantization_fields.h"
#include "engine/forecast/forecast.h"
#include "engine/methods/build_adapter.h"
#include "engine/methods/convert.h"
#include "engine/methods/loftq.h"
#include "engine/methods/lora_settings.h"
#include "engine/methods/lora_starts.h"
#include "engine/methods/merge.h"
#include "engine/models/packing.h"
#include "engine/train/strategy.h"
#include "tests/methods/slopes.h"

using namespace luthier;
using namespace luthier::test;
using torch::Tensor;

class TestLoraFamily : public QObject {
  Q_OBJECT

  MethodBase base_;

  void settings(bool other_starts) {
    QTest::addColumn<QStringList>("set");
    const auto row = [](const char* name, const QStringList& set) {
      QTest::newRow(name)
          << (QStringList{"adapter.r=4", "adapter.target_modules=[q_proj, down_proj]"} << set);
    };
    row("dora", {"adapter.use_dora=true"});
    row("dora with dropout", {"adapter.use_dora=true", "adapter.lora_dropout=0.2"});
    row("dora on the embedding",
        {"adapter.use_dora=true", "adapter.target_modules=[embed_tokens, v_proj]"});
    row("a convolution", {"adapter.target_modules=[patch_embedding, v_proj]"});
    row("dora on a convolution",
        {"adapter.use_dora=true", "adapter.target_modules=[patch_embedding, v_proj]"});
    row("pissa", {"adapter.init_lora_weights=pissa"});
    row("nearly pissa", {"adapter.init_lora_weights=pissa_niter_3"});
    row("olora", {"adapter.init_lora_weights=olora"});
    row("dora of pissa", {"adapter.use_dora=true", "adapter.init_lora_weights=pissa"});
    row("orthogonal", {"adapter.init_lora_weights=orthogonal"});
    row("mica",
        {"adapter.init_lora_weights=mica", "adapter.target_modules=[q_proj, embed_tokens]"});
    row("layers", {"adapter.layers_to_transform=[0]"});
    row("all biases", {"adapter.bias=all"});
    row("own biases", {"adapter.bias=lora_only"});
    row("bias of B", {"adapter.lora_bias=true"});
    if (!other_starts) return;
    row("loftq", {"adapter.init_lora_weights=loftq"});
    row("loftq of eight bits",
        {"adapter.init_lora_weights=loftq", "adapter.loftq_bits=8", "adapter.lora_dropout=0.1"});
    row("dora of loftq", {"adapter.use_dora=true", "adapter.init_lora_weights=loftq",
                          "adapter.loftq_iter=2", "adapter.lora_dropout=0.1"});
  }
  Recipe recipe(const QStringList& set) const {
    std::vector<std::string> all;
    for (const QString& each : set) all.push_back(each.toStdString());
    return base_.recipe("lora", all);
  }
  static std::shared_ptr<Adapter> fresh(LoadedModel& loaded, const Recipe& recipe) {
    auto made = create_adapter(loaded, "lora", recipe.adapter, 3);
    if (!made) qFatal("%s", made.error().sentence().c_str());
    return made.take();
  }

 private slots:
  void the_start_is_the_base_data() { settings(false); }
  void the_start_is_the_base() {
    QFETCH(QStringList, set);
    LoadedModel loaded = base_.load();
    const Tensor plain = logits_of(*loaded.model);
    const auto adapter = fresh(loaded, recipe(set));
    adapter->activate();
    QVERIFY(far(logits_of(*loaded.model), plain) < 1e-4);
  }

  /// B are directions that the weight hardly knows; they are in the file and stay.
  void mica_trains_a_alone() {
    LoadedModel loaded = base_.load();
    Recipe asked = recipe({"adapter.init_lora_weights=mica", "adapter.r=3",
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

  void switching_and_files_data() { settings(true); }
  void switching_and_files() {
    QFETCH(QStringList, set);
    LoadedModel loaded = base_.load();
    const auto before = copies(*loaded.model);
    const Tensor plain = logits_of(*loaded.model);
    const auto adapter = fresh(loaded, recipe(set));
    disturb(*adapter);
    adapter->activate();
    const Tensor with = logits_of(*loaded.model);
    QVERIFY2(far(with, plain) > 1e-3, "the case is blind");
    adapter->set_strength(0);
    const bool biases = set.join("").contains("adapter.bias");
    if (!biases) QVERIFY(torch::equal(logits_of(*loaded.model), plain));
    adapter->set_strength(1);
    QVERIFY(torch::equal(logits_of(*loaded.model), with));
    adapter->deactivate();
    QVERIFY(torch::equal(logits_of(*loaded.model), plain));
    QVERIFY(same_bytes(*loaded.model, before));

    const fs::path folder = base_.made(std::string("folder-") + QTest::currentDataTag());
    QVERIFY(adapter->save(folder, "base"));
    const auto again = load_adapter(loaded, folder);
    QVERIFY2(again, again ? "" : again.error().sentence().c_str());
    const auto left = adapter->tensors(), right = (*again)->tensors();
    QCOMPARE(left.size(), right.size());
    for (std::size_t i = 0; i < left.size(); ++i) {
      QCOMPARE(right[i].first, left[i].first);
      QVERIFY2(torch::equal(right[i].second, left[i].second), left[i].first.c_str());
    }
    (*again)->activate();
    QVERIFY(torch::equal(logits_of(*loaded.model), with));
    (*again)->deactivate();
    const fs::path second = base_.made(std::string("second-") + QTest::currentDataTag());
    QVERIFY((*again)->save(second, "base"));
    QCOMPARE(*read_json_file(second / Adapter::kConfigFile),
             *read_json_file(folder / Adapter::kConfigFile));
  }

  void counted_before_it_is_made_data() { settings(true); }
  void counted_before_it_is_made() {
    QFETCH(QStringList, set);
    LoadedModel loaded = base_.load();
    const Recipe asked = recipe(set);
    const auto summary = summarize_model(base_.folder());
    const auto planned = trained_modules(*summary, asked);
    QVERIFY2(planned, planned ? "" : planned.error().sentence().c_str());
    const auto made = apply_strategy(loaded, asked);
    QVERIFY2(made, made ? "" : made.error().sentence().c_str());
    QCOMPARE(planned->parameters, made->parameters());
    const fs::path folder = base_.made(std::string("counted-") + QTest::currentDataTag());
    QVERIFY(made->adapter->save(folder, "base"));
    const auto from =
        trained_modules(*summary, base_.recipe("lora", {"adapter.init_from=" + folder.string()}));
    QVERIFY2(from, from ? "" : from.error().sentence().c_str());
    QCOMPARE(from->parameters, made->parameters());
  }

  void merges_data() { settings(true); }
  void merges() {
    QFETCH(QStringList, set);
    LoadedModel loaded = base_.load();
    const auto adapter = fresh(loaded, recipe(set));
    disturb(*adapter);
    const fs::path folder = base_.made(std::string("merge-") + QTest::currentDataTag());
    QVERIFY(adapter->save(folder, "base"));
    const fs::path out = base_.root() / (std::string("merged-") + QTest::currentDataTag());
    const auto report = merge_adapter(base_.folder(), folder, out);
    if (set.contains("adapter.lora_bias=true")) {  // llama's linears have none to add it to
      QVERIFY(!report && !fs::exists(out));
      QVERIFY2(report.error().what.find("lora_bias") != std::string::npos,
               report.error().sentence().c_str());
      return;
    }
    QVERIFY2(report, report ? "" : report.error().sentence().c_str());
    QVERIFY2(report->relative_error() <= 1e-5, report->sentence().c_str());
  }

  void gradients_are_slopes_data() { settings(true); }
  /// But DoRA's norm has no gradient, so that of its pair is no slope (doras_gradients).
  void gradients_are_slopes() {
    QFETCH(QStringList, set);
    LoadedModel loaded = base_.load();
    const bool dora = set.contains("adapter.use_dora=true");
    const auto adapter = fresh(loaded, recipe(set));
    disturb(*adapter);
    adapter->activate();
    adapter->set_training(true, 5);
    int looked = 0;
    const QString wrong =
        wrong_slope(*adapter, value_of(loaded), looked, [&](const std::string& key) {
          return dora && key.find("lora_magnitude_vector") == std::string::npos;
        });
    QVERIFY2(wrong.isEmpty(), qPrintable(wrong));
    QVERIFY(looked > 0);
  }

  /// y = m/‖W + sBA‖ · (Wx + sBAx) + b; under dropout only what the norm changes sees the mask.
  void doras_formula() {
    torch::manual_seed(1);
    const torch::TensorOptions options;
    Linear linear(6, 5, true, options);
    const torch::NoGradGuard no_grad;
    linear->weight.slot().copy_(torch::randn({5, 6}));
    linear->bias.copy_(torch::randn({5}));
    const Tensor a = torch::randn({2, 6}), b = torch::randn({5, 2}), x = torch::randn({7, 6});
    const Tensor m = torch::rand({5}) + 0.5;
    const double s = 0.7;
    const auto pair = std::make_shared<LoraLinear>(a, b, s, 0.4, 0);
    LoraVariant plug(pair, {});
    plug.rescale(m, *linear);
    const Tensor w = linear->weight.dense(), sum = w + s * torch::mm(b, a);
    const Tensor factor = m / sum.square().sum(1).sqrt();
    QVERIFY(far(plug.norms(*linear), sum.square().sum(1).sqrt()) < 1e-6);
    QVERIFY(far(plug.forward(x, *linear), torch::mm(x, sum.t()) * factor + linear->bias) < 1e-6);
    plug.training = true;
    plug.seed = 11;
    const LowRank low = pair->low_rank_of(plug, 1, torch::kFloat32);
    const Tensor dropped = dropped_out(x, 0.4, low.seed);
    QVERIFY(!torch::equal(dropped, x));
    const Tensor wanted = torch::mm(x, w.t()) + linear->bias +
                          (factor - 1) * torch::mm(dropped, w.t()) +
                          factor * s * torch::mm(torch::mm(dropped, a.t()), b.t());
    QVERIFY(far(plug.forward(x, *linear), wanted) < 1e-6);
    plug.training = false;
    plug.strength = 0.25;
    const Tensor full = torch::mm(x, sum.t()) * factor + linear->bias;
    const Tensor quarter = 0.75 * linear->product(x) + 0.25 * full;
    QVERIFY(far(plug.forward(x, *linear), quarter) < 1e-6);
  }

  /// The gradients of the formula above with the norm held fixed, under dropout too.
  void doras_gradients() {
    torch::manual_seed(6);
    Linear linear(6, 5, true, torch::TensorOptions());
    {
      const torch::NoGradGuard no_grad;
      linear->weight.slot().copy_(torch::randn({5, 6}));
      linear->bias.copy_(torch::randn({5}));
    }
    const double s = 0.7;
    const Tensor target = torch::randn({7, 5});
    std::vector<Tensor> leaves{torch::randn({2, 6}), torch::randn({5, 2}), torch::rand({5}) + 0.5,
                               torch::randn({7, 6})};
    for (Tensor& leaf : leaves) leaf.set_requires_grad(true);
    const Tensor &a = leaves[0], &b = leaves[1], &m = leaves[2], &x = leaves[3];
    for (const bool training : {false, true}) {
      const auto pair = std::make_shared<LoraLinear>(a, b, s, 0.4, 0);
      LoraVariant plug(pair, {});
      plug.rescale(m, *linear);
      plug.training = training;
      plug.seed = 11;
      const Tensor mask =
          dropped_out(torch::ones({7, 6}), 0.4, pair->low_rank_of(plug, 1, torch::kFloat32).seed);
      const Tensor w = linear->weight.dense(), dropped = training ? x * mask : x;
      const Tensor norm = (w + s * torch::mm(b, a)).detach().square().sum(1).sqrt();
      const Tensor factor = m / norm;
      const Tensor formula = torch::mm(x, w.t()) + linear->bias +
                             (factor - 1) * torch::mm(dropped, w.t()) +
                             factor * s * torch::mm(torch::mm(dropped, a.t()), b.t());
      const auto wanted = torch::autograd::grad({(formula * target).sum()}, leaves);
      const auto got = torch::autograd::grad({(plug.forward(x, *linear) * target).sum()}, leaves);
      for (std::size_t i = 0; i < leaves.size(); ++i) QVERIFY(far(got[i], wanted[i]) < 1e-5);
    }
  }

  /// Over eight bits the norm is that of the dense numbers, in training and in answers alike.
  void doras_norm_of_eight_bits() {
    torch::manual_seed(7);
    const torch::NoGradGuard no_grad;
    const Json how{{"load_in_8bit", true}};
    const auto kind = find_weight_kind(how, "here");
    auto packed = weight_packing(**kind)->pack(torch::randn({24, 64}), how, "w");
    QVERIFY(packed);
    LinearImpl linear{torch::zeros({24, 64})};
    linear.weight = Weight(packed.take());
    const Tensor a = torch::randn({4, 64}), b = torch::randn({24, 4});
    LoraVariant plug(std::make_shared<LoraLinear>(a, b, 0.5, 0.0, 0), {});
    plug.rescale(torch::ones({24}), linear);
    const Tensor sum = linear.weight.dense(torch::kFloat32) + 0.5 * torch::mm(b, a);
    QVERIFY(far(plug.norms(linear), sum.square().sum(1).sqrt()) < 1e-5);
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
      const Recipe asked = recipe(
          {"adapter.target_modules=[q_proj]", QString("adapter.init_lora_weights=%1").arg(start)});
      const auto refused = create_adapter(*loaded, "lora", asked.adapter, 1);
      QVERIFY(!refused);
      QCOMPARE(refused.error().where, std::string("adapter.init_lora_weights"));
    }
    // DoRA's norm is of the weight as it is packed.
    const auto adapter =
        fresh(*loaded, recipe({"adapter.target_modules=[q_proj]", "adapter.use_dora=true"}));
    const Tensor plain = logits_of(*loaded->model);
    adapter->activate();
    QVERIFY(far(logits_of(*loaded->model), plain) < 1e-5);
  }

  void refused_data() {
    QTest::addColumn<QStringList>("set");
    QTest::addColumn<QString>("where");
    const auto row = [](const char* name, const QStringList& set, const char* where) {
      QTest::newRow(name) << (QStringList{"adapter.target_modules=[q_proj]"} << set) << where;
    };
    row("odd rank", {"adapter.init_lora_weights=orthogonal", "adapter.r=3"}, "adapter.r");
    row("rank too high", {"adapter.init_lora_weights=olora", "adapter.r=4000"}, "adapter.r");
    row("no such layer", {"adapter.layers_to_transform=[40]"}, "adapter.layers_to_transform");
    row("no such list", {"adapter.layers_to_transform=[0]", "adapter.layers_pattern=[blocks]"},
        "adapter.layers_pattern");
    row("bias on an embedding", {"adapter.target_modules=[embed_tokens]", "adapter.lora_bias=true"},
        "adapter.lora_bias");
  }
  void refused() {
    QFETCH(QStringList, set);
    QFETCH(QString, where);
    LoadedModel loaded = base_.load();
    const auto made = create_adapter(loaded, "lora", recipe(set).adapter, 1);
    QVERIFY(!made);
    QCOMPARE(QString::fromStdString(made.error().where), where);
  }

  void a_file_with_more_than_its_settings_say() {
    LoadedModel loaded = base_.load();
    const auto adapter = fresh(loaded, recipe({"adapter.use_dora=true"}));
    const fs::path folder = base_.made("more");
    QVERIFY(adapter->save(folder, "base"));
    Json config = *read_json_file(folder / Adapter::kConfigFile);
    config["use_dora"] = false;
    QVERIFY(write_file_atomically(folder / Adapter::kConfigFile, config.dump()));
    const auto refused = load_adapter(loaded, folder);
    QVERIFY(!refused);
    QVERIFY2(refused.error().what.find("lora_magnitude_vector") != std::string::npos,
             refused.error().sentence().c_str());
  }

  /// W − Q of the packed weight is what the pair begins with, as far as its rank goes.
  void loftq_makes_up_for_the_packing() {
    LoadedModel loaded = base_.load();
    const Tensor plain = logits_of(*loaded.model);
    const auto answer = [&](const QStringList& set) {
      const auto adapter = fresh(
          loaded, recipe(QStringList{"adapter.target_modules=.*language_model.*(q_proj|down_proj)",
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
    AdapterSettings settings = recipe({"adapter.init_lora_weights=loftq"}).adapter;
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
    const auto adapter = fresh(
        loaded,
        recipe(QStringList{"adapter.r=4", "adapter.target_modules=[embed_tokens, q_proj, k_proj]"}
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

  void plus_has_three_rates() {
    LoadedModel loaded = base_.load();
    const auto made = apply_strategy(
        loaded, recipe({"adapter.target_modules=[embed_tokens, q_proj]", "adapter.use_dora=true",
                        "adapter.bias=all", "training.loraplus_lr_ratio=8",
                        "training.loraplus_lr_embedding=1e-5", "training.learning_rate=1e-3"}));
    QVERIFY2(made, made ? "" : made.error().sentence().c_str());
    for (const TrainedTensor& each : made->tensors) {
      const bool embedding = each.name.find("lora_embedding_") != std::string::npos;
      const bool of_a = each.name.find("lora_A") != std::string::npos;
      const bool bias = each.name.ends_with(".bias");
      QVERIFY2(std::abs(each.rate - (embedding ? 1e-2 : of_a ? 1 : 8)) < 1e-9, each.name.c_str());
      QCOMPARE(each.decay, !bias);
    }
  }
};

QTEST_GUILESS_MAIN(TestLoraFamily)
#include "test_lora_family.moc"
