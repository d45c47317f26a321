// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/text/post_processor.h"

#include <algorithm>

#include "engine/text/json_fields.h"

namespace luthier {
namespace {

constexpr std::size_t kMaxSpecials = 4096;

/// A template's special token → the ids that it stands for.
Result<std::vector<std::int32_t>> special_ids(const SortedJson& special, const SortedJson* tokens,
                                              const std::string& where, const char* list) {
  LUTHIER_TRY(const std::string name,
              string_field(special, "id", where + "." + list + ".SpecialToken"));
  const SortedJson* entry = tokens ? find_field(*tokens, name.c_str()) : nullptr;
  const SortedJson* ids = entry ? find_field(*entry, "ids") : nullptr;
  if (!ids || !ids->is_array())
    return input_error("The special token \"" + name + "\" has no ids.", where + ".special_tokens");
  std::vector<std::int32_t> read;
  for (const SortedJson& id : *ids) {
    if (!id.is_number_integer() || id < 0 || id >= kMaxVocabulary)
      return input_error("An id is needed here.", where + ".special_tokens." + name);
    read.push_back(id.get<std::int32_t>());
  }
  return read;
}

/// A ["[CLS]", 101] pair's id.
Result<std::int32_t> pair_id(const SortedJson& value, const char* key, const std::string& where) {
  const SortedJson* field = find_field(value, key);
  if (!field || !field->is_array() || field->size() != 2 || !(*field)[1].is_number_integer() ||
      (*field)[1] < 0 || (*field)[1] >= kMaxVocabulary) {
    return input_error("A pair of a token and its id is needed here.", where + "." + key);
  }
  return (*field)[1].get<std::int32_t>();
}

}  // namespace

Result<PostProcessor> PostProcessor::read(const SortedJson& value, const std::string& where) {
  PostProcessor processor;
  processor.where_ = where;
  if (!value.is_null()) LUTHIER_CHECK(processor.read_step(value, where, 0));
  return processor;
}

PostProcessor PostProcessor::around(std::vector<std::int32_t> before,
                                    std::vector<std::int32_t> after) {
  PostProcessor processor;
  Step step;
  step.pieces.assign(before.begin(), before.end());
  step.pieces.push_back(std::nullopt);
  step.pieces.insert(step.pieces.end(), after.begin(), after.end());
  processor.steps_.push_back(std::move(step));
  return processor;
}

Status PostProcessor::read_step(const SortedJson& value, const std::string& where,
                                std::size_t depth) {
  LUTHIER_TRY(const std::string type, string_field(value, "type", where));
  if (type == "TemplateProcessing") return read_template(value, where);
  if (type == "ByteLevel") return {};  // only trims offsets
  if (type == "RobertaProcessing" || type == "BertProcessing") {
    LUTHIER_TRY(const std::int32_t first, pair_id(value, "cls", where));
    LUTHIER_TRY(const std::int32_t last, pair_id(value, "sep", where));
    steps_.push_back({{first, std::nullopt, last}});
    const bool bert = type == "BertProcessing";
    pair_ = {{first}, {{}, 0}, {last}};
    if (!bert) pair_.push_back({last});
    pair_.insert(pair_.end(), {{{}, 1, bert ? 1 : 0}, {last, 0, bert ? 1 : 0}});
    return {};
  }
  if (type == "Sequence") {
    const SortedJson* list = find_field(value, "processors");
    if (!list || !list->is_array())
      return input_error("A list of post-processors is needed here.", where + ".processors");
    std::size_t i = 0;
    for (const SortedJson& entry : *list)
      LUTHIER_CHECK(
          read_step(entry, where + ".processors[" + std::to_string(i++) + "]", depth + 1));
    return {};
  }
  return input_error("The post-processor \"" + type + "\" is not known.", where + ".type");
}

Status PostProcessor::read_template(const SortedJson& value, const std::string& where) {
  const SortedJson* single = find_field(value, "single");
  const SortedJson* tokens = find_field(value, "special_tokens");
  if (!single || !single->is_array())
    return input_error("A list of template pieces is needed here.", where + ".single");
  Step step;
  for (const SortedJson& piece : *single) {
    if (const SortedJson* sequence = find_field(piece, "Sequence")) {
      LUTHIER_TRY(const std::string id, string_field(*sequence, "id", where + ".single.Sequence"));
      if (id != "A")
        return input_error("The template of a single text can hold sequence A only.",
                           where + ".single");
      step.pieces.push_back(std::nullopt);
      continue;
    }
    const SortedJson* special = find_field(piece, "SpecialToken");
    if (!special) return input_error("A piece is a Sequence or a SpecialToken.", where + ".single");
    LUTHIER_TRY(const auto ids, special_ids(*special, tokens, where, "single"));
    step.pieces.insert(step.pieces.end(), ids.begin(), ids.end());
    if (step.pieces.size() > kMaxSpecials)
      return input_error("The template has more than 4096 pieces.", where + ".single");
  }
  steps_.push_back(std::move(step));
  const SortedJson* pair = find_field(value, "pair");
  return pair && !pair->is_null() ? read_pair(*pair, tokens, where) : Status();
}

Status PostProcessor::read_pair(const SortedJson& value, const SortedJson* tokens,
                                const std::string& where) {
  const auto refused = [&](const char* what) { return input_error(what, where + ".pair"); };
  if (!value.is_array() || value.size() > kMaxSpecials)
    return refused("A list of template pieces is needed here.");
  std::vector<PairPiece> pieces;
  int seen[2] = {0, 0};
  for (const SortedJson& piece : value) {
    const SortedJson* text = find_field(piece, "Sequence");
    const SortedJson* special = find_field(piece, "SpecialToken");
    if (!text && !special) return refused("A piece is a Sequence or a SpecialToken.");
    const SortedJson* type = find_field(text ? *text : *special, "type_id");
    if (type && (!type->is_number_integer() || *type < 0 || *type > 255))
      return refused("A type_id is a small number.");
    const std::int64_t of_type = type ? type->get<std::int64_t>() : 0;
    if (text) {
      LUTHIER_TRY(const std::string id, string_field(*text, "id", where + ".pair.Sequence"));
      if (id != "A" && id != "B") return refused("The texts of a pair are A and B.");
      const int which = id == "B";
      ++seen[which];
      pieces.push_back({{}, which, of_type});
      continue;
    }
    LUTHIER_TRY(const auto ids, special_ids(*special, tokens, where, "pair"));
    for (const std::int32_t id : ids) pieces.push_back({id, 0, of_type});
  }
  // Another count would make a pair of something else.
  if (seen[0] == 1 && seen[1] == 1) pair_ = std::move(pieces);
  return {};
}

Status PostProcessor::apply(std::vector<ModelToken>& tokens) const {
  const std::size_t limit = tokens.size() * 4 + (64 << 10);
  const std::uint32_t begin = tokens.empty() ? 0 : tokens.front().begin;
  for (const Step& step : steps_) {
    std::vector<ModelToken> result;
    std::uint32_t at = begin;
    for (const auto& piece : step.pieces) {
      if (piece) {
        result.push_back({*piece, at, at});
      } else {
        result.insert(result.end(), tokens.begin(), tokens.end());
        if (!tokens.empty()) at = tokens.back().end;
      }
      if (result.size() > limit)
        return input_error("The template makes the text several times longer.", where_);
    }
    tokens = std::move(result);
  }
  return {};
}

std::int32_t PostProcessor::largest_id() const {
  std::int32_t largest = -1;
  for (const Step& step : steps_) {
    for (const auto& piece : step.pieces) largest = std::max(largest, piece.value_or(-1));
  }
  for (const PairPiece& piece : pair_)
    largest = std::max(largest, static_cast<std::int32_t>(piece.token.value_or(-1)));
  return largest;
}

}  // namespace luthier
