// SPDX-License-Identifier: GPL-3.0-or-later
// Each thing that people give in the place of a model, an adapter or a run, and the sentence that
// tells them what it is and which path was meant.
#include <QtTest>

#include <fstream>

#include "engine/hub/folder_kind.h"
#include "engine/hub/found.h"

using namespace luthier;
namespace fs = std::filesystem;

namespace {

std::string sentence(const Status& status) { return status ? "" : status.error().sentence(); }

bool says(const std::string& text, const std::vector<std::string>& parts) {
  for (const std::string& part : parts) {
    if (text.find(part) == std::string::npos) {
      qWarning("\"%s\" is not in: %s", part.c_str(), text.c_str());
      return false;
    }
  }
  return true;
}

Result<CheckpointFiles> opened(const fs::path& folder) {
  auto files = CheckpointFiles::open(folder);
  LUTHIER_CHECK(check_weights(folder, read_json_file(folder / "config.json").take(), files));
  return files;
}

}  // namespace

class TestFolderKind : public QObject {
  Q_OBJECT

 private slots:
  void init() {
    folder_ = std::make_unique<QTemporaryDir>();
    fs::current_path(root());
    put("base/config.json", R"({"model_type": "llava"})");
    put("base/model.safetensors", "");
    put("tuned/adapter_config.json",
        R"({"peft_type": "LORA", "base_model_name_or_path": "org/its-base"})");
    put("tuned/adapter_model.safetensors", "x");
    put("run/run.json", R"({"model": "path/of/base"})");
    put("run/recipe.yaml", "model: x");
    put("run/adapter/adapter_config.json", "{}");
    put("run/checkpoints/step-000010/trainer_state.json", "{}");
    put("run/checkpoints/step-000010/adapter/adapter_config.json", "{}");
    put("full/run.json", "{}");
    put("full/model/config.json", "{}");
    put("full/model/model.safetensors", "");
    put("full/checkpoints/step-000010/trainer_state.json", "{}");
    put("full/checkpoints/step-000010/trained.safetensors", "");
    put("young/run.json", "{}");
  }
  void cleanup() { fs::current_path("/"); }

  void what_is_right_is_let_through() {
    QVERIFY(check_model_folder("base").ok() && check_model_folder("full/model").ok());
    QVERIFY(check_adapter_folder("tuned").ok() && check_adapter_folder("run/adapter").ok());
    QVERIFY(check_adapter_folder("run/checkpoints/step-000010/adapter").ok());
    put("both/config.json", "{}");  // PEFT's folder with the base's configuration beside it
    put("both/adapter_config.json", "{}");
    QVERIFY(check_adapter_folder("both").ok() && !check_model_folder("both").ok());
  }

  void as_a_model_data() {
    QTest::addColumn<QString>("path");
    QTest::addColumn<QStringList>("parts");
    const auto row = [](const char* path, const QStringList& parts) {
      QTest::newRow(path) << path << parts;
    };
    row("tuned", {"adapter, not a whole model", "org/its-base", "as the adapter"});
    row("run", {"run's folder, not a model", "path/of/base", "run/adapter"});
    row("full", {"run's folder, not a model", "full/model"});
    row("young", {"run's folder", "no result yet", "--resume young"});
    row("run/checkpoints/step-000010", {"checkpoint of a run", "run/adapter"});
    row("full/checkpoints/step-000010", {"checkpoint of a run", "full/model"});
    row("base/model.safetensors", {"one file of a checkpoint", "Give base."});
    row("base/config.json", {"one file of a checkpoint", "Give base."});
    row("q4.gguf", {"GGUF"});
    row("ggufs", {"GGUF", "transformers checkpoint"});
    row("weights.bin", {"not a safetensors file", "pickle"});
    row("model.zip", {"archive", "Unpack"});
    row("notes.txt", {"This is a file, and a folder is needed"});
    row("empty", {"The folder is empty"});
    row("hidden", {"The folder is empty"});
    row("part", {"has not finished", "model.safetensors.incomplete"});
    row("local", {"has not finished", "abc.incomplete"});
    row("above", {"no config.json", "Perhaps this was meant: above/one"});
    row("hub/models--o--n", {"no config.json", "snapshots/0123456789"});
    row("nothing", {"no such folder", "A model is a folder with"});
    row("runs/frist",
        {"no such folder", "A model is a folder with"});  // a slip of the finger, not a hub's id
    row("org/absent", {"luthier-cli fetch org/absent"});
    row("https://huggingface.co/org/absent", {"luthier-cli fetch org/absent"});
    row("https://huggingface.co/org/absent/tree/main", {"luthier-cli fetch org/absent"});
    row("org/cached", {"name of a repository", "on this machine", "snapshots/0123456789"});
    row("~/model", {"no such folder", "\"~\" is not replaced"});
    row("pointers", {"Git LFS pointer", "tokenizer.json", "git lfs pull"});
    row("other", {"There is no config.json", "A model is a folder with"});
  }
  void as_a_model() {
    put("q4.gguf", "x");
    put("ggufs/q4.gguf", "x");
    put("weights.bin", "x");
    put("model.zip", "x");
    put("notes.txt", "x");
    fs::create_directories("empty");
    put("hidden/.git/HEAD", "x");
    put("part/model.safetensors.incomplete", "x");
    put("local/README.md", "x");
    put("local/.cache/huggingface/download/abc.incomplete", "x");
    put("above/one/config.json", "{}");
    fs::create_directories("runs");
    put("hub/models--o--n/snapshots/0123456789/config.json", "{}");
    put("hub/models--org--cached/refs/main", "0123456789");
    put("hub/models--org--cached/snapshots/0123456789/config.json", "{}");
    qputenv("HF_HUB_CACHE", QByteArray::fromStdString((root() / "hub").string()));
    put("pointers/config.json", "{}");
    put("pointers/tokenizer.json", "version https://git-lfs.github.com/spec/v1\noid sha256:" +
                                       std::string(64, 'a') + "\nsize 1\n");
    put("other/README.md", "x");
    QFETCH(QString, path);
    QFETCH(QStringList, parts);
    const Status status = check_model_folder(path.toStdString());
    QVERIFY(!status.ok() && status.error().exit_status() == 2);
    std::vector<std::string> wanted;
    for (const QString& part : parts) wanted.push_back(part.toStdString());
    QVERIFY(says(sentence(status), wanted));
    QVERIFY(!inspect_model(path.toStdString(), {"llava"}).loadable);
  }

  void as_an_adapter() {
    QVERIFY(says(sentence(check_adapter_folder("base")),
                 {"whole model, not an adapter", "Give it as the model"}));
    QVERIFY(says(sentence(check_adapter_folder("run")),
                 {"run's folder, not an adapter", "Its adapter is run/adapter"}));
    QVERIFY(says(sentence(check_adapter_folder("full")),
                 {"run's folder", "full/model", "as the model"}));
    QVERIFY(says(sentence(check_adapter_folder("young")), {"no result yet"}));
    QVERIFY(says(sentence(check_adapter_folder("run/checkpoints/step-000010")),
                 {"checkpoint of a run", "step-000010/adapter"}));
    QVERIFY(says(sentence(check_adapter_folder("full/checkpoints/step-000010")),
                 {"checkpoint of a run", "full or frozen"}));
    QVERIFY(says(sentence(check_adapter_folder("tuned/adapter_model.safetensors")),
                 {"one file", "Give tuned."}));
    QVERIFY(
        says(sentence(check_adapter_folder("absent")), {"no such folder", "adapter_config.json"}));
    fs::create_directories("empty");
    QVERIFY(says(sentence(check_adapter_folder("empty")), {"empty"}));
    put("several/default/adapter_config.json", "{}");
    QVERIFY(says(sentence(check_adapter_folder("several")),
                 {"no adapter_config.json", "several/default"}));
  }

  void quantized_data() {
    QTest::addColumn<QString>("config");  // quantization_config; empty: none
    QTest::addColumn<QString>("tensor");
    QTest::addColumn<int>("dtype");
    QTest::addColumn<QString>("method");  // empty: it is not quantized
    const auto row = [](const char* name, const char* config, const char* tensor, DType dtype,
                        const char* method) {
      QTest::newRow(name) << config << tensor << static_cast<int>(dtype) << method;
    };
    row("plain", "", "a.weight", DType::BF16, "");
    row("a position buffer", "", "a.position_ids", DType::BF16, "");
    // Read here: no reason to refuse them.
    row("bnb by both", R"({"quant_method": "bitsandbytes", "load_in_4bit": true})",
        "a.weight.absmax", DType::F32, "");
    row("bnb, old, without a method", R"({"load_in_8bit": true})", "a.SCB", DType::F32, "");
    row("gptq", R"({"quant_method": "gptq", "bits": 4})", "a.qweight", DType::I32, "");
    row("awq", R"({"quant_method": "awq", "bits": 4})", "a.qweight", DType::I32, "");
    row("bnb's other kind of names", R"({"quant_method": "bitsandbytes", "load_in_4bit": true})",
        "a.SCB", DType::F32, "bitsandbytes, 4 bit");
    row("bnb by name", "", "a.weight.quant_state.bitsandbytes__nf4", DType::U8,
        "bitsandbytes, 4 bit");
    row("qweight alone", "", "a.qweight", DType::I32, "GPTQ or AWQ");
    row("fp8", R"({"quant_method": "fp8"})", "a.weight", DType::F8_E4M3, "FP8");
    row("fp8 by type", "", "a.weight", DType::F8_E5M2, "FP8");
    row("compressed", R"({"quant_method": "compressed-tensors"})", "a.weight_packed", DType::I32,
        "compressed-tensors");
    row("aqlm", "", "a.codebooks", DType::F16, "AQLM");
    row("a new one", R"({"quant_method": "nextbits", "bits": 2})", "a.weight", DType::U8,
        "nextbits, 2 bit");
    row("bytes", "", "a.weight", DType::U8, "stored as U8");
    row("an entry that a merge left behind",
        R"({"quant_method": "bitsandbytes", "load_in_4bit": true})", "a.weight", DType::BF16, "");
  }
  void quantized() {
    QFETCH(QString, config);
    QFETCH(QString, tensor);
    QFETCH(int, dtype);
    QFETCH(QString, method);
    const auto type = static_cast<DType>(dtype);
    const std::vector<std::byte> bytes(64 * dtype_size(type)), plain(16);
    put("quantized/config.json",
        "{\"model_type\": \"llava\"" +
            std::string(config.isEmpty() ? ""
                                         : ", \"quantization_config\": " + config.toStdString()) +
            "}");
    put("quantized/tokenizer.json", "{}");
    put("quantized/preprocessor_config.json", "{}");
    QVERIFY(write_safetensors("quantized/model.safetensors",
                              {{tensor.toStdString(), type, {8, 8}, bytes},
                               {"norm.weight", DType::F32, {4}, plain}})
                .ok());
    const auto files = opened("quantized");
    QCOMPARE(files.ok(), method.isEmpty());
    const FoundModel found = inspect_model("quantized", {"llava"});
    QVERIFY2(found.loadable == method.isEmpty(), found.why_not.c_str());
    if (method.isEmpty()) return;
    QVERIFY(says(files.error().sentence(),
                 {"quantized (" + method.toStdString() + ")", "float16, bfloat16 or float32"}));
    QVERIFY(says(found.why_not, {method.toStdString()}));
    // The same where the weights are of types that no reader here knows, or are not there; of a
    // kind that is read, the file is at fault.
    if (config.isEmpty()) return;
    put("quantized/model.safetensors", "broken");
    const bool read = method.startsWith("bitsandbytes");
    QVERIFY(says(opened("quantized").error().sentence(),
                 {read ? std::string("model.safetensors") : method.toStdString()}));
  }

  void what_of_a_known_kind_is_not_read_is_named_data() {
    QTest::addColumn<QString>("config");
    QTest::addColumn<QString>("field");
    const auto row = [](const char* config, const char* field) {
      QTest::newRow(config) << config << field;
    };
    row(R"({"quant_method": "gptq", "bits": 8})", "bits");
    row(R"({"quant_method": "gptq", "bits": 4, "desc_act": "yes"})", "desc_act");
    row(R"({"quant_method": "gptq", "bits": 4, "group_size": 0})", "group_size");
    row(R"({"quant_method": "gptq", "bits": 4, "checkpoint_format": "marlin"})",
        "checkpoint_format");
    row(R"({"quant_method": "awq", "bits": 4, "version": "gemv"})", "version");
  }
  void what_of_a_known_kind_is_not_read_is_named() {
    QFETCH(QString, config);
    QFETCH(QString, field);
    put("quantized/config.json",
        "{\"model_type\": \"llava\", \"quantization_config\": " + config.toStdString() + "}");
    const std::vector<std::byte> bytes(256);
    QVERIFY(
        write_safetensors("quantized/model.safetensors", {{"a.qweight", DType::I32, {8, 8}, bytes}})
            .ok());
    const auto files = opened("quantized");
    QVERIFY(!files.ok());
    QVERIFY(says(files.error().sentence(), {"quantization_config: " + field.toStdString()}));
  }

  void nothing_hostile_is_followed() {
    put("secret/adapter_config.json", R"({"base_model_name_or_path": "secret"})");
    fs::create_directories("link");
    fs::create_symlink(root() / "secret/adapter_config.json", root() / "link/adapter_config.json");
    QVERIFY(sentence(check_model_folder("link")).find("secret)") == std::string::npos);
    put("long/adapter_config.json",
        "{\"base_model_name_or_path\": \"" + std::string(100000, 'x') + "\"}");
    QVERIFY(sentence(check_model_folder("long")).size() < 1000);
    put("broken/adapter_config.json", "\xff{");
    QVERIFY(!check_model_folder("broken").ok());
    fs::create_directory_symlink(".", root() / "loop");
    QVERIFY(!check_model_folder("loop/loop/loop").ok());
    QVERIFY(!check_model_folder("").ok() && !check_adapter_folder("").ok());
    QVERIFY(!check_model_folder(std::string(5000, 'x')).ok());
    QVERIFY(!check_model_folder("/dev/null").ok());
  }

 private:
  fs::path root() const { return fs::weakly_canonical(folder_->path().toStdString()); }
  static void put(const fs::path& path, const std::string& text) {
    if (path.has_parent_path()) fs::create_directories(path.parent_path());
    std::ofstream(path, std::ios::binary) << text;
  }
  std::unique_ptr<QTemporaryDir> folder_;
};

QTEST_GUILESS_MAIN(TestFolderKind)
#include "test_folder_kind.moc"
