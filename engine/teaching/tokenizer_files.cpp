// SPDX-License-Identifier: GPL-3.0-or-later
// The made tokenizer as files. tokenizer.model is sentencepiece's ModelProto, written here in
// protobuf's wire format: a handful of fields do not ask for a code generator.
#include <cstring>

#include "engine/io/files.h"
#include "engine/io/json.h"
#include "engine/teaching/tokenizer_maker.h"

namespace luthier {

namespace {

/// A protobuf message under construction.
class Wire {
 public:
  void number(int field, std::uint64_t value) {
    varint(static_cast<std::uint64_t>(field) << 3);
    varint(value);
  }
  void real(int field, float value) {
    varint(static_cast<std::uint64_t>(field) << 3 | 5);
    char bytes[4];
    std::memcpy(bytes, &value, 4);  // little-endian hosts only, as everywhere here
    bytes_.append(bytes, 4);
  }
  void text(int field, const std::string& value) {
    varint(static_cast<std::uint64_t>(field) << 3 | 2);
    varint(value.size());
    bytes_ += value;
  }
  const std::string& bytes() const { return bytes_; }

 private:
  void varint(std::uint64_t value) {
    for (; value >= 0x80; value >>= 7) bytes_ += static_cast<char>(value | 0x80);
    bytes_ += static_cast<char>(value);
  }
  std::string bytes_;
};

std::string model_proto(const TokenizerDraft& draft) {
  enum : std::uint64_t { kNormal = 1, kUnknown = 2, kControl = 3, kByte = 6 };
  Wire model;
  for (std::size_t id = 0; id < draft.pieces.size(); ++id) {
    Wire piece;
    piece.text(1, draft.pieces[id]);
    piece.real(2, id < draft.first_merged ? 0.0f : -static_cast<float>(id - draft.first_merged));
    piece.number(3, id == 0                   ? kUnknown
                    : id < 3                  ? kControl
                    : id < draft.first_merged ? kByte
                                              : kNormal);
    model.text(1, piece.bytes());
  }
  Wire trainer;
  trainer.number(3, 2);                                // model_type: BPE
  trainer.number(4, draft.pieces.size());              // vocab_size
  trainer.number(25, 1);                               // split_digits
  trainer.number(35, 1);                               // byte_fallback
  trainer.number(40, 0);                               // unk_id
  trainer.number(41, 1);                               // bos_id
  trainer.number(42, 2);                               // eos_id
  trainer.number(43, static_cast<std::uint64_t>(-1));  // pad_id: none
  model.text(2, trainer.bytes());
  Wire normalizer;
  normalizer.text(1, "identity");
  normalizer.number(3, 1);  // add_dummy_prefix
  normalizer.number(4, 0);  // remove_extra_whitespaces
  normalizer.number(5, 1);  // escape_whitespaces
  model.text(3, normalizer.bytes());
  return model.bytes();
}

Json added_token(std::size_t id, const std::string& content) {
  return {{"id", id},        {"content", content},  {"single_word", false}, {"lstrip", false},
          {"rstrip", false}, {"normalized", false}, {"special", true}};
}

Json tokenizer_json(const TokenizerDraft& draft, const Json& added) {
  Json vocabulary = Json::object();
  for (std::size_t id = 0; id < draft.pieces.size(); ++id) vocabulary[draft.pieces[id]] = id;
  Json merges = Json::array();
  for (const auto& [left, right] : draft.merges) merges.push_back(Json::array({left, right}));
  const Json sequence_a = {{"Sequence", {{"id", "A"}, {"type_id", 0}}}},
             sequence_b = {{"Sequence", {{"id", "B"}, {"type_id", 1}}}};
  const Json bos = {{"SpecialToken", {{"id", "<s>"}, {"type_id", 0}}}},
             bos_b = {{"SpecialToken", {{"id", "<s>"}, {"type_id", 1}}}};
  return {
      {"version", "1.0"},
      {"truncation", nullptr},
      {"padding", nullptr},
      {"added_tokens", added},
      {"normalizer", nullptr},
      {"pre_tokenizer",
       {{"type", "Metaspace"},
        {"replacement", "\xe2\x96\x81"},
        {"prepend_scheme", "first"},
        {"split", false}}},
      {"post_processor",
       {{"type", "TemplateProcessing"},
        {"single", Json::array({bos, sequence_a})},
        {"pair", Json::array({bos, sequence_a, bos_b, sequence_b})},
        {"special_tokens",
         {{"<s>", {{"id", "<s>"}, {"ids", Json::array({1})}, {"tokens", Json::array({"<s>"})}}}}}}},
      {"decoder",
       {{"type", "Sequence"},
        {"decoders",
         Json::array(
             {{{"type", "Replace"}, {"pattern", {{"String", "\xe2\x96\x81"}}}, {"content", " "}},
              {{"type", "ByteFallback"}},
              {{"type", "Fuse"}},
              {{"type", "Strip"}, {"content", " "}, {"start", 1}, {"stop", 0}}})}}},
      {"model",
       {{"type", "BPE"},
        {"dropout", nullptr},
        {"unk_token", "<unk>"},
        {"continuing_subword_prefix", nullptr},
        {"end_of_word_suffix", nullptr},
        {"fuse_unk", true},
        {"byte_fallback", true},
        {"ignore_merges", false},
        {"vocab", vocabulary},
        {"merges", merges}}},
  };
}

}  // namespace

Status write_tokenizer(const TokenizerDraft& draft, const std::filesystem::path& folder,
                       std::int64_t model_max_length) {
  const std::size_t image = draft.pieces.size(), pad = image + 1;
  Json added = Json::array(), decoder = Json::object();
  for (const auto& [id, content] : std::vector<std::pair<std::size_t, std::string>>{
           {0, "<unk>"}, {1, "<s>"}, {2, "</s>"}, {image, "<image>"}, {pad, "<pad>"}}) {
    added.push_back(added_token(id, content));
    Json entry = added_token(id, content);
    entry.erase("id");
    decoder[std::to_string(id)] = entry;
  }
  const Json config = {
      {"add_bos_token", true},
      {"add_eos_token", false},
      {"added_tokens_decoder", decoder},
      {"bos_token", "<s>"},
      {"clean_up_tokenization_spaces", false},
      {"eos_token", "</s>"},
      {"extra_special_tokens", {{"image_token", "<image>"}}},
      {"image_token", "<image>"},
      {"legacy", false},
      {"model_max_length", model_max_length},
      {"pad_token", "<pad>"},
      {"padding_side", "left"},
      {"processor_class", "LlavaProcessor"},
      {"tokenizer_class", "LlamaTokenizer"},
      {"unk_token", "<unk>"},
  };
  const Json specials = {{"bos_token", "<s>"},
                         {"eos_token", "</s>"},
                         {"image_token", "<image>"},
                         {"pad_token", "<pad>"},
                         {"unk_token", "<unk>"}};
  LUTHIER_CHECK(write_file_atomically(folder / "tokenizer.model", model_proto(draft)));
  LUTHIER_CHECK(write_file_atomically(folder / "tokenizer.json",
                                      tokenizer_json(draft, added).dump(1) + "\n"));
  LUTHIER_CHECK(write_file_atomically(folder / "tokenizer_config.json", config.dump(2) + "\n"));
  return write_file_atomically(folder / "special_tokens_map.json", specials.dump(2) + "\n");
}

}  // namespace luthier
