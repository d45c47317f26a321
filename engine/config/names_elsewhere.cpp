// SPDX-License-Identifier: GPL-3.0-or-later
// The search in the table, whose rows stand in two files.
#include "engine/config/names_elsewhere.h"

#include <sstream>

#include "engine/config/names_table.h"

namespace luthier {
namespace {

using ElsewhereKind = NameElsewhere::Kind;

/// Lower case, without what separates words.
std::string plain(std::string_view name) {
  std::string text;
  for (const char c : name) {
    if (c == '_' || c == '-' || c == ' ') continue;
    text += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  }
  return text;
}

std::string_view last_name_of(std::string_view key) {
  const std::size_t dot = key.rfind('.');
  return dot == std::string_view::npos ? key : key.substr(dot + 1);
}

bool is_beginning(const std::string& name) { return name.ends_with('*'); }

/// Whether a name of the table means `wanted`, which is plain.
bool means(const std::string& name, const std::string& wanted) {
  if (!is_beginning(name)) return plain(name) == wanted;
  return wanted.starts_with(plain(std::string_view(name).substr(0, name.size() - 1)));
}

std::string hint_of(const NameElsewhere& row) {
  switch (row.kind) {
    case ElsewhereKind::Called:
      return "Here it is " + row.key + "." + (row.note.empty() ? "" : " " + row.note);
    case ElsewhereKind::Needless: return "It is not needed here, because " + row.note;
    case ElsewhereKind::Missing: return "This version does not have it: " + row.note;
  }
  return {};
}

}  // namespace

std::vector<std::string> words_of(const char* text) {
  std::istringstream in(text);
  std::vector<std::string> list;
  for (std::string word; in >> word;) list.push_back(word);
  return list;
}

const std::vector<NameElsewhere>& names_elsewhere() {
  static const std::vector<NameElsewhere> table = [] {
    std::vector<NameElsewhere> rows;
    add_names_with_setting(rows);
    add_names_without_setting(rows);
    return rows;
  }();
  return table;
}

const std::vector<ValueElsewhere>& values_elsewhere() {
  static const std::vector<ValueElsewhere> table = [] {
    std::vector<ValueElsewhere> rows;
    const auto means = [&](const char* key, const char* choice, const char* values) {
      rows.push_back({key, choice, words_of(values)});
    };
    means("strategy", "full", "full_finetuning fft all finetune sft none fine_tuning");
    means("strategy", "freeze", "frozen partial projector_only");
    means("strategy", "lora", "peft adapter LoraConfig longlora");
    means("objective", "sft", "supervised pt causal_lm instruct supervised_finetuning");
    means("init", "pretrained", "checkpoint none from_pretrained");
    means("init", "random", "scratch from_scratch from_config");
    means("image.on_error", "skip", "ignore drop warn");
    means("image.on_error", "refuse", "raise error fail stop");
    means("training.device", "cuda", "gpu cuda_device nvidia");
    means("training.dtype", "bfloat16",
          "bf16 torch.bfloat16 fp16 float16 half torch.float16 mixed");
    means("training.dtype", "float32", "fp32 f32 float full torch.float32 no single tf32");
    means("training.lr_scheduler_type", "cosine",
          "cosine_with_warmup cosine_annealing cosineannealinglr");
    means("training.lr_scheduler_type", "linear", "linear_with_warmup linear_decay linearlr");
    means("training.lr_scheduler_type", "constant", "none fixed");
    means("training.optim", "adamw_torch", "adamw adam adamw_hf torch_adamw adamw_apex_fused");
    means("training.gradient_checkpointing", "true", "yes on unsloth");
    means("training.gradient_checkpointing", "false", "no off none");
    means("training.loss_on", "completion",
          "response responses completion_only last last_round answer");
    means("training.loss_on", "assistant", "assistant_only answers default");
    means("training.loss_on", "all", "full prompt inputs everything");
    return rows;
  }();
  return table;
}

std::string choice_for_value(std::string_view key, std::string_view value) {
  const std::string wanted = plain(value.substr(0, 200));
  for (const ValueElsewhere& row : values_elsewhere()) {
    if (row.key != key) continue;
    for (const std::string& each : row.values) {
      if (plain(each) == wanted) return row.choice;
    }
  }
  return {};
}

std::string hint_for_name(std::string_view key) {
  const std::string wanted = plain(last_name_of(key.substr(0, 200)));
  if (wanted.empty()) return {};
  const NameElsewhere* by_beginning = nullptr;  // a whole name goes before one that only begins so
  for (const NameElsewhere& row : names_elsewhere()) {
    for (const std::string& name : row.names) {
      if (!means(name, wanted)) continue;
      if (!is_beginning(name)) return hint_of(row);
      if (!by_beginning) by_beginning = &row;
    }
  }
  return by_beginning ? hint_of(*by_beginning) : std::string();
}

}  // namespace luthier
