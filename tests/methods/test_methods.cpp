// SPDX-License-Identifier: GPL-3.0-or-later
// What every row of the table of methods is held to: a new one is, without a line here.
#include "engine/forecast/forecast.h"
#include "engine/methods/merge.h"
#include "engine/train/strategy.h"
#include "tests/methods/slopes.h"

using namespace luthier;
using namespace luthier::test;

class TestMethods : public QObject {
  Q_OBJECT

  MethodBase base_;

  void all_rows() {
    QTest::addColumn<QString>("name");
    for (const Method* method : methods()) QTest::newRow(method->name()) << method->name();
  }
  void hanging_rows() {
    QTest::addColumn<QString>("name");
    for (const Method* method : methods()) {
      if (method->hangs_adapter()) QTest::newRow(method->name()) << method->name();
    }
  }
  std::shared_ptr<Adapter> fresh(LoadedModel& loaded, const QString& name,
                                 std::vector<std::string> settings = {}) {
    // FourierFT starts drawn: at its own scale the logits of so small a model turn over, and each
    // order of summing shows.
    if (name == "fourierft") settings.emplace_back("adapter.scaling=10");
    const Recipe recipe = base_.recipe(name.toStdString(), settings);
    auto made = create_adapter(loaded, recipe.strategy, recipe.adapter, 3);
    if (!made) qFatal("%s", made.error().sentence().c_str());
    return made.take();
  }

 private slots:
  void a_row_is_whole() {
    for (const Method* method : methods()) {
      QVERIFY2(method_kind(method->name()).name == method->name(), method->name());
      if (method->changes_base()) {
        QVERIFY2(method->part_trains && !method->of_modules && !method->of_whole, method->name());
        continue;
      }
      QVERIFY2(method->fields && method->read && method->write, method->name());
      QVERIFY2((method->of_modules == nullptr) != (method->of_whole == nullptr), method->name());
    }
    const auto none = find_method("another");
    QVERIFY(!none && none.error().hint.find("lora") != std::string::npos);
  }

  void switching_leaves_the_base_as_it_was_data() { hanging_rows(); }
  void switching_leaves_the_base_as_it_was() {
    QFETCH(QString, name);
    LoadedModel loaded = base_.load();
    const auto before = copies(*loaded.model);
    const torch::Tensor plain = logits_with_picture(loaded);
    const auto adapter = fresh(loaded, name);
    disturb(*adapter);
    const QString wrong = wrong_when_switched(loaded, *adapter, plain, 1e-3);
    QVERIFY2(wrong.isEmpty(), qPrintable(wrong));
    QVERIFY(same_bytes(*loaded.model, before));
  }

  void what_is_written_is_read_data() { hanging_rows(); }
  void what_is_written_is_read() {
    QFETCH(QString, name);
    LoadedModel loaded = base_.load();
    const auto adapter = fresh(loaded, name);
    disturb(*adapter);
    const fs::path folder = base_.made("adapter-" + name.toStdString());
    QVERIFY(adapter->save(folder, "base"));
    adapter->activate();
    const torch::Tensor wanted = logits_with_picture(loaded);
    adapter->deactivate();
    const auto again = load_adapter(loaded, folder);
    QVERIFY2(again, again ? "" : again.error().sentence().c_str());
    QCOMPARE(again.value()->method().name(), adapter->method().name());
    const auto left = adapter->tensors(), right = again.value()->tensors();
    QCOMPARE(left.size(), right.size());
    for (std::size_t i = 0; i < left.size(); ++i) {
      QCOMPARE(right[i].first, left[i].first);
      QVERIFY2(torch::equal(right[i].second, left[i].second), left[i].first.c_str());
    }
    again.value()->activate();
    QVERIFY(torch::equal(logits_with_picture(loaded), wanted));
    // Nothing of its own config is unknown to it, and it is written again as it was.
    const Json config = *read_json_file(folder / Adapter::kConfigFile);
    QVERIFY(unknown_fields(adapter->method().fields(), config).empty());
    const fs::path second = base_.made("again-" + name.toStdString());
    QVERIFY(again.value()->save(second, "base"));
    QCOMPARE(*read_json_file(second / Adapter::kConfigFile), config);
  }

  void one_seed_one_start_data() { hanging_rows(); }
  void one_seed_one_start() {
    QFETCH(QString, name);
    LoadedModel loaded = base_.load();
    const auto first = fresh(loaded, name), second = fresh(loaded, name);
    const auto left = first->tensors(), right = second->tensors();
    QVERIFY(!left.empty());
    for (std::size_t i = 0; i < left.size(); ++i) {
      QVERIFY2(torch::equal(left[i].second, right[i].second), left[i].first.c_str());
      QCOMPARE(left[i].second.scalar_type(), torch::kFloat32);
    }
  }

  /// The forecast goes by names and shapes alone; the tensors are as many.
  void forecast_counts_what_trains_data() { all_rows(); }
  void forecast_counts_what_trains() {
    QFETCH(QString, name);
    LoadedModel loaded = base_.load();
    const Recipe recipe = base_.recipe(name.toStdString());
    const auto summary = summarize_model(base_.folder());
    QVERIFY(summary);
    const auto planned = trained_modules(*summary, recipe);
    QVERIFY2(planned, planned ? "" : planned.error().sentence().c_str());
    const auto made = apply_strategy(loaded, recipe);
    QVERIFY2(made, made ? "" : made.error().sentence().c_str());
    QCOMPARE(planned->parameters, made->parameters());
    QCOMPARE(made->adapter != nullptr, find_method(recipe.strategy).value()->hangs_adapter());
  }

  void goes_on_from_its_own_folder_alone_data() { hanging_rows(); }
  void goes_on_from_its_own_folder_alone() {
    QFETCH(QString, name);
    LoadedModel loaded = base_.load();
    const auto adapter = fresh(loaded, name);
    const fs::path folder = base_.made("start-" + name.toStdString());
    QVERIFY(adapter->save(folder, "base"));
    for (const Method* method : methods()) {
      if (!method->hangs_adapter()) continue;
      const Recipe recipe = base_.recipe(method->name(), {"adapter.init_from=" + folder.string()});
      const auto settings = settings_to_train(recipe);
      QCOMPARE(settings.ok(), name == method->name());
      if (!settings) {
        QCOMPARE(settings.error().where, std::string("adapter.init_from"));
        QVERIFY(settings.error().what.find(name.toStdString()) != std::string::npos);
        QVERIFY(settings.error().what.find(method->name()) != std::string::npos);
        continue;
      }
      const auto summary = summarize_model(base_.folder());
      const auto planned = trained_modules(*summary, recipe);
      QVERIFY2(planned, planned ? "" : planned.error().sentence().c_str());
      std::int64_t numbers = 0;
      for (const auto& [key, tensor] : adapter->tensors()) numbers += tensor.numel();
      QCOMPARE(planned->parameters, numbers);
    }
  }

  void merges_or_says_why_not_data() { hanging_rows(); }
  void merges_or_says_why_not() {
    QFETCH(QString, name);
    LoadedModel loaded = base_.load();
    const auto adapter = fresh(loaded, name);
    disturb(*adapter);
    const fs::path folder = base_.made("merged-from-" + name.toStdString());
    QVERIFY(adapter->save(folder, "base"));
    const fs::path out = base_.root() / ("merged-" + name.toStdString());
    const auto report = merge_adapter(base_.folder(), folder, out);
    if (adapter->method().unmergeable) {
      QVERIFY(!report && !fs::exists(out));
      QCOMPARE(report.error().what, std::string(adapter->method().unmergeable));
      return;
    }
    QVERIFY2(report, report ? "" : report.error().sentence().c_str());
    QVERIFY2(report->relative_error() <= 1e-5, report->sentence().c_str());
    adapter->activate();
    const torch::Tensor wanted = logits_with_picture(loaded);
    LoadOptions options;
    options.device = "cpu";
    options.dtype = "float32";
    auto merged = load_model(out, options);
    QVERIFY(merged);
    QVERIFY(far(logits_with_picture(*merged), wanted) < 1e-5);
  }

  void gradients_are_slopes_data() { hanging_rows(); }
  void gradients_are_slopes() {
    QFETCH(QString, name);
    LoadedModel loaded = base_.load();
    std::vector<std::string> settings;
    if (name == "bottleneck") settings.emplace_back("adapter.non_linearity=gelu");  // no kinks
    const auto adapter = fresh(loaded, name, settings);
    disturb(*adapter);
    adapter->activate();
    int looked = 0;
    const QString wrong = wrong_slope(*adapter, value_of(loaded), looked);
    QVERIFY2(wrong.isEmpty(), qPrintable(wrong));
    QVERIFY(looked > 0);
  }
};

QTEST_GUILESS_MAIN(TestMethods)
#include "test_methods.moc"
