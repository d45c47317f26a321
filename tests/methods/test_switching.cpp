// SPDX-License-Identifier: GPL-3.0-or-later
// An adapter on a resident base: putting it on and off leaves the base's bytes as they were,
// merging it gives what it gave while active, and its gradients are the slopes of the loss.
#include "tests/train/watched_run.h"

#include "engine/objectives/objective.h"
#include "tests/nn/central_differences.h"

using namespace luthier;
using namespace luthier::test;
using torch::Tensor;

namespace {

using Settings = std::vector<std::string>;

/// A tiny model with weights large enough that every block shows, and a batch for it.
class Base {
 public:
  Base() {
    at::set_num_threads(1);
    Recipe recipe = tiny_.recipe("run");
    loaded = std::make_unique<LoadedModel>(*load(recipe));
    const torch::NoGradGuard no_grad;
    for (Tensor& tensor : loaded->model->parameters()) {
      tensor.set_requires_grad(false);
      if (tensor.dim() > 1) tensor.mul_(4);
    }
    const Json config = *read_json_file(tiny_.root() / "model/config.json");
    const std::int64_t image = config["image_token_index"].get<std::int64_t>();
    auto generator = at::make_generator<at::CPUGeneratorImpl>(5);
    std::vector<std::int64_t> ids{7};
    ids.insert(ids.end(), 4, image);
    for (int i = 0; i < 20; ++i) ids.push_back(5 + i * 3);
    input.lengths = {14, 11};
    input.input_ids = torch::tensor(ids, torch::kInt64);
    input.labels = input.input_ids.clone();
    input.labels.slice(0, 0, 8).fill_(kIgnoreLabel);
    input.pictures = {{1, {}}};
    input.pixel_values = torch::empty({1, 3, 28, 28}).normal_(0, 1, generator);
  }
  std::shared_ptr<Adapter> adapter(const Settings& settings, std::uint64_t seed = 3) const {
    auto made = create_adapter(*loaded, "lora", tiny_.recipe("run", settings).adapter, seed);
    if (!made) qFatal("%s", made.error().sentence().c_str());
    auto generator = at::make_generator<at::CPUGeneratorImpl>(seed);
    const torch::NoGradGuard no_grad;
    for (auto [key, tensor] : (*made)->tensors())
      tensor.add_(torch::empty(tensor.sizes(), torch::kFloat32).normal_(0, 0.07, generator));
    return *made;
  }
  Tensor logits() const {
    const torch::NoGradGuard no_grad;
    Model& model = *loaded->model;
    return model.head()->forward(model.decode(model.embed(input), nullptr));
  }
  std::map<std::string, Tensor> weights() const {
    std::map<std::string, Tensor> copies;
    for (const auto& item : loaded->model->named_parameters())
      copies[item.key()] = item.value().detach().clone();
    return copies;
  }
  /// The first weight that is not `before` to the bit; empty when all are.
  QString changed(const std::map<std::string, Tensor>& before) const {
    for (const auto& item : loaded->model->named_parameters()) {
      if (!item.value().detach().equal(before.at(item.key())))
        return QString::fromStdString(item.key());
    }
    return {};
  }

  std::unique_ptr<LoadedModel> loaded;
  ModelInput input;

 private:
  TinyRun tiny_;
};

const std::vector<std::pair<const char*, Settings>> kKinds{
    {"linears of tower, bridge and decoder, with their biases",
     {"adapter.target_modules=[out_proj, fc1, linear_1, gate_proj, q_proj]"}},
    {"rsLoRA of another rank",
     {"adapter.target_modules=[q_proj, v_proj]", "adapter.use_rslora=true", "adapter.r=3",
      "adapter.rank_pattern={v_proj: 5}"}},
    {"token embedding", {"adapter.target_modules=[embed_tokens, o_proj]"}},
    {"saved head and projector",
     {"adapter.target_modules=[down_proj]", "adapter.modules_to_save=[lm_head, linear_2]"}}};

void kinds() {
  QTest::addColumn<int>("kind");
  for (int i = 0; i < static_cast<int>(kKinds.size()); ++i)
    QTest::newRow(kKinds[static_cast<std::size_t>(i)].first) << i;
}

const Settings& settings_of(int kind) { return kKinds[static_cast<std::size_t>(kind)].second; }

double largest(const Tensor& x) { return x.abs().max().item<double>(); }

}  // namespace

class TestSwitching : public QObject {
  Q_OBJECT

 private slots:
  void leaves_the_base_as_it_was_data() { kinds(); }
  void leaves_the_base_as_it_was() {
    QFETCH(int, kind);
    const Base base;
    const auto before = base.weights();
    const Tensor alone = base.logits();
    const auto first = base.adapter(settings_of(kind), 3);
    const auto second = base.adapter({"adapter.target_modules=[k_proj, up_proj]"}, 4);
    QVERIFY2(base.changed(before).isEmpty(), qPrintable(base.changed(before)));
    QVERIFY(base.logits().equal(alone));  // hung, not yet active
    first->activate();
    const Tensor with_first = base.logits();
    QVERIFY(largest(with_first - alone) > 1e-3 * largest(alone));
    first->deactivate();
    second->activate();
    const Tensor with_second = base.logits();
    QVERIFY(largest(with_second - with_first) > 1e-3 * largest(alone));
    second->deactivate();
    first->activate();
    QVERIFY(base.logits().equal(with_first));
    first->set_strength(0.5);
    QVERIFY(!base.logits().equal(with_first));
    first->set_strength(1);
    first->set_training(true, 9);
    first->set_training(false, 0);
    QVERIFY(base.logits().equal(with_first));
    first->deactivate();
    QVERIFY(base.logits().equal(alone));
    QVERIFY2(base.changed(before).isEmpty(), qPrintable(base.changed(before)));
  }

  void merged_is_as_active_data() { kinds(); }
  void merged_is_as_active() {
    QFETCH(int, kind);
    const Base base;
    const auto before = base.weights();
    const Tensor alone = base.logits();
    const auto adapter = base.adapter(settings_of(kind));
    adapter->activate();
    const Tensor active = base.logits();
    adapter->merge();
    QVERIFY(!base.changed(before).isEmpty());
    const double error = largest(base.logits() - active) / largest(active);
    QVERIFY2(error < 2e-6, qPrintable(QString::number(error)));
    QVERIFY(largest(active - alone) > 1e-3 * largest(alone));
  }

  void gradients_are_slopes_data() { kinds(); }
  void gradients_are_slopes() {
    QFETCH(int, kind);
    Base base;
    Settings settings = settings_of(kind);
    settings.push_back("adapter.lora_dropout=0.2");
    const auto adapter = base.adapter(settings);
    adapter->activate();
    adapter->set_training(true, 77);
    std::vector<Tensor> tensors;
    for (const auto& [key, tensor] : adapter->tensors()) tensors.push_back(tensor);
    const double error = slope_error(
        tensors, [&] { return sft_loss(*base.loaded->model, base.input).sum.to(torch::kFloat64); },
        1, 3e-3);
    QVERIFY2(error < 5e-2, qPrintable(QString::number(error)));
  }
};

QTEST_GUILESS_MAIN(TestSwitching)
#include "test_switching.moc"
