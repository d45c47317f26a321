// SPDX-License-Identifier: GPL-3.0-or-later
// One batch under several adapters: each row's logits are those that it has under its adapter
// alone, by every method that can be routed; afterwards the base is as it was. And merging into a
// resident base: undone, every byte of it is what it was.
#include "tests/methods/method_base.h"

#include "engine/methods/resident_merge.h"
#include "engine/methods/routed_adapters.h"
#include "engine/models/packing.h"

using namespace luthier;
using namespace luthier::test;
using torch::Tensor;

namespace {

/// Logits of the rows [tokens, vocabulary], rows of these lengths.
Tensor logits_of_rows(Model& model, const std::vector<int>& lengths) {
  const torch::NoGradGuard no_grad;
  std::vector<Example> rows;
  for (const int length : lengths) {
    Example example;
    for (int i = 0; i < length; ++i)
      example.input_ids.push_back(
          static_cast<TokenId>(5 + (i * 7 + length + 11 * static_cast<int>(rows.size())) % 90));
    example.labels.assign(example.input_ids.size(), kIgnoreLabel);
    rows.push_back(std::move(example));
  }
  return model.output_head()->forward(states_before_head(model, collate(rows)));
}

}  // namespace

class TestRoutedAdapters : public QObject {
  Q_OBJECT
  std::unique_ptr<MethodBase> base_;

  std::shared_ptr<Adapter> make(LoadedModel& model, const std::string& strategy,
                                const std::vector<std::string>& settings = {},
                                std::uint64_t seed = 3) {
    auto adapter = create_adapter(model, strategy, base_->recipe(strategy, settings).adapter, seed);
    if (!adapter) qFatal("%s", adapter.error().sentence().c_str());
    const torch::NoGradGuard no_grad;
    auto generator = at::make_generator<at::CPUGeneratorImpl>(seed + 50);
    for (auto [key, tensor] : (*adapter)->tensors())
      tensor.add_(torch::empty(tensor.sizes(), torch::kFloat32).normal_(0, 0.1, generator));
    return *adapter;
  }

 private slots:
  void initTestCase() { base_ = std::make_unique<MethodBase>(); }

  void rows_are_as_under_their_adapter_alone_data() {
    QTest::addColumn<QString>("method");
    QTest::addColumn<bool>("unequal");
    for (const bool unequal : {false, true}) {
      for (const char* method : {"lora", "lora with biases", "ia3", "bottleneck", "all"})
        QTest::addRow("%s%s", method, unequal ? ", rows of unequal lengths" : "")
            << method << unequal;
    }
  }
  void rows_are_as_under_their_adapter_alone() {
    QFETCH(QString, method);
    QFETCH(bool, unequal);
    LoadedModel model = base_->load();
    std::vector<std::shared_ptr<Adapter>> adapters;
    if (method == "all") {
      adapters = {
          make(model, "lora", {"adapter.r=4", "adapter.target_modules=[q_proj, embed_tokens]"}),
          make(model, "ia3"), make(model, "bottleneck"), make(model, "lora", {}, 8)};
    } else if (method == "lora with biases") {
      const std::vector<std::string> biased{"adapter.lora_bias=true"};
      // One of them on the tower's convolution too, which a text does not pass.
      adapters = {make(model, "lora", biased),
                  make(model, "lora", {"adapter.target_modules=[patch_embedding, v_proj]"}, 4),
                  make(model, "lora", biased, 8)};
    } else {
      for (const std::uint64_t seed : {3, 8, 21})
        adapters.push_back(make(model, method.toStdString(), {}, seed));
    }
    adapters[1]->set_strength(0.4);
    const std::vector<int> lengths =
        unequal ? std::vector<int>{9, 5, 12, 7, 3} : std::vector<int>{8, 8, 8, 8, 8};
    const std::vector<std::size_t> of_rows{0, 0, RoutedAdapters::kBase, adapters.size() - 1, 1};
    const auto before = copies(*model.model);
    const Tensor plain = logits_of_rows(*model.model, lengths);
    std::vector<const Adapter*> all;
    for (const auto& adapter : adapters) {
      QVERIFY(RoutedAdapters::can_route(*adapter));
      all.push_back(adapter.get());
    }
    Tensor got;
    {
      const torch::NoGradGuard no_grad;
      RoutedAdapters routed(*model.model, all);
      routed.set_rows(of_rows, {lengths.begin(), lengths.end()});
      got = logits_of_rows(*model.model, lengths);
    }
    QVERIFY(torch::equal(logits_of_rows(*model.model, lengths), plain));
    QVERIFY(same_bytes(*model.model, before));
    std::int64_t begin = 0;
    for (std::size_t row = 0; row < lengths.size(); ++row) {
      Adapter* own = of_rows[row] == RoutedAdapters::kBase ? nullptr : adapters[of_rows[row]].get();
      if (own) own->activate();
      const Tensor alone = logits_of_rows(*model.model, lengths);
      if (own) own->deactivate();
      const auto part = [&](const Tensor& logits) { return logits.narrow(0, begin, lengths[row]); };
      QVERIFY2(far(part(got), part(alone)) < 1e-5, qPrintable(QString::number(row)));
      if (own) QVERIFY(far(part(got), part(plain)) > 1e-3);
      begin += lengths[row];
    }
  }

  void what_is_before_every_row_has_a_batch_to_itself() {
    LoadedModel model = base_->load();
    QVERIFY(!RoutedAdapters::can_route(*make(model, "prefix_tuning")));
    QVERIFY(!RoutedAdapters::can_route(*make(model, "prompt_tuning")));
    QVERIFY(
        !RoutedAdapters::can_route(*make(model, "lora", {"adapter.modules_to_save=[lm_head]"})));
  }

  void places_that_are_no_rows_are_not_guessed() {
    RowRoute route;
    route.set({0, 1, 1}, {});
    QCOMPARE(route.runs(6).size(), std::size_t(2));
    QCOMPARE(route.runs(6)[1].count, std::int64_t(4));
    QVERIFY_THROWS_EXCEPTION(std::logic_error, route.runs(7));
    route.set({0, 1, 1}, {1, 2, 4});
    QCOMPARE(route.runs(7)[1].begin, std::int64_t(1));
    QCOMPARE(route.runs(3)[1].count, std::int64_t(2));
  }

  void a_merge_in_memory_is_undone_to_the_bit_data() {
    QTest::addColumn<QString>("method");
    QTest::addColumn<QString>("setting");
    QTest::newRow("LoRA") << "lora"
                          << "adapter.r=4";
    QTest::newRow("LoRA on the embedding, the head whole")
        << "lora"
        << "adapter.target_modules=[embed_tokens, q_proj]";
    QTest::newRow("the head whole") << "lora"
                                    << "adapter.modules_to_save=[lm_head]";
    QTest::newRow("IA3") << "ia3"
                         << "";
  }
  void a_merge_in_memory_is_undone_to_the_bit() {
    QFETCH(QString, method);
    QFETCH(QString, setting);
    LoadedModel model = base_->load();
    std::vector<std::string> settings;
    if (!setting.isEmpty()) settings.push_back(setting.toStdString());
    const auto adapter = make(model, method.toStdString(), settings);
    const auto before = copies(*model.model);
    const Tensor plain = logits_of(*model.model);
    adapter->activate();
    const Tensor beside = logits_of(*model.model);
    adapter->deactivate();
    {
      auto merge = ResidentMerge::begin(model, *adapter, "the adapter");
      QVERIFY2(merge.ok(), merge ? "" : merge.error().sentence().c_str());
      QVERIFY(merge->difference() <= merge->limit() && merge->difference() > 0);
      QVERIFY(merge->kept_bytes() > 0);
      QVERIFY(!same_bytes(*model.model, before));
      QVERIFY(far(logits_of(*model.model), beside) < 1e-5);
      merge->undo();
      QVERIFY(same_bytes(*model.model, before));
      QCOMPARE(merge->kept_bytes(), std::int64_t(0));
    }
    QVERIFY(torch::equal(logits_of(*model.model), plain));
    {
      auto merge = ResidentMerge::begin(model, *adapter, "the adapter");
      QVERIFY(merge.ok());
    }  // undone where it goes
    QVERIFY(same_bytes(*model.model, before));
  }

  /// What a narrow base's products need of an adapter in its own type is let go where it rests.
  void a_resting_adapter_keeps_its_own_tensors_alone() {
    LoadOptions options;
    options.device = "cpu";
    options.dtype = "bfloat16";
    auto loaded = load_model(base_->folder(), options);
    QVERIFY(loaded.ok());
    LoadedModel model = loaded.take();
    const auto adapter = make(model, "lora");
    const auto copies_of = [&] {
      const auto kept = adapter->kept_by_recordings();  // a strength of each plug, then addresses
      return std::vector<std::uint64_t>(
          kept.begin() + static_cast<std::ptrdiff_t>(adapter->hung().size()), kept.end());
    };
    adapter->activate();
    const Tensor first = logits_of(*model.model);
    const auto made = copies_of();
    QVERIFY(std::any_of(made.begin(), made.end(), [](std::uint64_t copy) { return copy != 0; }));
    adapter->deactivate();
    adapter->rest();
    const auto left = copies_of();
    QVERIFY(std::all_of(left.begin(), left.end(), [](std::uint64_t copy) { return copy == 0; }));
    adapter->activate();
    QVERIFY(torch::equal(logits_of(*model.model), first));
  }

  void a_merge_that_does_not_hold_changes_nothing() {
    LoadedModel model = base_->load();
    const auto adapter = make(model, "lora");
    const torch::NoGradGuard no_grad;
    for (auto [key, tensor] : adapter->tensors()) tensor.fill_(3e18f);  // the product is infinite
    const auto before = copies(*model.model);
    const auto merge = ResidentMerge::begin(model, *adapter, "the adapter");
    QVERIFY(!merge.ok());
    QVERIFY(same_bytes(*model.model, before));
    const auto prompts = ResidentMerge::begin(model, *make(model, "prompt_tuning"), "the adapter");
    QVERIFY(!prompts.ok());
  }
};

QTEST_GUILESS_MAIN(TestRoutedAdapters)
#include "test_routed_adapters.moc"
