// SPDX-License-Identifier: GPL-3.0-or-later
// A checkpoint of a few thousand weights (random, seeded) with the tokenizer of tests/data, rows
// for it and recipes over them: enough to train for real in a fraction of a second. No LibTorch.
#pragma once

#include <QtTest>

#include <filesystem>
#include <fstream>
#include <map>
#include <string>

#include "engine/config/recipe.h"
#include "engine/io/files.h"
#include "engine/io/json.h"

namespace luthier::test {

namespace fs = std::filesystem;

inline fs::path fixture() { return fs::path(LUTHIER_TEST_DATA) / "data_room"; }

inline void write_text(const fs::path& path, const std::string& text) {
  std::ofstream file(path, std::ios::binary);
  file << text;
}

struct TinyModel {
  std::int64_t hidden = 64, wide = 128, layers = 2, vision_hidden = 32, vision_wide = 64;
};

inline void make_model(const fs::path& folder, const TinyModel& size = {}) {
  fs::copy(fixture() / "llava", folder, fs::copy_options::recursive);
  const Json tokenizer = *read_json_file(folder / "tokenizer.json");
  std::int64_t image = 0, vocabulary = 0;
  for (const Json& token : tokenizer["added_tokens"]) {
    vocabulary = std::max(vocabulary, token["id"].get<std::int64_t>() + 1);
    if (token["content"] == "<image>") image = token["id"].get<std::int64_t>();
  }
  for (const auto& [piece, id] : tokenizer["model"]["vocab"].items())
    vocabulary = std::max(vocabulary, id.get<std::int64_t>() + 1);
  const Json config = {{"model_type", "llava"},
                       {"image_token_index", image},
                       {"vision_feature_layer", -2},
                       {"vision_feature_select_strategy", "default"},
                       {"projector_hidden_act", "gelu"},
                       {"text_config",
                        {{"model_type", "llama"},
                         {"vocab_size", vocabulary},
                         {"hidden_size", size.hidden},
                         {"intermediate_size", size.wide},
                         {"num_hidden_layers", size.layers},
                         {"num_attention_heads", 4},
                         {"num_key_value_heads", 2},
                         {"max_position_embeddings", 512}}},
                       {"vision_config",
                        {{"model_type", "clip_vision_model"},
                         {"hidden_size", size.vision_hidden},
                         {"intermediate_size", size.vision_wide},
                         {"num_hidden_layers", 3},
                         {"num_attention_heads", 4},
                         {"image_size", 28},
                         {"patch_size", 14}}}};
  write_text(folder / "config.json", config.dump(2));
}

inline Json row(int number, const std::string& answer, const fs::path& picture) {
  Json content = Json::array();
  if (!picture.empty()) content.push_back({{"type", "image"}, {"path", picture.string()}});
  content.push_back(
      {{"type", "text"}, {"text", "What is in picture " + std::to_string(number) + "?"}});
  return {{"messages",
           {{{"role", "user"}, {"content", content}},
            {{"role", "assistant"}, {"content", {{{"type", "text"}, {"text", answer}}}}}}}};
}

inline void make_rows(const fs::path& path, int count) {
  std::string text;
  for (int i = 0; i < count; ++i) {
    const fs::path picture = i % 3 == 0 ? fs::path() : fixture() / (i % 2 ? "a.png" : "b.jpg");
    text +=
        row(i, "It is " + std::to_string(i * 7 % 11) + " and " + std::to_string(i) + ".", picture)
            .dump() +
        "\n";
  }
  write_text(path, text);
}

/// A recipe of `all` and, over them, `settings`, each "key=value"; ends the test where it is
/// refused.
inline Recipe with_settings(std::vector<std::string> all,
                            const std::vector<std::string>& settings) {
  all.insert(all.end(), settings.begin(), settings.end());
  auto recipe = parse_recipe("", "test", all);
  if (!recipe) qFatal("%s", recipe.error().sentence().c_str());
  return recipe.take();
}

/// A folder with model, rows.jsonl and eval.jsonl, and recipes over them.
class TinyRun {
 public:
  explicit TinyRun(const TinyModel& size = {}, int rows = 11) {
    make_model(root() / "model", size);
    make_rows(root() / "rows.jsonl", rows);
    make_rows(root() / "eval.jsonl", 3);
  }
  fs::path root() const { return folder_.path().toStdString(); }

  Recipe recipe(const std::string& out, const std::vector<std::string>& settings = {}) const {
    std::vector<std::string> all{"model=" + (root() / "model").string(),
                                 "init=random",
                                 "dataset=" + (root() / "rows.jsonl").string(),
                                 "output_dir=" + (root() / out).string(),
                                 "training.device=cpu",
                                 "training.max_steps=9",
                                 "training.per_device_train_batch_size=2",
                                 "training.gradient_accumulation_steps=2",
                                 "training.learning_rate=2.0e-3",
                                 "training.warmup_steps=2",
                                 "training.save_steps=3",
                                 "training.gradient_checkpointing=false"};
    const bool another = std::any_of(settings.begin(), settings.end(), [](const std::string& each) {
      return each.starts_with("strategy=") && each != "strategy=lora" && each != "strategy=full" &&
             each != "strategy=freeze";
    });
    if (!another) all.insert(all.end(), {"adapter.r=4", "adapter.lora_dropout=0.1"});
    all.insert(all.end(), settings.begin(), settings.end());
    auto recipe = parse_recipe("", "test", all);
    if (!recipe) qFatal("%s", recipe.error().sentence().c_str());
    return recipe.take();
  }

 private:
  QTemporaryDir folder_;
};

/// What two runs must have in common to the byte: the result, and the metrics without times and
/// memory.
inline std::map<std::string, std::string> result_of(const fs::path& run) {
  std::map<std::string, std::string> found;
  for (const char* folder : {"adapter", "model"}) {
    if (!fs::exists(run / folder)) continue;
    for (const auto& entry : fs::recursive_directory_iterator(run / folder)) {
      if (!entry.is_regular_file()) continue;
      const auto sum = sha256_file(entry.path());
      found[fs::relative(entry.path(), run).string()] = sum ? *sum : sum.error().sentence();
    }
  }
  std::ifstream file(run / "metrics.jsonl");
  std::string text;
  for (std::string line; std::getline(file, line);) {
    auto fields = parse_json(line, "metrics");
    if (fields && fields->is_object())
      for (const char* key : {"memory", "step_seconds", "tokens_per_second"}) fields->erase(key);
    text += (fields ? fields->dump() : "no JSON: " + line) + "\n";
  }
  found["metrics"] = text;
  return found;
}

/// Names of what differs between two runs' results; empty when nothing does.
inline QString differences(const fs::path& left, const fs::path& right) {
  const auto a = result_of(left), b = result_of(right);
  QStringList names;
  for (const auto* each : {&a, &b}) {
    for (const auto& [name, value] : *each) {
      (void)value;
      const auto in_a = a.find(name), in_b = b.find(name);
      if (in_a != a.end() && in_b != b.end() && in_a->second == in_b->second) continue;
      if (name != "metrics" || in_a == a.end() || in_b == b.end()) {
        names << QString::fromStdString(name);
        continue;
      }
      const QStringList lines_a = QString::fromStdString(in_a->second).split('\n'),
                        lines_b = QString::fromStdString(in_b->second).split('\n');
      for (qsizetype i = 0; i < std::max(lines_a.size(), lines_b.size()); ++i) {
        if (lines_a.value(i) != lines_b.value(i))
          names << "metrics: " + lines_a.value(i) + " and " + lines_b.value(i);
      }
    }
  }
  names.removeDuplicates();
  return names.join('\n');
}

}  // namespace luthier::test
