// SPDX-License-Identifier: GPL-3.0-or-later
// Arithmetic of adapters and models: what is pruned, elected and drawn by examples worked out by
// hand, parts of a product through its factors against the whole product, and what folders come to.
#include "tests/methods/method_base.h"

#include <fstream>

#include "engine/methods/arithmetic/combine.h"
#include "engine/methods/arithmetic/low_rank_parts.h"
#include "engine/methods/arithmetic/merge_models.h"
#include "engine/methods/arithmetic/ranks.h"
#include "engine/models/tensor_file.h"

using namespace luthier;
using namespace luthier::test;
using torch::Tensor;

namespace {

Tensor row(const std::vector<double>& values) { return torch::tensor(values, torch::kFloat32); }

bool same(const Tensor& got, const std::vector<double>& wanted) {
  return torch::allclose(got.to(torch::kFloat32), row(wanted), 1e-6, 1e-7);
}

Tensor drawn(const std::vector<std::int64_t>& shape, std::uint64_t seed) {
  auto generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  return torch::empty(shape, torch::kFloat32).normal_(0, 1, generator);
}

}  // namespace

class TestArithmetic : public QObject {
  Q_OBJECT
  std::unique_ptr<MethodBase> base_;

  /// A LoRA of this seed as a folder; returns what it does to the logits.
  Tensor write_adapter(const std::string& name, std::uint64_t seed,
                       const std::vector<std::string>& settings, double strength = 1) {
    LoadedModel model = base_->load();
    const Tensor before = logits_of(*model.model);
    auto adapter = create_adapter(model, "lora", base_->recipe("lora", settings).adapter, seed);
    if (!adapter) qFatal("%s", adapter.error().sentence().c_str());
    const torch::NoGradGuard no_grad;
    for (auto [key, tensor] : (*adapter)->tensors()) tensor.copy_(drawn(tensor.sizes().vec(), seed++) * 0.1);
    (*adapter)->set_strength(strength);
    (*adapter)->activate();
    const Tensor after = logits_of(*model.model);
    if (!(*adapter)->save(base_->made(name), base_->folder().string())) qFatal("not written");
    return after - before;
  }
  Tensor logits_with(const fs::path& folder) {
    LoadedModel model = base_->load();
    auto adapter = load_adapter(model, folder);
    if (!adapter) qFatal("%s", adapter.error().sentence().c_str());
    (*adapter)->activate();
    return logits_of(*model.model);
  }

 private slots:
  void initTestCase() { base_ = std::make_unique<MethodBase>(); }

  void pruning_keeps_the_largest() {
    const Tensor values = row({0.1, -3, 2, 0.5, -0.4});
    QVERIFY(same(pruned_by_magnitude(values, 0.5), {0, -3, 2, 0, 0}));  // int(2.5) of them
    QVERIFY(same(pruned_by_magnitude(values, 0), {0, 0, 0, 0, 0}));
    QVERIFY(torch::equal(pruned_by_magnitude(values, 1.2), values));
  }

  void signs_are_elected_by_sum_or_by_number() {
    const Tensor tasks = torch::stack({row({3, -1, 0}), row({-1, -1, 0}), row({-1, 5, 0})});
    // Sums 1, 3, 0: a sum of 0 elects +, and a zero has no sign.
    const Tensor by_sum = majority_sign_mask(tasks, MajoritySign::Total);
    QVERIFY(torch::equal(by_sum.to(torch::kInt64),
                         torch::tensor({{1, 0, 0}, {0, 0, 0}, {0, 1, 0}}, torch::kInt64)));
    const Tensor by_number = majority_sign_mask(tasks, MajoritySign::Frequency);
    QVERIFY(torch::equal(by_number.to(torch::kInt64),
                         torch::tensor({{0, 1, 0}, {1, 1, 0}, {1, 0, 0}}, torch::kInt64)));
  }

  void ties_weighs_after_the_election() {
    TaskArithmetic ties;
    ties.pruning = Pruning::Magnitude;
    ties.density = 1;
    ties.elects_signs = true;
    // By weights the second column's sign would be −; by the values alone it is +.
    const Tensor made =
        combined_tasks({row({1, 3}), row({2, -2})}, {0.5, 4}, ties, draw_place(0, "x"));
    QVERIFY(same(made, {(0.5 * 1 + 4 * 2) / 2, 0.5 * 3}));
  }

  void draws_go_by_seed_tensor_and_task() {
    const Tensor ones = torch::ones({20000});
    const auto draw = [&](std::uint64_t seed, const char* name, std::uint64_t task) {
      return pruned_at_random(ones, 0.3, draw_place(seed, name), task);
    };
    const Tensor first = draw(1, "a", 0);
    QVERIFY(torch::equal(first, draw(1, "a", 0)));
    for (const Tensor& other : {draw(2, "a", 0), draw(1, "b", 0), draw(1, "a", 1)}) {
      const double together = (first * other).ne(0).sum().item<double>() / 20000;
      QVERIFY2(std::abs(together - 0.09) < 0.012, qPrintable(QString::number(together)));
    }
    const Tensor kept = first.masked_select(first.ne(0));
    QVERIFY(torch::allclose(kept, torch::full_like(kept, 1 / 0.3)));
    QVERIFY(std::abs(static_cast<double>(kept.numel()) / 20000 - 0.3) < 0.017);
  }

  void parts_of_a_product_through_its_factors() {
    for (const auto& [out, in, rank] :
         {std::tuple{40, 30, 6}, std::tuple{5, 30, 8}, std::tuple{30, 4, 7}}) {
      const Tensor b = drawn({out, rank}, 1), a = drawn({rank, in}, 2);
      const Tensor whole = b.to(torch::kFloat64).mm(a.to(torch::kFloat64));
      const Tensor wanted = at::linalg_svdvals(whole).narrow(0, 0, std::min({out, in, rank}));
      QVERIFY(torch::allclose(singular_values(b, a), wanted, 1e-9, 1e-9));
      const SingularParts parts = singular_parts(b, a);
      QVERIFY(torch::allclose((parts.u * parts.values).mm(parts.vh), whole, 1e-9, 1e-9));
      const LowRankPair pair = leading_pair(parts, rank + 2);  // more than there are: zeros
      QCOMPARE(pair.a.size(0), std::int64_t(rank + 2));
      QVERIFY(torch::allclose(pair.b.mm(pair.a), whole.to(torch::kFloat32), 1e-4, 1e-4));
    }
  }

  void what_a_spectrum_says() {
    const ModuleRanks even = ranks_of_values("m", {2, 2, 2, 2});
    QVERIFY(std::abs(even.effective - 4) < 1e-12 && std::abs(even.stable - 4) < 1e-12);
    QCOMPARE(even.holding, std::int64_t(4));
    QVERIFY(std::abs(even.norm - 4) < 1e-12);
    const ModuleRanks one = ranks_of_values("m", {3, 0, 0});
    QVERIFY(std::abs(one.effective - 1) < 1e-12 && std::abs(one.stable - 1) < 1e-12);
    QCOMPARE(one.holding, std::int64_t(1));
    const ModuleRanks none = ranks_of_values("m", {0, 0});
    QVERIFY(none.effective == 0 && none.stable == 0 && none.holding == 0 && none.norm == 0);
  }

  void slerp_keeps_the_length_between() {
    const Tensor one = row({2, 0}), other = row({0, 2});
    const double half = std::sqrt(2.0);
    QVERIFY(same(slerp(one, other, 0.5), {half, half}));
    QVERIFY(same(slerp(one, other, 0), {2, 0}));
    QVERIFY(same(slerp(one, row({4, 0}), 0.5), {3, 0}));   // one direction: straight on
    QVERIFY(same(slerp(one, row({-2, 0}), 0.5), {0, 0}));  // no great circle is the one
    QVERIFY(same(slerp(row({0, 0}), other, 0.25), {0, 0.5}));
  }

  /// Half of one adapter and half of it again is the adapter, by every type that prunes nothing.
  void an_adapter_is_the_sum_of_its_halves() {
    const Tensor moved = write_adapter("whole", 3, {"adapter.r=4", "adapter.lora_alpha=6"});
    QVERIFY(moved.abs().max().item<double>() > 1e-2);
    for (const char* type : {"linear", "cat", "svd"}) {
      CombineOptions how;
      // "linear" adds factors that each hold the square root of the weight: 2 · 2 · 1/4.
      how.weights = type == std::string("linear") ? std::vector<double>{0.25, 0.25}
                                                  : std::vector<double>{0.5, 0.5};
      how.combination_type = type;
      const auto report =
          combine_adapters({base_->root() / "whole", base_->root() / "whole"}, how,
                           base_->root() / (std::string("sum-") + type));
      QVERIFY2(report.ok(), report ? "" : report.error().sentence().c_str());
      QCOMPARE(report->rank, std::int64_t(type == std::string("cat") ? 8 : 4));
      const Tensor got = logits_with(base_->root() / (std::string("sum-") + type));
      // The products are summed in another order, as merging's are (logits: 2e-5 in tests/parity).
      const double off = far(got, logits_with(base_->root() / "whole"));
      QVERIFY2(off < 2e-5, qPrintable(QString("%1: %2").arg(type).arg(off)));
    }
  }

  /// The way through the factors and the way over the whole change come to one product.
  void the_ranks_of_a_folder() {
    write_adapter("ranks", 5, {"adapter.r=3", "adapter.lora_alpha=12"});
    const auto found = adapter_ranks(base_->root() / "ranks");
    QVERIFY2(found.ok(), found ? "" : found.error().sentence().c_str());
    const auto tensors = *read_tensor_file(base_->root() / "ranks/adapter_model.safetensors");
    double squares = 0;
    for (const ModuleRanks& module : found->modules) {
      const std::string key = "base_model.model." + module.name;
      const Tensor whole =
          tensors.at(key + ".lora_B.weight").mm(tensors.at(key + ".lora_A.weight")) * 4;
      QCOMPARE(module.shape, whole.sizes().vec());
      const Tensor values = at::linalg_svdvals(whole.to(torch::kFloat64));
      for (std::size_t i = 0; i < module.values.size(); ++i)
        QVERIFY(std::abs(module.values[i] - values[static_cast<std::int64_t>(i)].item<double>()) < 1e-5);
      squares += whole.square().sum().item<double>();
    }
    QVERIFY(std::abs(found->norm / std::sqrt(squares) - 1) < 1e-5);
    std::int64_t modules = 0;
    for (const LayerChange& layer : found->layers) modules += layer.modules;
    QCOMPARE(modules, static_cast<std::int64_t>(found->modules.size()));
  }

  /// E stands between the pair, and the divisor is the rank at the start.
  void the_ranks_of_adalora() {
    LoadedModel model = base_->load();
    const std::vector<std::string> chosen{"adapter.init_r=3", "adapter.target_r=2",
                                          "adapter.lora_alpha=12"};
    auto adapter = create_adapter(model, "adalora", base_->recipe("adalora", chosen).adapter, 5);
    QVERIFY2(adapter.ok(), adapter ? "" : adapter.error().sentence().c_str());
    {
      const torch::NoGradGuard no_grad;
      std::uint64_t seed = 7;
      for (auto [key, tensor] : (*adapter)->tensors())
        tensor.copy_(drawn(tensor.sizes().vec(), ++seed));
    }
    QVERIFY((*adapter)->save(base_->made("adalora"), base_->folder().string()).ok());
    const auto found = adapter_ranks(base_->root() / "adalora");
    QVERIFY2(found.ok(), found ? "" : found.error().sentence().c_str());
    const auto tensors = *read_tensor_file(base_->root() / "adalora/adapter_model.safetensors");
    QVERIFY(!found->modules.empty());
    for (const ModuleRanks& module : found->modules) {
      const std::string key = "base_model.model." + module.name;
      const Tensor whole = tensors.at(key + ".lora_B")
                               .mm(tensors.at(key + ".lora_A") * tensors.at(key + ".lora_E"))
                               .to(torch::kFloat64) * (12 / (3 + 1e-5));
      QCOMPARE(module.rank, std::int64_t(3));
      QCOMPARE(module.shape, whole.sizes().vec());
      QCOMPARE(module.values.size(), std::size_t(3));
      const Tensor values = at::linalg_svdvals(whole);
      for (std::size_t i = 0; i < 3; ++i) {
        const double wanted = values[static_cast<std::int64_t>(i)].item<double>();
        QVERIFY(std::abs(module.values[i] - wanted) < 1e-5 * values[0].item<double>());
      }
    }
  }

  void whole_models_tensor_by_tensor() {
    std::vector<fs::path> folders;
    for (int i = 0; i < 3; ++i) {  // a base and two that were tuned from it
      LoadedModel model = base_->load();
      const torch::NoGradGuard no_grad;
      std::uint64_t seed = 100 * static_cast<std::uint64_t>(i);
      for (Tensor& tensor : model.model->parameters())
        if (i > 0) tensor.add_(drawn(tensor.sizes().vec(), ++seed) * 0.05);
      folders.push_back(base_->root() / ("tuned" + std::to_string(i)));
      QVERIFY(save_model(model, folders.back(), torch::kFloat32).ok());
    }
    const auto read = [](const fs::path& folder) {
      return *read_tensor_file(folder / "model.safetensors");
    };
    const auto base = read(folders[0]), one = read(folders[1]), other = read(folders[2]);
    const auto merged = [&](const std::string& method, std::optional<double> density = {}) {
      MergeModelsOptions how;
      how.method = method;
      how.weights = {0.75, 0.25};
      how.density = density;
      if (method != "linear" && method != "slerp") how.base = folders[0];
      const fs::path out = base_->root() / ("merged-" + method);
      const auto report = merge_models({folders[1], folders[2]}, how, out);
      if (!report) qFatal("%s", report.error().sentence().c_str());
      LoadOptions options;
      options.device = "cpu";
      if (!load_model(out, options)) qFatal("what was written cannot be loaded");
      return read(out);
    };
    const auto compare = [&](const std::string& method, const std::map<std::string, Tensor>& got,
                             const auto& wanted) {
      for (const auto& [name, tensor] : got) {
        const double off = far(tensor, wanted(name));
        QVERIFY2(off < 1e-6, qPrintable(QString::fromStdString(method + " " + name)));
      }
    };
    compare("linear", merged("linear"), [&](const std::string& name) {
      return one.at(name) * 0.75 + other.at(name) * 0.25;
    });
    compare("task_arithmetic", merged("task_arithmetic"), [&](const std::string& name) {
      return base.at(name) + (one.at(name) - base.at(name)) * 0.75 +
             (other.at(name) - base.at(name)) * 0.25;
    });
    compare("slerp", merged("slerp"), [&](const std::string& name) {
      const Tensor a = one.at(name).to(torch::kFloat64), b = other.at(name).to(torch::kFloat64);
      const double cosine = ((a * b).sum() / a.norm() / b.norm()).item<double>();
      if (std::abs(cosine) > 0.9995) return (a * 0.75 + b * 0.25).to(torch::kFloat32);
      const double angle = std::acos(cosine);
      return ((a * std::sin(0.75 * angle) + b * std::sin(0.25 * angle)) / std::sin(angle))
          .to(torch::kFloat32);
    });
    compare("ties", merged("ties", 0.6), [&](const std::string& name) {
      std::vector<Tensor> tasks;
      for (const auto& model : {one, other}) {
        Tensor task = (model.at(name) - base.at(name)).flatten();
        const auto kept = static_cast<std::int64_t>(0.6 * static_cast<double>(task.numel()));
        const Tensor order = task.abs().argsort(0, /*descending=*/true);
        task.index_fill_(0, order.slice(0, kept), 0);
        tasks.push_back(task.view_as(base.at(name)));
      }
      const Tensor elected = at::where(tasks[0] + tasks[1] >= 0, 1.0, -1.0).to(torch::kFloat32);
      const Tensor first = (tasks[0].sign() == elected).to(torch::kFloat32),
                   second = (tasks[1].sign() == elected).to(torch::kFloat32);
      return base.at(name) + (tasks[0] * 0.75 * first + tasks[1] * 0.25 * second) /
                                 (first + second).clamp_min(1);
    });
    compare("dare_linear at 1", merged("dare_linear", 1.0), [&](const std::string& name) {
      return base.at(name) + (one.at(name) - base.at(name)) * 0.75 +
             (other.at(name) - base.at(name)) * 0.25;
    });
  }

  void models_that_do_not_fit_are_named() {
    MergeModelsOptions how;
    how.weights = {0.5, 0.5};
    const fs::path narrow = base_->root() / "narrow";
    make_model(narrow, TinyModel{32, 64});
    LoadOptions options;
    options.device = "cpu";
    options.random_weights = true;
    auto drawn_model = load_model(narrow, options);
    QVERIFY(drawn_model.ok());
    const fs::path other = base_->root() / "narrow-model", out = base_->root() / "not-written";
    QVERIFY(save_model(*drawn_model, other, torch::kFloat32).ok());
    const auto refused = merge_models({base_->folder(), other}, how, out);
    QVERIFY(!refused.ok());
    QVERIFY(QString::fromStdString(refused.error().sentence()).contains("unlike architectures"));
    QVERIFY(!fs::exists(out));
    how.method = "ties";
    const auto baseless = merge_models({base_->folder(), base_->folder()}, how, out);
    QVERIFY(!baseless.ok());
    QCOMPARE(baseless.error().where, std::string("--base"));
  }

  void packed_models_are_refused() {
    const fs::path packed = base_->root() / "packed-model", out = base_->root() / "not-written";
    fs::copy(base_->folder(), packed, fs::copy_options::recursive);
    auto config = read_json_file(packed / "config.json");
    QVERIFY(config.ok());
    (*config)["quantization_config"] = {{"quant_method", "bitsandbytes"}, {"load_in_4bit", true}};
    std::ofstream(packed / "config.json") << config->dump();
    MergeModelsOptions how;
    how.weights = {0.5, 0.5};
    for (const auto& pair : {std::vector<fs::path>{packed, packed}, {base_->folder(), packed}}) {
      const auto refused = merge_models(pair, how, out);
      QVERIFY(!refused.ok());
      QCOMPARE(refused.error().where,
               (packed / "config.json").string() + ": quantization_config");
      QVERIFY(!fs::exists(out));
    }
  }
};

QTEST_GUILESS_MAIN(TestArithmetic)
#include "test_arithmetic.moc"
