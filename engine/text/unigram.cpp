// SPDX-License-Identifier: GPL-3.0-or-later
// Unigram language model (Kudo 2018): the segmentation with the best sum of scores, found by
// dynamic programming.
#include <algorithm>
#include <cmath>

#include "engine/text/json_fields.h"
#include "engine/text/token_model.h"
#include "engine/text/unicode.h"

namespace luthier {
namespace {

constexpr double kUnknownPenalty = 10.0;
constexpr std::size_t kMaxPiece = 512;  // bytes; bounds the work at each place of the text

class Unigram : public TokenModel {
 public:
  Unigram(Vocabulary vocabulary, std::vector<double> scores)
      : TokenModel(std::move(vocabulary)), scores_(std::move(scores)) {}
  Status read(const SortedJson& model, const std::string& where);
  Status tokenize(std::string_view word, std::vector<ModelToken>& tokens) const override;

 private:
  struct Best {
    double score = 0;
    std::int32_t begin = -1;  ///< -1: not reached
    bool unknown = false;
  };
  std::vector<Best> search(std::string_view word) const;
  Status emit(std::string_view word, std::size_t begin, std::size_t end,
              std::vector<ModelToken>& tokens) const;

  std::vector<double> scores_;
  std::vector<std::pair<std::string_view, std::int32_t>> sorted_;  ///< pieces in byte order
  std::optional<std::int32_t> unknown_;
  double unknown_score_ = 0;
  bool byte_fallback_ = false;
  std::int32_t byte_ids_[256];
  std::string where_;
};

Status Unigram::read(const SortedJson& model, const std::string& where) {
  where_ = where;
  if (find_field(model, "unk_id")) {
    LUTHIER_TRY(const std::int64_t id,
                int_field(model, "unk_id", where, 0,
                          std::max<std::int64_t>(vocabulary_.id_limit() - 1, 0)));
    if (vocabulary_.id_limit() == 0)
      return input_error("The vocabulary is empty but an unknown piece is named.",
                         where + ".unk_id");
    unknown_ = static_cast<std::int32_t>(id);
  }
  LUTHIER_TRY(byte_fallback_, bool_field(model, "byte_fallback", where, false));
  for (int byte = 0; byte < 256; ++byte) {
    char name[8];
    std::snprintf(name, sizeof name, "<0x%02X>", static_cast<unsigned>(byte));
    const std::int32_t* id = vocabulary_.find(name);
    byte_ids_[byte] = id ? *id : -1;
  }
  double lowest = 0;
  for (std::int64_t id = 0; id < vocabulary_.id_limit(); ++id) {
    const std::string& piece = *vocabulary_.piece(id);
    lowest = id == 0 ? scores_[0] : std::min(lowest, scores_[static_cast<std::size_t>(id)]);
    if (!piece.empty() && *vocabulary_.find(piece) == id)
      sorted_.emplace_back(piece, static_cast<std::int32_t>(id));
  }
  unknown_score_ = lowest - kUnknownPenalty;
  std::sort(sorted_.begin(), sorted_.end());
  return {};
}

std::vector<Unigram::Best> Unigram::search(std::string_view word) const {
  std::vector<Best> best(word.size() + 1);
  const auto offer = [&](std::size_t begin, std::size_t end, double score, bool unknown) {
    Best& target = best[end];
    if (target.begin < 0 || score > target.score)
      target = {score, static_cast<std::int32_t>(begin), unknown};
  };
  for (std::size_t begin = 0; begin < word.size();) {
    std::size_t next = begin;
    utf8_next(word, next);
    const double here = best[begin].score;
    bool single = false;
    // The pieces that start with word[begin, end) are a shrinking range of the sorted list.
    auto low = sorted_.begin(), high = sorted_.end();
    for (std::size_t end = begin; end < word.size() && low != high;) {
      const std::size_t depth = end - begin;
      const auto byte = static_cast<unsigned char>(word[end++]);
      const auto at = [depth](const auto& entry) {
        return depth < entry.first.size()
                   ? static_cast<int>(static_cast<unsigned char>(entry.first[depth]))
                   : -1;
      };
      low = std::partition_point(low, high, [&](const auto& entry) { return at(entry) < byte; });
      high = std::partition_point(low, high, [&](const auto& entry) { return at(entry) <= byte; });
      if (low == high || low->first.size() != depth + 1) continue;
      const std::int32_t id = low->second;
      offer(begin, end, here + scores_[static_cast<std::size_t>(id)], unknown_ && id == *unknown_);
      single = single || end == next;
    }
    if (!single) offer(begin, next, here + unknown_score_, true);
    begin = next;
  }
  return best;
}

Status Unigram::emit(std::string_view word, std::size_t begin, std::size_t end,
                     std::vector<ModelToken>& tokens) const {
  const auto b = static_cast<std::uint32_t>(begin), e = static_cast<std::uint32_t>(end);
  const std::string_view piece = word.substr(begin, end - begin);
  if (const std::int32_t* id = vocabulary_.find(piece)) {
    tokens.push_back({*id, b, e});
    return {};
  }
  bool bytes = byte_fallback_;
  for (const char byte : piece) bytes = bytes && byte_ids_[static_cast<unsigned char>(byte)] >= 0;
  if (bytes) {
    for (const char byte : piece)
      tokens.push_back({byte_ids_[static_cast<unsigned char>(byte)], b, e});
    return {};
  }
  if (!unknown_)
    return input_error(
        "The text holds a character that the vocabulary lacks, and no unknown piece is named.",
        where_ + ".unk_id");
  tokens.push_back({*unknown_, b, e});
  return {};
}

Status Unigram::tokenize(std::string_view word, std::vector<ModelToken>& tokens) const {
  const std::vector<Best> best = search(word);
  std::vector<std::pair<std::size_t, std::size_t>>
      segments;  // from the end; unknown neighbours are one
  bool previous_unknown = false;
  for (std::size_t end = word.size(); end > 0;) {
    const Best& node = best[end];
    if (node.begin < 0)
      return input_error("The text cannot be segmented with this vocabulary.", where_ + ".vocab");
    const auto begin = static_cast<std::size_t>(node.begin);
    if (node.unknown && unknown_ && previous_unknown) {
      segments.back().first = begin;
    } else {
      segments.emplace_back(begin, end);
    }
    previous_unknown = node.unknown;
    end = begin;
  }
  for (auto segment = segments.rbegin(); segment != segments.rend(); ++segment) {
    LUTHIER_CHECK(emit(word, segment->first, segment->second, tokens));
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<TokenModel>> read_unigram(const SortedJson& model,
                                                 const std::string& where) {
  const SortedJson* vocab = find_field(model, "vocab");
  if (!vocab || !vocab->is_array())
    return input_error("A list of [piece, score] pairs is needed here.", where + ".vocab");
  if (vocab->size() > static_cast<std::size_t>(kMaxVocabulary))
    return input_error("The vocabulary is larger than 4 million pieces.", where + ".vocab");
  std::vector<std::string> pieces;
  std::vector<double> scores;
  for (const SortedJson& entry : *vocab) {
    const bool fits =
        entry.is_array() && entry.size() == 2 && entry[0].is_string() && entry[1].is_number();
    if (!fits || !std::isfinite(entry[1].get<double>())) {
      return input_error("A [piece, finite score] pair is needed here.",
                         where + ".vocab[" + std::to_string(pieces.size()) + "]");
    }
    if (entry[0].get_ref<const std::string&>().size() > kMaxPiece) {
      return input_error("A piece is longer than 512 bytes.",
                         where + ".vocab[" + std::to_string(pieces.size()) + "]");
    }
    pieces.push_back(entry[0].get<std::string>());
    scores.push_back(entry[1].get<double>());
  }
  auto unigram =
      std::make_unique<Unigram>(Vocabulary::from_pieces(std::move(pieces)), std::move(scores));
  LUTHIER_CHECK(unigram->read(model, where));
  return std::unique_ptr<TokenModel>(std::move(unigram));
}

}  // namespace luthier
