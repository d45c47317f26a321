// SPDX-License-Identifier: GPL-3.0-or-later
// Adapter folders of every method that lie: tensors lost, added, renamed, of other shapes and
// types, files cut short, configs of another method, fields of every kind of nonsense. Each is
// refused by file and place, or means something; nothing is half applied, nothing half written, the
// base keeps its bytes.
#include <cmath>
#include <cstring>
#include <limits>
#include <set>

#include "engine/io/safetensors.h"
#include "engine/methods/arithmetic/combine.h"
#include "engine/methods/merge.h"
#include "tests/methods/method_base.h"

using namespace luthier;
using namespace luthier::test;

namespace {

constexpr const char* kTensors = "adapter_model.safetensors";
constexpr const char* kConfig = "adapter_config.json";

struct OwnTensor {
  std::string name;
  DType dtype;
  std::vector<std::int64_t> shape;
  std::vector<std::byte> bytes;
};

std::vector<OwnTensor> read_all(const fs::path& path) {
  const auto file = SafetensorsFile::open(path);
  if (!file) qFatal("%s", file.error().sentence().c_str());
  std::vector<OwnTensor> all;
  for (const auto& [name, info] : file->header().tensors)
    all.push_back({name, info.dtype, info.shape, file->find(name)->bytes().take()});
  return all;
}

void write_all(const fs::path& path, const std::vector<OwnTensor>& tensors) {
  std::vector<TensorToWrite> written;
  for (const OwnTensor& each : tensors)
    written.push_back({each.name, each.dtype, each.shape, each.bytes});
  fs::remove(path);
  const auto status = write_safetensors(path, written);
  if (!status) qFatal("%s", status.error().sentence().c_str());
}

void write_bytes(const fs::path& path, const std::string& bytes) { write_text(path, bytes); }

std::string bytes_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

/// The last part of a key but one, so that one tensor of each kind is tried.
std::string kind_of(const std::string& key) {
  std::size_t dot = key.size();
  for (int i = 0; i < 2 && dot != std::string::npos && dot > 0; ++i) dot = key.rfind('.', dot - 1);
  return dot == std::string::npos ? key : key.substr(dot);
}

/// What a refusal has at least of a tensor's key: its module, or a part of that.
std::string module_of(const std::string& key) {
  const std::string prefix = "base_model.model.";
  const std::string name = key.starts_with(prefix) ? key.substr(prefix.size()) : key;
  const std::string end = kind_of(name);
  return end.size() == name.size() ? name : name.substr(0, name.size() - end.size());
}

/// What is asked of a folder that must be refused.
enum class Ways { Load, Merge, MergeAndSum };

/// A method with settings under which its folder holds more than its usual tensors.
struct NamedSettings {
  const char* name;
  const char* strategy;
  std::vector<std::string> settings;
};
const std::vector<NamedSettings>& more_kinds() {
  static const std::vector<NamedSettings> kinds{
      {"dora, saved, biases",
       "lora",
       {"adapter.use_dora=true", "adapter.modules_to_save=[linear_2]", "adapter.bias=lora_only",
        "adapter.rank_pattern={v_proj: 2}", "adapter.alpha_pattern={v_proj: 3}"}},
      {"embedding and rows",
       "lora",
       {"adapter.target_modules=[q_proj, v_proj]", "adapter.trainable_token_indices=[3, 9]"}},
      {"lora on the embedding", "lora", {"adapter.target_modules=[embed_tokens, q_proj]"}},
      {"projected prefix", "prefix_tuning", {"adapter.prefix_projection=true"}},
      {"deep visual prompts", "visual_prompt_tuning", {"adapter.prompt_depth=deep"}},
      {"projections drawn again", "vera", {"adapter.save_projection=false"}},
      {"lokr of both", "lokr", {"adapter.decompose_both=true", "adapter.r=1"}},
      {"shared rotation", "oft", {"adapter.block_share=true"}},
  };
  return kinds;
}

}  // namespace

class TestHostileAdapters : public QObject {
  Q_OBJECT

  MethodBase base_;
  std::optional<LoadedModel> loaded_;
  std::vector<torch::Tensor> before_;
  bool whole_ = true;  ///< all that had to be refused was; the warnings say what was not

  void kinds() {
    QTest::addColumn<QString>("strategy");
    QTest::addColumn<QStringList>("settings");
    for (const Method* method : methods()) {
      if (method->hangs_adapter()) QTest::newRow(method->name()) << method->name() << QStringList();
    }
    for (const NamedSettings& kind : more_kinds()) {
      QStringList settings;
      for (const std::string& each : kind.settings) settings << QString::fromStdString(each);
      QTest::newRow(kind.name) << kind.strategy << settings;
    }
  }

  /// A whole folder of the row's method, its tensors moved.
  fs::path folder_of(const QString& strategy, const QStringList& settings,
                     const std::string& name) {
    std::vector<std::string> all;
    for (const QString& each : settings) all.push_back(each.toStdString());
    const Recipe recipe = base_.recipe(strategy.toStdString(), all);
    auto made = create_adapter(*loaded_, recipe.strategy, recipe.adapter, 3);
    if (!made) qFatal("%s", made.error().sentence().c_str());
    disturb(**made);
    fs::remove_all(base_.root() / name);
    const fs::path folder = base_.made(name);
    const auto saved = made.value()->save(folder, "base");
    if (!saved) qFatal("%s", saved.error().sentence().c_str());
    return folder;
  }

  /// What is thrown is a fault like an answer without a place.
  Result<std::shared_ptr<Adapter>> tried(const fs::path& folder) {
    try {
      return load_adapter(*loaded_, folder);
    } catch (const std::exception& thrown) {
      return machine_error(std::string("thrown: ") + thrown.what());
    }
  }

  /// Loading says what is wrong and where; so do a merge and a sum of adapters, which write
  /// nothing.
  bool refused(const fs::path& folder, const std::string& file, const std::string& place,
               const char* what, Ways ways = Ways::Load) {
    const auto read = tried(folder);
    const std::string told = read ? "it is taken" : read.error().sentence();
    const bool named = !read && read.error().code == ErrorCode::Input &&
                       told.find(file) != std::string::npos &&
                       told.find(place) != std::string::npos && !read.error().what.empty();
    if (!named) qWarning("%s: %s", what, told.c_str());
    bool nothing_written = same_bytes(*loaded_->model, before_);
    if (ways != Ways::Load) {
      const fs::path out = base_.root() / "merged";
      const auto merged = merge_adapter(base_.folder(), folder, out);
      nothing_written = nothing_written && !merged && !fs::exists(out);
      if (merged) qWarning("%s: it is merged", what);
    }
    if (ways == Ways::MergeAndSum) {
      CombineOptions half;
      half.weights = {0.5};
      half.combination_type = "linear";
      const fs::path sum = base_.root() / "sum";
      const auto combined = combine_adapters({folder}, half, sum);
      nothing_written = nothing_written && !combined && !fs::exists(sum);
      if (combined) qWarning("%s: it is summed", what);
    }
    nothing_written = nothing_written && no_leftovers();
    if (!nothing_written) qWarning("%s: something was changed or written", what);
    return named && nothing_written;
  }

  /// Whether the tensors of a folder tell such a base from their own: a prompt has the decoder's
  /// width, FourierFT's coefficients and one rotation for all blocks have no width at all.
  static bool shows(const QString& strategy, const QStringList& settings, bool tower, bool wide) {
    if (strategy == "visual_prompt_tuning") return tower;
    if (strategy == "prefix_tuning") return !tower;
    if (strategy == "prompt_tuning" || strategy == "p_tuning" || strategy == "trainable_tokens")
      return !tower && wide;
    if (strategy == "fourierft" || settings.contains("adapter.block_share=true")) return !wide;
    return true;
  }

  bool no_leftovers() const {
    for (const auto& entry : fs::directory_iterator(base_.root())) {
      const std::string name = entry.path().filename().string();
      if (name.find("merged") != std::string::npos || name.find("sum") != std::string::npos)
        return false;
    }
    return true;
  }

 private slots:
  void init() { whole_ = true; }
  void initTestCase() {
    loaded_.emplace(base_.load());
    before_ = copies(*loaded_->model);
  }

  void tensors_data() { kinds(); }
  void tensors() {
    QFETCH(QString, strategy);
    QFETCH(QStringList, settings);
    const fs::path folder = folder_of(strategy, settings, "tensors");
    for (const char* file : {kTensors, "prompt_encoder.safetensors"}) {
      if (!fs::exists(folder / file)) continue;
      const std::vector<OwnTensor> whole = read_all(folder / file);
      const bool of_adapter = file == std::string(kTensors);
      std::set<std::string> tried;
      for (std::size_t i = 0; i < whole.size(); ++i) {
        if (!tried.insert(kind_of(whole[i].name)).second) continue;
        const bool first = tried.size() == 1;
        const auto with = [&](auto change) {
          std::vector<OwnTensor> tensors = whole;
          change(tensors);
          write_all(folder / file, tensors);
        };
        const std::string name = module_of(whole[i].name);
        const auto says = [&](const char* what) { return (name + ": " + what); };
        with([&](auto& all) { all.erase(all.begin() + static_cast<std::ptrdiff_t>(i)); });
        whole_ &= refused(folder, file, "", says("lost").c_str(),
                          of_adapter && first ? Ways::Merge : Ways::Load);
        with([&](auto& all) { all[i].name += "x"; });
        if (of_adapter) whole_ &= refused(folder, file, "", says("renamed").c_str());
        with([&](auto& all) {
          all[i].shape[0] += 1;
          const std::int64_t row =
              static_cast<std::int64_t>(all[i].bytes.size()) / (all[i].shape[0] - 1);
          all[i].bytes.resize(all[i].bytes.size() + static_cast<std::size_t>(row));
        });
        whole_ &= refused(folder, file, name, says("a row more").c_str());
        with([&](auto& all) { all[i].shape.push_back(1); });
        whole_ &= refused(folder, file, name, says("a side more").c_str());
        with([&](auto& all) {
          all[i].shape[0] = 0;
          all[i].bytes.clear();
        });
        whole_ &= refused(folder, file, name, says("empty").c_str());
        with([&](auto& all) {
          all[i].dtype = DType::I32;
          std::fill(all[i].bytes.begin(), all[i].bytes.end(), std::byte{0});
        });
        if (whole[i].dtype == DType::F32)
          whole_ &= refused(folder, file, name, says("whole numbers").c_str());
        with([&](auto& all) {
          const float none = std::numeric_limits<float>::quiet_NaN();
          std::memcpy(all[i].bytes.data(), &none, sizeof none);
        });
        if (whole[i].dtype == DType::F32)
          whole_ &= refused(folder, file, name, says("no number").c_str());
        with([&](auto& all) {
          OwnTensor added = all[i];
          added.name = "base_model.model.model.nowhere.lora_A.weight";
          all.push_back(added);
        });
        if (of_adapter)
          whole_ &= refused(folder, file, "nowhere", says("one too many").c_str(),
                            first ? Ways::Merge : Ways::Load);
      }
      write_all(folder / file, whole);
      QVERIFY(load_adapter(*loaded_, folder));
    }
    QVERIFY(whole_);
  }

  void cut_files_data() { kinds(); }
  void cut_files() {
    QFETCH(QString, strategy);
    QFETCH(QStringList, settings);
    const fs::path folder = folder_of(strategy, settings, "cut");
    for (const char* file : {kTensors, "prompt_encoder.safetensors", kConfig}) {
      if (!fs::exists(folder / file)) continue;
      const std::string whole = bytes_of(folder / file);
      const bool beside = file == std::string("prompt_encoder.safetensors");
      for (const std::size_t length :
           {std::size_t{0}, std::size_t{1}, std::size_t{7}, std::size_t{8}, std::size_t{9},
            whole.size() / 2, whole.size() - 3, whole.size() - 2}) {
        write_bytes(folder / file, whole.substr(0, length));
        whole_ &= refused(folder, file, "", ("of " + std::to_string(length) + " bytes").c_str(),
                          length == whole.size() / 2 && !beside ? Ways::MergeAndSum : Ways::Load);
      }
      if (file != std::string(kConfig)) {
        write_bytes(folder / file, whole + "x");
        whole_ &= refused(folder, file, "", "a byte more");
        write_bytes(folder / file, std::string(7, '\xff') + "\x7f" + whole.substr(8));
        whole_ &= refused(folder, file, "", "a header without end");
      }
      write_bytes(folder / file, whole);
    }
    for (const char* text :
         {"", "null", "[]", "3", "\"lora\"", "{}", "{\"peft_type\": null}",
          "{\"peft_type\": [\"LORA\"]}", "{\"peft_type\": \"\"}",
          "{\"peft_type\": \"LORA\", \"peft_type\": \"IA3\"}", "{\"peft_type\": NaN}"}) {
      write_bytes(folder / kConfig, text);
      whole_ &= refused(folder, kConfig, "", text);
    }
    fs::remove(folder / kConfig);
    whole_ &= refused(folder, "", "", "without a config");
    QVERIFY(whole_);
  }

  /// The tensors of one method under the config of every other.
  void of_another_method_data() { kinds(); }
  void of_another_method() {
    QFETCH(QString, strategy);
    QFETCH(QStringList, settings);
    const fs::path folder = folder_of(strategy, settings, "mixed");
    const std::string own = bytes_of(folder / kConfig);
    for (const Method* other : methods()) {
      if (!other->hangs_adapter() || other->name() == strategy.toStdString()) continue;
      // PEFT's own files of both are one prompt; which method made it does not matter to answers.
      if (strategy == "prompt_tuning" && other->name() == std::string("p_tuning")) continue;
      if (strategy == "p_tuning" && other->name() == std::string("prompt_tuning")) continue;
      const fs::path theirs = folder_of(other->name(), {}, "theirs");
      fs::copy_file(theirs / kConfig, folder / kConfig, fs::copy_options::overwrite_existing);
      whole_ &= refused(folder, "adapter_", "", other->name());
      // Its own config with the other's name.
      Json config = Json::parse(own);
      config["peft_type"] = other->kind.peft_type;
      write_text(folder / kConfig, config.dump());
      whole_ &= refused(folder, "adapter_", "", (std::string("called ") + other->name()).c_str());
    }
    QVERIFY(whole_);
  }

  /// Every field of the config in turn: what is taken answers with numbers, what is not is named.
  void fields_data() { kinds(); }
  void fields() {
    QFETCH(QString, strategy);
    QFETCH(QStringList, settings);
    const fs::path folder = folder_of(strategy, settings, "fields");
    const Json config = *read_json_file(folder / kConfig);
    const std::vector<Json> values{nullptr,
                                   true,
                                   -1,
                                   0,
                                   7,
                                   1e308,
                                   -1e-300,
                                   std::int64_t{1} << 62,
                                   "12",
                                   "",
                                   "(",
                                   "q_proj",
                                   Json::array(),
                                   Json::array({-1}),
                                   Json::array({"nowhere"}),
                                   Json::array({1, "q_proj"}),
                                   Json::object(),
                                   {{"q_proj", -1}},
                                   {{"q_proj", 1e300}},
                                   {{"q_proj", "4"}},
                                   {{"(", 2}},
                                   {{"q_proj", std::int64_t{1} << 40}}};
    std::vector<std::string> keys;
    for (const auto& [key, value] : config.items()) keys.push_back(key);
    std::set<std::string> harmless;  // which nothing reads: two values do
    std::vector<SettingField> known = find_method(strategy.toStdString()).value()->fields();
    known.insert(known.end(), common_fields().begin(), common_fields().end());
    for (const SettingField& field : known) {
      if (field.use == SettingField::Use::Harmless)
        harmless.insert(field.name);
      else
        keys.emplace_back(field.name);
    }
    int taken = 0, said = 0;
    QStringList faults;
    for (const std::string& key : std::set<std::string>(keys.begin(), keys.end())) {
      for (const Json& value : values) {
        if (harmless.contains(key) && &value - values.data() >= 2) continue;
        Json changed = config;
        changed[key] = value;
        write_text(folder / kConfig, changed.dump());
        const auto read = tried(folder);
        const std::string what = key + " = " + value.dump();
        if (!read) {
          const std::string sentence = read.error().sentence();
          const bool named = read.error().code == ErrorCode::Input &&
                             sentence.find(folder.string()) != std::string::npos &&
                             (sentence.find(key) != std::string::npos ||
                              sentence.find("is not chosen here") != std::string::npos ||
                              sentence.find(".safetensors") != std::string::npos);
          if (!named) faults << QString::fromStdString(what + ": " + sentence);
          ++said;
          continue;
        }
        read.value()->activate();
        const torch::Tensor logits = logits_with_picture(*loaded_);
        read.value()->deactivate();
        if (!at::isfinite(logits).all().item<bool>())
          faults << QString::fromStdString(what + " gives no numbers");
        ++taken;
      }
    }
    QVERIFY(same_bytes(*loaded_->model, before_));
    QVERIFY2(faults.isEmpty(), qPrintable(faults.join('\n')));
    QVERIFY2(taken > 8 && said > 10, qPrintable(QString("%1, %2").arg(taken).arg(said)));
  }

  /// A base with one layer less, or wider.
  void of_another_base_data() { kinds(); }
  void of_another_base() {
    QFETCH(QString, strategy);
    QFETCH(QStringList, settings);
    const fs::path folder = folder_of(strategy, settings, "stranger");
    struct Other {
      const char *what, *section, *key;
      std::int64_t value;
    };
    for (const Other& other : {Other{"one layer less", "text_config", "num_hidden_layers", 1},
                               Other{"one layer more", "text_config", "num_hidden_layers", 3},
                               Other{"wider", "text_config", "hidden_size", 80},
                               Other{"a wider tower", "vision_config", "hidden_size", 48}}) {
      const bool tower = other.section == std::string("vision_config");
      const bool wide = other.key == std::string("hidden_size");
      if (!shows(strategy, settings, tower, wide)) continue;
      const fs::path drawn = base_.root() / "other";
      fs::remove_all(drawn);
      fs::copy(base_.root() / "drawn", drawn, fs::copy_options::recursive);
      Json config = *read_json_file(drawn / "config.json");
      config[other.section][other.key] = other.value;
      write_text(drawn / "config.json", config.dump());
      LoadOptions options;
      options.device = "cpu";
      options.random_weights = true;
      auto stranger = load_model(drawn, options);
      QVERIFY2(stranger, stranger ? "" : stranger.error().sentence().c_str());
      const auto bytes = copies(*stranger->model);
      const auto read = load_adapter(*stranger, folder);
      QVERIFY2(!read, other.what);
      const std::string sentence = read.error().sentence();
      QVERIFY2(sentence.find(kTensors) != std::string::npos, sentence.c_str());
      QVERIFY(same_bytes(*stranger->model, bytes));
    }
  }
};

QTEST_GUILESS_MAIN(TestHostileAdapters)
#include "test_hostile_adapters.moc"
