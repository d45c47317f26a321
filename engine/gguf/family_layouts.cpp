// SPDX-License-Identifier: GPL-3.0-or-later
#include <algorithm>
#include <array>
#include <set>

#include "engine/gguf/picture_layouts.h"
#include "engine/models/config_numbers.h"

namespace luthier {

namespace {

constexpr const char* kHalfOfText = "model.language_model.";

Result<GgufLayouts> llava_layouts(const GgufCheckpoint& from, const std::string& where) {
  LUTHIER_TRY(const LlavaOptions o, read_llava_options(from.config, where));
  GgufLayouts layouts;
  layouts.vocabulary = o.text.vocab_size;
  LUTHIER_TRY(layouts.language,
              gguf_decoder(o.text, kHalfOfText, from.shapes, where + ": text_config"));
  LUTHIER_TRY(layouts.pictures, gguf_llava_pictures(o, from));
  return layouts;
}

Result<GgufLayouts> qwen_layouts(const QwenGeneration& generation, const GgufCheckpoint& from,
                                 const std::string& where) {
  LUTHIER_TRY(const QwenVlOptions o, read_qwen_vl_options(generation, from.config, where));
  GgufLayouts layouts;
  layouts.vocabulary = o.text.vocab_size;
  LUTHIER_TRY(layouts.language,
              gguf_decoder(o.text, kHalfOfText, from.shapes, where + ": text_config"));
  if (o.vision.newer_names)
    layouts.language.fields.push_back(
        {"qwen3vl.n_deepstack_layers", static_cast<std::uint32_t>(o.vision.reached().size())});
  LUTHIER_TRY(layouts.pictures, gguf_qwen_pictures(o, from));
  return layouts;
}

Result<GgufLayouts> gemma3_layouts(const GgufCheckpoint& from, const std::string& where) {
  LUTHIER_TRY(const Gemma3Options o, read_gemma3_options(from.config, where));
  GgufLayouts layouts;
  layouts.vocabulary = o.text.vocab_size;
  LUTHIER_TRY(layouts.language,
              gguf_decoder(o.text, kHalfOfText, from.shapes, where + ": text_config"));
  LUTHIER_TRY(layouts.pictures, gguf_gemma3_pictures(o, from));
  return layouts;
}

Result<GgufLayouts> idefics3_layouts(const GgufCheckpoint& from, const std::string& where) {
  LUTHIER_TRY(const Idefics3Options o, read_idefics3_options(from.config, where));
  GgufLayouts layouts;
  layouts.vocabulary = o.text.vocab_size;
  LUTHIER_TRY(layouts.language,
              gguf_decoder(o.text, "model.text_model.", from.shapes, where + ": text_config"));
  LUTHIER_TRY(layouts.pictures, gguf_idefics3_pictures(o, from));
  return layouts;
}

Result<GgufLayouts> text_layouts(const GgufCheckpoint& from, const std::string& where) {
  LUTHIER_TRY(const DecoderOptions o, read_decoder_options(from.config, where, from.model_type));
  GgufLayouts layouts;
  layouts.vocabulary = o.vocab_size;
  LUTHIER_TRY(layouts.language, gguf_decoder(o, "model.", from.shapes, where));
  return layouts;
}

using Layouts = Result<GgufLayouts> (*)(const GgufCheckpoint&, const std::string&);
struct FamilyRow {
  const char* model_type;
  Layouts layouts;
};

template <const QwenGeneration& generation>
Result<GgufLayouts> qwen_row(const GgufCheckpoint& from, const std::string& where) {
  return qwen_layouts(generation, from, where);
}

constexpr std::array kRows{FamilyRow{"llava", llava_layouts},
                           FamilyRow{"qwen2_vl", qwen_row<qwen2_vl_generation>},
                           FamilyRow{"qwen2_5_vl", qwen_row<qwen2_5_vl_generation>},
                           FamilyRow{"qwen3_vl", qwen_row<qwen3_vl_generation>},
                           FamilyRow{"gemma3", gemma3_layouts},
                           FamilyRow{"idefics3", idefics3_layouts},
                           FamilyRow{"smolvlm", idefics3_layouts},
                           FamilyRow{"llama", text_layouts},
                           FamilyRow{"mistral", text_layouts},
                           FamilyRow{"qwen2", text_layouts},
                           FamilyRow{"qwen3", text_layouts},
                           FamilyRow{"gemma3_text", text_layouts}};

/// Nothing of the checkpoint may be missing in the files.
Status check_all_placed(const GgufLayouts& layouts, const GgufCheckpoint& from) {
  std::set<std::string> placed;
  const auto add = [&](const GgufLayout& layout) {
    placed.insert(layout.left.begin(), layout.left.end());
    for (const GgufTensor& tensor : layout.tensors) placed.insert(tensor.parameter);
  };
  add(layouts.language);
  if (layouts.pictures) add(*layouts.pictures);
  for (const CheckpointShape& stored : from.shapes) {
    if (placed.contains(stored.name)) continue;
    return input_error("The tensor " + stored.name + " has no place in a GGUF file of this model.",
                       from.folder.string(), "Export it as safetensors.");
  }
  return {};
}

}  // namespace

std::vector<std::string> gguf_model_types() {
  std::vector<std::string> types;
  for (const FamilyRow& row : kRows) types.emplace_back(row.model_type);
  return types;
}

Result<GgufLayouts> gguf_layouts(const GgufCheckpoint& from) {
  const std::string where = (from.folder / "config.json").string();
  for (const FamilyRow& row : kRows) {
    if (from.model_type != row.model_type) continue;
    LUTHIER_TRY(GgufLayouts layouts, row.layouts(from, where));
    LUTHIER_CHECK(check_all_placed(layouts, from));
    return layouts;
  }
  std::string known;
  for (const std::string& type : gguf_model_types()) known += (known.empty() ? "" : ", ") + type;
  return input_error("Models of the type " + from.model_type + " are not written as GGUF.",
                     where + ": model_type", "Those that are: " + known + ".");
}

}  // namespace luthier
