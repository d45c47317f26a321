// SPDX-License-Identifier: GPL-3.0-or-later
// Adapters on the convolution over a picture's patches, of every method that hangs there: the base
// is as it was without them, merging answers alike and is undone to the bit, arithmetic adds up or
// is refused, the forecast counts what is made and saved. OFT, which hangs on none, says so.
#include "engine/forecast/forecast.h"
#include "engine/forecast/method_table.h"
#include "engine/methods/arithmetic/combine.h"
#include "engine/methods/kinds/delta_linear.h"
#include "engine/methods/merge.h"
#include "engine/methods/resident_merge.h"
#include "tests/methods/slopes.h"

using namespace luthier;
using namespace luthier::test;
using torch::Tensor;

class TestConvolutions : public QObject {
  Q_OBJECT

  MethodBase base_;

  /// Settings of each method, the convolution alone.
  void methods_on_it() {
    QTest::addColumn<QString>("strategy");
    QTest::addColumn<QStringList>("settings");
    const auto row = [](const char* name, const char* strategy, QStringList settings = {}) {
      settings.append("adapter.target_modules=[patch_embedding]");
      QTest::newRow(name) << strategy << settings;
    };
    row("lora", "lora", {"adapter.r=4"});
    row("dora", "lora", {"adapter.use_dora=true"});
    row("ia3", "ia3", {"adapter.feedforward_modules=[]"});
    row("ia3 of the input", "ia3", {"adapter.feedforward_modules=[patch_embedding]"});
    row("loha", "loha", {"adapter.r=4"});
    row("loha of cores", "loha", {"adapter.r=4", "adapter.use_effective_conv2d=true"});
    row("lokr", "lokr", {"adapter.r=2"});
    row("lokr of a core", "lokr", {"adapter.r=2", "adapter.use_effective_conv2d=true"});
    row("boft", "boft", {"adapter.boft_block_size=4"});
    row("hra", "hra", {"adapter.r=4"});
    row("adalora", "adalora", {"adapter.init_r=5", "adapter.target_r=3"});
  }
  Recipe asked() const {
    QFETCH(QString, strategy);
    QFETCH(QStringList, settings);
    return base_.recipe(strategy.toStdString(), in_words(settings));
  }
  static std::vector<std::string> in_words(const QStringList& settings) {
    std::vector<std::string> all;
    for (const QString& each : settings) all.push_back(each.toStdString());
    return all;
  }
  std::shared_ptr<Adapter> made(LoadedModel& loaded) const {
    const Recipe recipe = asked();
    auto adapter = create_adapter(loaded, recipe.strategy, recipe.adapter, 3);
    if (!adapter) qFatal("%s", adapter.error().sentence().c_str());
    disturb(**adapter);
    return adapter.take();
  }
  fs::path saved(const Adapter& adapter, const char* what) const {
    std::string name = std::string(what) + "-" + QTest::currentDataTag();
    std::replace(name.begin(), name.end(), ' ', '-');
    const fs::path folder = base_.made(name);
    if (!adapter.save(folder, "base")) qFatal("not saved");
    return folder;
  }

 private slots:
  void without_it_the_base_is_as_it_was_data() { methods_on_it(); }
  void without_it_the_base_is_as_it_was() {
    LoadedModel loaded = base_.load();
    const auto before = copies(*loaded.model);
    const Tensor plain = logits_with_picture(loaded), text = logits_of(*loaded.model);
    const auto adapter = made(loaded);
    for (const auto& [key, tensor] : adapter->tensors())
      QVERIFY2(key.find("patch_embedding") != std::string::npos, key.c_str());
    const QString wrong = wrong_when_switched(loaded, *adapter, plain, 1e-4);
    QVERIFY2(wrong.isEmpty(), qPrintable(wrong));
    adapter->activate();
    QVERIFY(torch::equal(logits_of(*loaded.model), text));  // a text passes no patch
    adapter->deactivate();
    QVERIFY(same_bytes(*loaded.model, before));
  }

  void gradients_are_slopes_data() { methods_on_it(); }
  void gradients_are_slopes() {
    LoadedModel loaded = base_.load();
    const auto adapter = made(loaded);
    adapter->activate();
    int looked = 0;
    // DoRA takes a column's length for fixed, as PEFT does: the magnitude alone has its slope.
    const bool dora = QTest::currentDataTag() == std::string("dora");
    const auto fixed = [dora](const std::string& key) {
      return dora && key.find("lora_magnitude") == std::string::npos;
    };
    const QString wrong = wrong_slope(*adapter, value_of(loaded), looked, fixed);
    QVERIFY2(wrong.isEmpty(), qPrintable(wrong));
    QVERIFY(looked > 0);
  }

  void merges_and_is_undone_data() { methods_on_it(); }
  void merges_and_is_undone() {
    LoadedModel loaded = base_.load();
    const auto before = copies(*loaded.model);
    const auto adapter = made(loaded);
    const fs::path folder = saved(*adapter, "merged-from");
    adapter->activate();
    const Tensor with = logits_with_picture(loaded);
    adapter->deactivate();
    const Tensor plain = logits_with_picture(loaded);
    QVERIFY2(far(with, plain) > 1e-4, "the case is blind");
    {
      auto merge = ResidentMerge::begin(loaded, *adapter, folder);
      QVERIFY2(merge.ok(), merge ? "" : merge.error().sentence().c_str());
      QVERIFY(!same_bytes(*loaded.model, before));
      QVERIFY(far(logits_with_picture(loaded), with) < 1e-5);
      merge->undo();
    }
    QVERIFY(same_bytes(*loaded.model, before));
    QVERIFY(torch::equal(logits_with_picture(loaded), plain));

    const fs::path out = folder.string() + "-out";
    const auto report = merge_adapter(base_.folder(), folder, out);
    QVERIFY2(report, report ? "" : report.error().sentence().c_str());
    LoadOptions options;
    options.device = "cpu";
    options.dtype = "float32";
    auto merged = load_model(out, options);
    QVERIFY(merged);
    QVERIFY(far(logits_with_picture(*merged), with) < 1e-5);
  }

  /// Halves of it are the whole where the method has an arithmetic; else the refusal names it.
  void combines_or_says_why_not_data() { methods_on_it(); }
  void combines_or_says_why_not() {
    LoadedModel loaded = base_.load();
    const auto adapter = made(loaded);
    const fs::path folder = saved(*adapter, "half");
    QFETCH(QString, strategy);
    const std::string kind = QTest::currentDataTag();
    CombineOptions how;
    how.combination_type = "linear";
    how.weights = {0.5, 0.5};
    if (kind == "lora") how.weights = {0.25, 0.25};  // each factor holds the weight's root
    const fs::path out = folder.string() + "-sum";
    const auto report = combine_adapters({folder, folder}, how, out);
    if (kind != "lora" && !kind.starts_with("ia3")) {
      QVERIFY(!report && !fs::exists(out));
      const std::string word =
          kind == "dora" ? "use_dora is set" : "of the method " + strategy.toStdString() + " ";
      QVERIFY2(report.error().what.find(word) != std::string::npos, report.error().what.c_str());
      return;
    }
    QVERIFY2(report, report ? "" : report.error().sentence().c_str());
    adapter->activate();
    const Tensor wanted = logits_with_picture(loaded);
    adapter->deactivate();
    const auto sum = load_adapter(loaded, out);
    QVERIFY2(sum, sum ? "" : sum.error().sentence().c_str());
    sum.value()->activate();
    QVERIFY(far(logits_with_picture(loaded), wanted) < 2e-5);
    sum.value()->deactivate();
  }

  void forecast_counts_what_is_saved_data() { methods_on_it(); }
  void forecast_counts_what_is_saved() {
    QFETCH(QString, strategy);
    QFETCH(QStringList, settings);
    LoadedModel loaded = base_.load();
    const auto adapter = made(loaded);
    std::int64_t numbers = 0;
    for (const auto& [key, tensor] : adapter->tensors()) numbers += tensor.numel();
    const auto summary = summarize_model(base_.folder());
    QVERIFY(summary);
    const auto planned = trained_modules(*summary, asked());
    QVERIFY2(planned, planned ? "" : planned.error().sentence().c_str());
    QCOMPARE(planned->parameters, numbers);
    const auto table = method_table(*summary, asked(), {{strategy.toStdString()}}, {}, "float32");
    QVERIFY2(table, table ? "" : table.error().sentence().c_str());
    const MethodRow& row = table->rows.front();
    QVERIFY2(!row.refused, row.refused ? row.refused->sentence().c_str() : "");
    QCOMPARE(row.trained, numbers);
    const auto file = SafetensorsFile::open(saved(*adapter, "bytes") / Adapter::kTensorFile);
    QVERIFY(file);
    std::int64_t bytes = 0;
    for (const auto& [key, info] : file->header().tensors)
      bytes += info.elements() * static_cast<std::int64_t>(sizeof(float));
    QCOMPARE(row.file, bytes);
  }

  /// AdaLoRA's A is as wide as a window has numbers: 3 · 14 · 14.
  void adalora_sizes() {
    LoadedModel loaded = base_.load();
    const Recipe recipe = base_.recipe("adalora", {"adapter.init_r=5", "adapter.target_r=3",
                                                   "adapter.target_modules=[patch_embedding]"});
    const auto adapter = create_adapter(loaded, "adalora", recipe.adapter, 3);
    QVERIFY2(adapter, adapter ? "" : adapter.error().sentence().c_str());
    std::map<std::string, std::vector<std::int64_t>> shapes;
    for (const auto& [key, tensor] : adapter.value()->tensors())
      shapes[key.substr(key.rfind('.') + 1)] = tensor.sizes().vec();
    QCOMPARE(shapes.at("lora_A"), (std::vector<std::int64_t>{5, 3 * 14 * 14}));
    QCOMPARE(shapes.at("lora_E"), (std::vector<std::int64_t>{5, 1}));
    QCOMPARE(shapes.at("lora_B").back(), std::int64_t(5));
  }

  /// Numbers by hand: the convolution is [out, 3, 14, 14], a core's two sides the rank.
  void a_window_taken_apart() {
    LoadedModel loaded = base_.load();
    const auto shapes = [&](const std::string& strategy, std::vector<std::string> settings) {
      settings.insert(settings.end(), {"adapter.target_modules=[patch_embedding]",
                                       "adapter.use_effective_conv2d=true"});
      const Recipe recipe = base_.recipe(strategy, settings);
      const auto adapter = create_adapter(loaded, strategy, recipe.adapter, 3);
      if (!adapter) qFatal("%s", adapter.error().sentence().c_str());
      std::map<std::string, std::vector<std::int64_t>> found;
      for (const auto& [key, tensor] : adapter.value()->tensors())
        found[key.substr(key.rfind('.') + 1)] = tensor.sizes().vec();
      return found;
    };
    const auto loha = shapes("loha", {"adapter.r=4"});
    QCOMPARE(loha.size(), std::size_t(6));
    for (const char* core : {"hada_t1", "hada_t2"})
      QCOMPARE(loha.at(core), (std::vector<std::int64_t>{4, 4, 14, 14}));
    QCOMPARE(loha.at("hada_w1_b"), (std::vector<std::int64_t>{4, 3}));
    QCOMPARE(loha.at("hada_w2_a").front(), std::int64_t(4));
    const auto lokr = shapes("lokr", {"adapter.r=2"});
    QCOMPARE(lokr.at("lokr_t2"), (std::vector<std::int64_t>{2, 2, 14, 14}));
    QCOMPARE(lokr.at("lokr_w2_b"), (std::vector<std::int64_t>{2, 3}));
    // A w2 that is no product of narrow matrices has no core either.
    QVERIFY(!shapes("lokr", {"adapter.r=64"}).contains("lokr_t2"));
  }

  /// matrix_of_core against sums by hand.
  void the_matrix_of_a_core() {
    const Tensor core = torch::randn({2, 2, 3, 1}), a = torch::randn({2, 5}),
                 b = torch::randn({2, 4});
    const Tensor got = matrix_of_core(core, a, b);
    QCOMPARE(got.sizes().vec(), (std::vector<std::int64_t>{5, 4 * 3}));
    for (int row = 0; row < 5; ++row)
      for (int column = 0; column < 4; ++column)
        for (int place = 0; place < 3; ++place) {
          double sum = 0;
          for (int i = 0; i < 2; ++i)
            for (int j = 0; j < 2; ++j)
              sum += core[i][j][place][0].item<double>() * a[i][row].item<double>() *
                     b[j][column].item<double>();
          QVERIFY(std::abs(got[row][column * 3 + place].item<double>() - sum) < 1e-5);
        }
  }

  /// A recipe and a file of OFT on a convolution are refused by what is true of it.
  void oft_says_why_not() {
    const std::string why = "does not start as the base";
    LoadedModel loaded = base_.load();
    const Recipe on_it = base_.recipe("oft", {"adapter.target_modules=[patch_embedding]"});
    const auto refused = create_adapter(loaded, "oft", on_it.adapter, 3);
    QVERIFY(!refused && refused.error().what.find(why) != std::string::npos);
    const auto summary = summarize_model(base_.folder());
    const auto planned = trained_modules(*summary, on_it);
    QVERIFY(!planned && planned.error().what.find(why) != std::string::npos);

    // A folder as PEFT writes it: an adapter of a Linear, and the convolution's tensor beside it.
    const auto adapter = create_adapter(
        loaded, "oft", base_.recipe("oft", {"adapter.target_modules=[v_proj]"}).adapter, 3);
    const fs::path folder = base_.made("oft-on-it");
    QVERIFY(adapter.value()->save(folder, "base"));
    std::string stem;
    for (const ModelModule& module : list_ports(*loaded.model).modules)
      if (module.name.ends_with("patch_embedding")) stem = module.name;
    QVERIFY(!stem.empty());
    std::vector<std::pair<std::string, Tensor>> tensors = adapter.value()->tensors();
    tensors.emplace_back("base_model.model." + stem + ".oft_R.weight", torch::zeros({147, 6}));
    std::vector<TensorToWrite> written;
    for (const auto& [key, tensor] : tensors)
      written.push_back({key, DType::F32, tensor.sizes().vec(),
                         std::as_bytes(std::span(tensor.const_data_ptr<float>(),
                                                 static_cast<std::size_t>(tensor.numel())))});
    fs::remove(folder / Adapter::kTensorFile);
    QVERIFY(write_safetensors(folder / Adapter::kTensorFile, written));
    const auto read = load_adapter(loaded, folder);
    QVERIFY(!read);
    QVERIFY2(read.error().what.find(stem + " is a Conv2d") != std::string::npos &&
                 read.error().what.find(why) != std::string::npos,
             read.error().sentence().c_str());
  }
};

QTEST_GUILESS_MAIN(TestConvolutions)
#include "test_convolutions.moc"
