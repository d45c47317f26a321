// SPDX-License-Identifier: GPL-3.0-or-later
// LoRA that is on from an invocation on: where rows are on, in one pass and from token to token,
// what it leaves as it is, what it refuses.
#include "engine/methods/invoked_lora.h"

#include "engine/methods/merge.h"
#include "engine/methods/routed_adapters.h"
#include "engine/nn/key_value_cache.h"
#include "tests/methods/method_base.h"

using namespace luthier;
using namespace luthier::test;
using torch::Tensor;

class TestInvokedLora : public QObject {
  Q_OBJECT

  MethodBase base_;
  const std::string targets_ = "adapter.target_modules=.*language_model.*(q_proj|v_proj|down_proj)";

  Result<std::shared_ptr<Adapter>> made(LoadedModel& loaded, std::vector<std::string> set) {
    set.push_back("adapter.lora_dropout=0");
    const auto recipe = base_.try_recipe("lora", set);
    if (!recipe) return recipe.error();
    if (const Status checked = check_recipe(*recipe); !checked) return checked.error();
    return create_adapter(loaded, "lora", recipe->adapter, 3);
  }

 private slots:
  void from_the_last_invocation_of_each_row() {
    Invocation invocation({7, 8});
    invocation.begin(torch::tensor({7, 8, 1, 7, 8, 2, 8, 7, 8, 1, 7, 8, 1, 7}, torch::kInt64));
    invocation.lay_out(RowLayout({6, 3, 2, 2, 1}));
    const Tensor on = invocation.on(14).flatten().to(torch::kInt64);
    QVERIFY(
        at::equal(on, torch::tensor({0, 0, 0, 1, 1, 1, 0, 1, 1, 0, 0, 0, 0, 0}, torch::kInt64)));
    // The next token of each row; then of those that are left, which are not alike.
    invocation.begin(torch::tensor({1, 1, 1, 1, 1}, torch::kInt64));
    QVERIFY(at::equal(invocation.on(5).flatten().to(torch::kInt64),
                      torch::tensor({1, 1, 0, 0, 0}, torch::kInt64)));
    QVERIFY_THROWS_EXCEPTION(std::logic_error, invocation.on(4));
    invocation.begin(torch::tensor({7, 8, 7, 8}, torch::kInt64));
    invocation.lay_out(RowLayout({2, 2}));
    invocation.begin(torch::tensor({1}, torch::kInt64));
    QVERIFY(invocation.on(1).all().item<bool>());
  }

  /// The text's ids are 5, 8, 11, …: 35 and 38 stand at 10 and 11.
  void before_it_the_base() {
    LoadedModel loaded = base_.load();
    const auto before = copies(*loaded.model);
    const Tensor plain = logits_of(*loaded.model);
    const auto adapter = made(loaded, {targets_, "adapter.alora_invocation_tokens=[35, 38]"});
    QVERIFY2(adapter, adapter ? "" : adapter.error().sentence().c_str());
    disturb(**adapter);
    (*adapter)->activate();
    const Tensor with = logits_of(*loaded.model);
    QVERIFY(far(with.slice(0, 0, 10), plain.slice(0, 0, 10)) < 1e-6);
    QVERIFY(far(with.slice(0, 10), plain.slice(0, 10)) > 1e-3);
    (*adapter)->deactivate();
    QVERIFY(torch::equal(logits_of(*loaded.model), plain) && same_bytes(*loaded.model, before));
    QVERIFY(!RoutedAdapters::can_route(**adapter));

    const fs::path folder = base_.made("invoked");
    QVERIFY((*adapter)->save(folder, "base"));
    const Json config = *read_json_file(folder / Adapter::kConfigFile);
    QCOMPARE(config["alora_invocation_tokens"], Json::parse("[35, 38]"));
    const auto again = load_adapter(loaded, folder);
    QVERIFY2(again, again ? "" : again.error().sentence().c_str());
    (*again)->activate();
    QVERIFY(torch::equal(logits_of(*loaded.model), with));
    (*again)->deactivate();
    const auto merged = merge_adapter(base_.folder(), folder, base_.root() / "invoked-merged");
    QVERIFY(!merged && merged.error().what.find("alora_invocation_tokens") != std::string::npos);

    const auto elsewhere = made(loaded, {targets_, "adapter.alora_invocation_tokens=[35, 36]"});
    QVERIFY(elsewhere);
    disturb(**elsewhere);
    (*elsewhere)->activate();
    QVERIFY(far(logits_of(*loaded.model), plain) < 1e-6);
    (*elsewhere)->deactivate();
  }

  void refused_data() {
    QTest::addColumn<QString>("set");
    QTest::addColumn<QString>("where");
    const QString invocation = "adapter.alora_invocation_tokens";
    QTest::newRow("dora") << "adapter.use_dora=true" << invocation;
    QTest::newRow("pissa") << "adapter.init_lora_weights=pissa" << invocation;
    QTest::newRow("rows") << "adapter.trainable_token_indices=[5]" << invocation;
    QTest::newRow("tower") << "adapter.target_modules=.*vision_tower.*q_proj" << invocation;
    QTest::newRow("head") << "adapter.target_modules=[lm_head]" << invocation;
    QTest::newRow("embedding") << "adapter.target_modules=[embed_tokens]" << invocation;
  }
  void refused() {
    QFETCH(QString, set);
    QFETCH(QString, where);
    LoadedModel loaded = base_.load();
    const auto adapter =
        made(loaded, {targets_, "adapter.alora_invocation_tokens=[35, 38]", set.toStdString()});
    QVERIFY(!adapter);
    QVERIFY2(adapter.error().where.ends_with(where.toStdString()), adapter.error().where.c_str());
  }
};

QTEST_GUILESS_MAIN(TestInvokedLora)
#include "test_invoked_lora.moc"
