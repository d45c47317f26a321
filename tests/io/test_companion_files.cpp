// SPDX-License-Identifier: GPL-3.0-or-later
// What a result made from a checkpoint takes along: everything but weights, nothing from outside,
// nothing of another's.
#include <QtTest>

#include <sys/stat.h>

#include <fstream>
#include <set>

#include "engine/base/log.h"
#include "engine/io/companion_files.h"

using namespace luthier;
namespace fs = std::filesystem;

class TestCompanionFiles : public QObject {
  Q_OBJECT

 private slots:
  void names_of_weights() {
    for (const char* name :
         {"model.safetensors", "model-00001-of-00002.safetensors", "model.safetensors.index.json",
          "pytorch_model.bin", "pytorch_model.bin.index.json", "training_args.bin", "optimizer.pt",
          "rng_state_0.pth", "tf_model.h5", "model.onnx", "model.onnx_data", "flax_model.msgpack",
          "q4_k_m.GGUF", "consolidated.00.pth", "rust_model.ot", "MODEL.SAFETENSORS"}) {
      QVERIFY2(is_weights_file(name), name);
    }
    for (const char* name :
         {"tokenizer.model", "spiece.model", "vocab.txt", "merges.txt", "qwen.tiktoken",
          "chat_template.jinja", "LICENSE", "README.md", "video_preprocessor_config.json",
          "configuration_x.py", "index.json", "added_tokens.json", "binary.txt"}) {
      QVERIFY2(!is_weights_file(name), name);
    }
  }

  void all_but_weights_travels() {
    const QTemporaryDir temporary;
    const fs::path root = temporary.path().toStdString(), from = root / "base",
                   to = root / "base/runs/one/model";
    const std::set<std::string> travel{"LICENSE",
                                       "README.md",
                                       "tokenizer.json",
                                       "spiece.model",
                                       "video_preprocessor_config.json",
                                       "generation_config.json",
                                       "additional_chat_templates/tool_use.jinja",
                                       "additional_chat_templates/deep/er.jinja",
                                       "custom_vocabulary.tiktoken",
                                       "processor/config.json"};
    for (const std::string& name : travel) put(from / name, "content of " + name);
    for (const char* name :
         {"config.json", "model.safetensors", "model.safetensors.index.json", "pytorch_model.bin",
          ".git/config", ".gitattributes", "adapter_config.json", "trainer_state.json",
          "manifest.json", "runs/one/run.json", "runs/one/metrics.jsonl",
          "runs/one/adapter/adapter_config.json", "runs/one/adapter/README.md", "other/config.json",
          "other/model.safetensors", "other/tokenizer.json"}) {
      put(from / name, "stays");
    }
    put(to / "config.json", "the result's own");
    QVERIFY(copy_companion_files(from, to).ok());
    std::set<std::string> found;
    for (const auto& entry : fs::recursive_directory_iterator(to)) {
      if (entry.is_regular_file()) found.insert(fs::relative(entry.path(), to).generic_string());
    }
    std::set<std::string> wanted = travel;
    wanted.insert("config.json");
    QVERIFY2(found == wanted, listed(found).c_str());
    QCOMPARE(contents(to / "additional_chat_templates/tool_use.jinja"),
             std::string("content of additional_chat_templates/tool_use.jinja"));
    QCOMPARE(contents(to / "config.json"), std::string("the result's own"));
  }

  void links_and_large_files() {
    const QTemporaryDir temporary;
    const fs::path root = temporary.path().toStdString(),
                   from = root / "hub/models--o--n/snapshots/0123456789", to = root / "out";
    put(root / "hub/models--o--n/blobs/aa", "a blob");
    put(root / "secret/password.txt", "secret");
    put(from / "inside.txt", "inside");
    fs::create_symlink("../../blobs/aa", from / "tokenizer.json");
    fs::create_symlink("inside.txt", from / "again.txt");
    fs::create_symlink(root / "secret/password.txt", from / "password.txt");
    fs::create_directory_symlink(root / "secret", from / "folder");
    fs::create_directory_symlink(".", from / "loop");
    fs::create_symlink("nowhere", from / "broken.json");
    QCOMPARE(::mkfifo((from / "pipe.json").c_str(), 0666), 0);
    std::ofstream(from / "huge.txt").put('x');
    fs::resize_file(from / "huge.txt", (256u << 20) + 1);  // sparse
    fs::create_directories(to);
    std::vector<std::string> said;
    set_log_sink([&](LogLevel, const std::string& line) { said.push_back(line); });
    const Status copied = copy_companion_files(from, to);
    set_log_sink({});
    QVERIFY(copied.ok());
    std::set<std::string> found;
    for (const auto& entry : fs::recursive_directory_iterator(to))
      found.insert(entry.path().filename().string());
    QVERIFY2((found == std::set<std::string>{"tokenizer.json", "inside.txt", "again.txt"}),
             listed(found).c_str());
    QCOMPARE(contents(to / "tokenizer.json"), std::string("a blob"));
    QVERIFY(!fs::is_symlink(to / "tokenizer.json"));
    const auto named = [&](const char* name) {
      return std::any_of(said.begin(), said.end(), [&](const std::string& line) {
        return line.find(name) != std::string::npos;
      });
    };
    QVERIFY(named("password.txt") && named("huge.txt"));
  }

 private:
  static void put(const fs::path& path, const std::string& text) {
    fs::create_directories(path.parent_path());
    std::ofstream(path) << text;
  }
  static std::string contents(const fs::path& path) {
    std::ifstream file(path);
    return {std::istreambuf_iterator<char>(file), {}};
  }
  static std::string listed(const std::set<std::string>& names) {
    std::string text;
    for (const std::string& name : names) text += name + " ";
    return text;
  }
};

QTEST_APPLESS_MAIN(TestCompanionFiles)
#include "test_companion_files.moc"
