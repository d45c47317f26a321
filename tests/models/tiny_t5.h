// SPDX-License-Identifier: GPL-3.0-or-later
// A T5 of a few thousand weights (drawn, seeded) with a tokenizer of letters and ten sentinels,
// texts for it and recipes over them. No LibTorch.
#pragma once

#include "tests/train/tiny_run.h"

namespace luthier::test {

inline constexpr int kFirstLetter = 4, kLetters = 26, kSentinels = 10;
/// The first sentinel is the highest id, as T5's own is.
inline constexpr int kFirstSentinel = kFirstLetter + kLetters + kSentinels - 1;
inline constexpr int kT5Words = kFirstSentinel + 1;

inline Json t5_config(const TinyModel& size = {}) {
  return {{"model_type", "t5"},
          {"vocab_size", kT5Words},
          {"d_model", size.hidden},
          {"d_kv", size.hidden / 4},
          {"d_ff", size.wide},
          {"num_layers", size.layers},
          {"num_heads", 4},
          {"relative_attention_num_buckets", 8},
          {"relative_attention_max_distance", 20},
          {"decoder_start_token_id", 0},
          {"pad_token_id", 0},
          {"eos_token_id", 1}};
}

inline void write_t5(const fs::path& folder, const Json& config, int sentinels = kSentinels) {
  fs::create_directories(folder);
  Json vocabulary = Json::array(), added = Json::array();
  const auto piece = [&](const std::string& text, bool special) {
    const std::size_t id = vocabulary.size();
    vocabulary.push_back(Json::array({text, special ? 0.0 : -3.0}));
    if (special) {
      added.push_back({{"id", id},
                       {"content", text},
                       {"special", true},
                       {"single_word", false},
                       {"lstrip", false},
                       {"rstrip", false},
                       {"normalized", false}});
    }
  };
  for (const char* name : {"<pad>", "</s>", "<unk>"}) piece(name, true);
  piece("\xE2\x96\x81", false);
  for (int i = 0; i < kLetters; ++i) piece(std::string(1, static_cast<char>('a' + i)), false);
  for (int i = sentinels - 1; i >= 0; --i) piece("<extra_id_" + std::to_string(i) + ">", true);
  const Json end = {{"SpecialToken", {{"id", "</s>"}, {"type_id", 0}}}},
             text = {{"Sequence", {{"id", "A"}, {"type_id", 0}}}};
  const Json whole = {
      {"version", "1.0"},
      {"added_tokens", added},
      {"normalizer", nullptr},
      {"pre_tokenizer",
       {{"type", "Metaspace"},
        {"replacement", "\xE2\x96\x81"},
        {"prepend_scheme", "always"},
        {"split", true}}},
      {"post_processor",
       {{"type", "TemplateProcessing"},
        {"single", {text, end}},
        {"pair", Json::array()},
        {"special_tokens", {{"</s>", {{"id", "</s>"}, {"ids", {1}}, {"tokens", {"</s>"}}}}}}}},
      {"decoder",
       {{"type", "Metaspace"},
        {"replacement", "\xE2\x96\x81"},
        {"prepend_scheme", "always"},
        {"split", true}}},
      {"model",
       {{"type", "Unigram"}, {"unk_id", 2}, {"vocab", vocabulary}, {"byte_fallback", false}}}};
  write_text(folder / "tokenizer.json", whole.dump());
  write_text(folder / "tokenizer_config.json",
             R"({"tokenizer_class": "T5Tokenizer", "eos_token": "</s>", "pad_token": "<pad>",
                 "unk_token": "<unk>"})");
  write_text(folder / "config.json", config.dump(2));
}

/// A folder with model and rows.jsonl, and recipes over them.
class TinyT5 {
 public:
  explicit TinyT5(const TinyModel& size = {},
                  const std::vector<std::string>& texts = some_texts()) {
    write_t5(root() / "model", t5_config(size));
    std::string rows;
    for (const std::string& text : texts) rows += Json{{"text", text}}.dump() + "\n";
    write_text(root() / "rows.jsonl", rows);
  }
  fs::path root() const { return folder_.path().toStdString(); }
  fs::path model() const { return root() / "model"; }

  static std::vector<std::string> some_texts() {
    std::vector<std::string> texts;
    for (std::size_t i = 0; i < 11; ++i)
      texts.push_back(
          std::string("the quick brown fox jumps over a lazy dog").substr(0, 12 + 2 * i));
    return texts;
  }

  Recipe recipe(const std::string& out, const std::vector<std::string>& settings = {}) const {
    std::vector<std::string> all{"model=" + model().string(),
                                 "init=random",
                                 "objective=span_corruption",
                                 "dataset=" + (root() / "rows.jsonl").string(),
                                 "output_dir=" + (root() / out).string(),
                                 "training.device=cpu",
                                 "training.max_steps=6",
                                 "training.per_device_train_batch_size=2",
                                 "training.gradient_accumulation_steps=2",
                                 "training.learning_rate=2.0e-3",
                                 "training.save_steps=3",
                                 "training.gradient_checkpointing=false"};
    return with_settings(std::move(all), settings);
  }

 private:
  QTemporaryDir folder_;
};

}  // namespace luthier::test
