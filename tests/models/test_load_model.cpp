// SPDX-License-Identifier: GPL-3.0-or-later
// Loading and saving whole folders: every type cast as LibTorch casts it, a file that changes under
// the reader, a person who changes their mind, and what a saved folder has taken along.
#include "engine/device/neighbours.h"
#include "engine/models/loaded_model.h"
#include "engine/models/stored_tensor.h"
#include "engine/models/wider_weights.h"

// After LibTorch's headers, which have members that Qt's macros are named like.
#include "tests/train/tiny_run.h"

using namespace luthier;
using namespace luthier::test;

class TestLoadModel : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() {
    make_model(root() / "random");
    LoadOptions options;
    options.device = "cpu";
    options.random_weights = true;
    auto made = load_model(root() / "random", options);
    QVERIFY2(made.ok(), made.ok() ? "" : made.error().sentence().c_str());
    write_text(root() / "random/video_preprocessor_config.json", "{\"kept\": true}");
    fs::create_directories(root() / "random/additional_chat_templates");
    write_text(root() / "random/additional_chat_templates/tools.jinja", "{{ messages }}");
    write_text(root() / "random/LICENSE", "as it is");
    write_text(root() / "random/training_args.bin", "a pickle");
    made->config["quantization_config"] = {
        {"quant_method", "bitsandbytes"}};  // left behind by a merge
    for (const auto& [name, dtype] : {std::pair{"F32", torch::kFloat32},
                                      {"F16", torch::kFloat16},
                                      {"BF16", torch::kBFloat16}}) {
      QVERIFY(save_model(*made, root() / name, dtype).ok());
    }
    base_ = made->model;
  }

  void every_type_is_cast_as_libtorch_does_data() {
    QTest::addColumn<QString>("stored");
    QTest::addColumn<QString>("wanted");
    for (const char* stored : {"F32", "F16", "BF16"}) {
      for (const char* wanted : {"float32", "bfloat16"})
        QTest::addRow("%s as %s", stored, wanted) << stored << wanted;
    }
  }
  void every_type_is_cast_as_libtorch_does() {
    QFETCH(QString, stored);
    QFETCH(QString, wanted);
    LoadOptions options = on_cpu();
    options.dtype = wanted.toStdString();
    const auto loaded = load_model(root() / stored.toStdString(), options);
    QVERIFY2(loaded.ok(), loaded.ok() ? "" : loaded.error().sentence().c_str());
    QCOMPARE(QString::fromStdString(loaded->stored_dtype), stored);
    const auto kept = stored == "F32"   ? torch::kFloat32
                      : stored == "F16" ? torch::kFloat16
                                        : torch::kBFloat16;
    const auto made = wanted == "float32" ? torch::kFloat32 : torch::kBFloat16;
    const auto mine = loaded->model->named_parameters();
    for (const auto& item : base_->named_parameters()) {
      QVERIFY2(mine[item.key()].equal(item.value().to(kept).to(made)), item.key().c_str());
    }
  }

  /// A model that was loaded in bfloat16 is written back in the digits of its files.
  /// Each was read into its rows of what they share.
  void linears_of_one_input_are_neighbours() {
    const auto loaded = load_model(root() / "F16", on_cpu());
    QVERIFY(loaded.ok());
    const auto named = loaded->model->named_parameters();
    int found = 0;
    for (const auto& item : named) {
      for (const auto& [first, second] :
           {std::pair("q_proj", "k_proj"), {"k_proj", "v_proj"}, {"gate_proj", "up_proj"}}) {
        std::string other = item.key();
        const auto at = other.find(first);
        if (at == std::string::npos) continue;
        other.replace(at, std::string(first).size(), second);
        QVERIFY2(is_below(named[other], item.value()), other.c_str());
        ++found;
      }
    }
    QVERIFY(found >= 6);
  }

  void what_nothing_changed_is_saved_as_it_is_stored_data() {
    QTest::addColumn<QString>("stored");
    for (const char* stored : {"F32", "F16", "BF16"}) QTest::addRow("%s", stored) << stored;
  }
  void what_nothing_changed_is_saved_as_it_is_stored() {
    QFETCH(QString, stored);
    const auto kept = stored == "F32"   ? torch::kFloat32
                      : stored == "F16" ? torch::kFloat16
                                        : torch::kBFloat16;
    LoadOptions options = on_cpu();
    options.dtype = "bfloat16";
    auto loaded = load_model(root() / stored.toStdString(), options);
    QVERIFY2(loaded.ok(), loaded.ok() ? "" : loaded.error().sentence().c_str());
    const fs::path before = root() / stored.toStdString() / "model.safetensors",
                   after = root() / "again/model.safetensors";
    QVERIFY(save_model(*loaded, root() / "again", kept).ok());
    QCOMPARE(*read_file(after, 1 << 26), *read_file(before, 1 << 26));
    // What is no longer as it was loaded is written as it is.
    const std::string changed = "model.language_model.norm.weight";
    {
      const torch::NoGradGuard no_grad;
      loaded->model->named_parameters()[changed][3].add_(1);
    }
    QVERIFY(save_model(*loaded, root() / "again", kept).ok());
    const auto old = SafetensorsFile::open(before), made = SafetensorsFile::open(after);
    int different = 0;
    for (const auto& [name, info] : old->header().tensors)
      different += !*same_tensor(*old->find(name), *made->find(name));
    QCOMPARE(different, 1);
    // Without its files nothing is known but what it holds, which is saved all the same.
    fs::rename(before, root() / "elsewhere");
    const Status alone = save_model(*loaded, root() / "again", kept);
    fs::rename(root() / "elsewhere", before);
    QVERIFY2(alone.ok(), alone.ok() ? "" : alone.error().sentence().c_str());
    const auto held = SafetensorsFile::open(after);
    for (const auto& item : loaded->model->named_parameters()) {
      const std::string name = loaded->family->stored_name(item.key());
      QVERIFY(read_stored(*held->find(name), name)->equal(item.value().to(kept)));
    }
  }

  /// Drawn in float32 whatever it computes in: masters begin there, and what nothing trains is
  /// written so.
  void a_drawn_model_knows_its_digits() {
    LoadOptions options = on_cpu();
    options.random_weights = true, options.seed = 5;
    const auto wide = load_model(root() / "random", options);
    options.dtype = "bfloat16";
    const auto narrow = load_model(root() / "random", options);
    QVERIFY(wide.ok() && narrow.ok());
    QVERIFY(wide->draws.empty());
    std::vector<std::string> names;
    for (const auto& item : narrow->model->named_parameters()) names.push_back(item.key());
    const auto wider = wider_weights(*narrow, names);
    QVERIFY(wider.ok());
    int drawn = 0;
    for (const auto& item : wide->model->named_parameters()) {
      const torch::Tensor rounded = narrow->model->named_parameters()[item.key()];
      QVERIFY(rounded.equal(item.value().to(torch::kBFloat16)));
      const auto found = wider->find(item.key());
      if (found == wider->end()) {  // ones and zeros
        QVERIFY2(rounded.to(torch::kFloat32).equal(item.value()), item.key().c_str());
        continue;
      }
      ++drawn;
      QVERIFY2(found->second.equal(item.value()), item.key().c_str());
    }
    QVERIFY(drawn > 20);
    QVERIFY(save_model(*wide, root() / "wide", torch::kFloat32).ok());
    QVERIFY(save_model(*narrow, root() / "narrow", torch::kFloat32).ok());
    QCOMPARE(*read_file(root() / "narrow/model.safetensors", 1 << 26),
             *read_file(root() / "wide/model.safetensors", 1 << 26));
  }

  void a_large_tensor_comes_in_pieces() {
    // More than two rounds, and no whole number of pieces.
    const std::int64_t count = (64 << 20) + 12345;
    const torch::Tensor values =
        torch::arange(count, torch::kInt64).remainder(65521).to(torch::kBFloat16);
    const fs::path path = root() / "large.safetensors";
    QVERIFY(write_safetensors(
                path, {{"x",
                        DType::BF16,
                        {count},
                        {static_cast<const std::byte*>(values.const_data_ptr()), values.nbytes()}}})
                .ok());
    const auto file = SafetensorsFile::open(path);
    std::uint64_t told = 0;
    int looks = 0;
    const ReadWatch watch = [&](std::uint64_t bytes) {
      told += bytes, ++looks;
      return true;
    };
    torch::Tensor wide = torch::empty({count}, torch::kFloat32);
    QVERIFY(read_stored(*file->find("x"), wide, "x", watch).ok());
    QVERIFY(wide.equal(values.to(torch::kFloat32)));
    QCOMPARE(told, static_cast<std::uint64_t>(values.nbytes()));
    QCOMPARE(looks, 3);
    QVERIFY(read_stored(*file->find("x"), "x").take().equal(values));
    bool finite = true;
    QVERIFY(read_stored(*file->find("x"), wide, "x", {}, &finite).ok() && finite);
    const Status ended =
        read_stored(*file->find("x"), wide, "x", [](std::uint64_t) { return false; });
    QVERIFY(!ended.ok() && ended.error().code == ErrorCode::Interrupted);
    torch::Tensor whole = torch::empty({count}, torch::kInt64);
    QVERIFY(!read_stored(*file->find("x"), whole, "x").ok());  // no weight becomes an integer
    fs::remove(path);
  }

  void a_value_that_is_none_is_seen() {
    torch::Tensor values = torch::full({3 << 20}, 3.0e38f);  // finite, and too much to sum up
    const auto seen = [&](const torch::Tensor& stored, torch::ScalarType wanted) {
      const fs::path path = root() / "values.safetensors";
      const std::span bytes(static_cast<const std::byte*>(stored.const_data_ptr()),
                            stored.nbytes());
      if (!write_safetensors(path, {{"x", file_dtype(stored.scalar_type()), {3 << 20}, bytes}}))
        return false;
      const auto file = SafetensorsFile::open(path);
      bool finite = true;
      torch::Tensor read = torch::empty({3 << 20}, wanted);
      return read_stored(*file->find("x"), read, "x", {}, &finite).ok() && !finite;
    };
    for (const auto wanted : {torch::kFloat32, torch::kBFloat16}) {
      QVERIFY(!seen(values, wanted));
      values[(2 << 20) + 5] = std::numeric_limits<float>::quiet_NaN();
      QVERIFY(seen(values, wanted));
      QVERIFY(seen(values.to(torch::kBFloat16), wanted));
      values[(2 << 20) + 5] = -std::numeric_limits<float>::infinity();
      QVERIFY(seen(values, wanted));
      values[(2 << 20) + 5] = 0;
    }
  }

  void a_file_cut_short_while_it_is_read() {
    const fs::path folder = root() / "cut";
    fs::copy(root() / "BF16", folder, fs::copy_options::recursive);
    const auto size = fs::file_size(folder / "model.safetensors");
    LoadOptions options = on_cpu();
    options.go_on = [&](double share) {
      if (share > 0.3) fs::resize_file(folder / "model.safetensors", size / 2);
      return true;
    };
    const auto loaded = load_model(folder, options);
    QVERIFY(!loaded.ok());
    QVERIFY2(loaded.error().sentence().find("changed while being read") != std::string::npos,
             loaded.error().sentence().c_str());
    QVERIFY(loaded.error().where.find("model.safetensors") != std::string::npos);
  }

  void a_file_rewritten_while_it_is_read() {
    const fs::path folder = root() / "rewritten";
    fs::copy(root() / "BF16", folder, fs::copy_options::recursive);
    LoadOptions options = on_cpu();
    options.go_on = [&](double share) {
      if (share < 0.5) {
        std::fstream file(folder / "model.safetensors",
                          std::ios::in | std::ios::out | std::ios::binary);
        file.seekp(-1, std::ios::end);
        file.put('x');
      }
      return true;
    };
    const auto loaded = load_model(folder, options);  // half old, half new weights would be silent
    QVERIFY(!loaded.ok() &&
            loaded.error().sentence().find("changed while being read") != std::string::npos);
  }

  void loading_can_be_ended() {
    for (const bool random : {false, true}) {
      std::vector<double> shares;
      LoadOptions options = on_cpu();
      options.random_weights = random;
      options.go_on = [&](double share) {
        shares.push_back(share);
        return true;
      };
      QVERIFY(load_model(root() / "F32", options).ok());
      QVERIFY(shares.size() > 10 && std::is_sorted(shares.begin(), shares.end()));
      QVERIFY(shares.back() > 0.95 && shares.back() <= 1);
      for (const double at : {0.0, 0.5}) {
        options.go_on = [&](double share) { return share < at; };
        const auto ended = load_model(root() / "F32", options);
        QVERIFY(!ended.ok() && ended.error().code == ErrorCode::Interrupted &&
                ended.error().exit_status() == 130);
      }
    }
  }

  void what_a_saved_folder_takes_along() {
    const fs::path saved = root() / "F16";
    for (const char* name :
         {"video_preprocessor_config.json", "additional_chat_templates/tools.jinja", "LICENSE",
          "tokenizer.json", "tokenizer_config.json", "chat_template.jinja",
          "processor_config.json"}) {
      QVERIFY2(fs::exists(saved / name), name);
      QVERIFY2(read_file(saved / name).take() == read_file(root() / "random" / name).take(), name);
    }
    QVERIFY(!fs::exists(saved / "training_args.bin"));
    const Json config = read_json_file(saved / "config.json").take();
    QVERIFY(config["dtype"] == "float16" && !config.contains("quantization_config"));
  }

 private:
  fs::path root() const { return folder_.path().toStdString(); }
  static LoadOptions on_cpu() {
    LoadOptions options;
    options.device = "cpu";
    options.dtype = "float32";
    return options;
  }
  QTemporaryDir folder_;
  std::shared_ptr<Model> base_;
};

QTEST_GUILESS_MAIN(TestLoadModel)
#include "test_load_model.moc"
