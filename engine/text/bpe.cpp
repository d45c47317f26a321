// SPDX-License-Identifier: GPL-3.0-or-later
// Byte-pair encoding (Sennrich et al. 2016) as tokenizer.json defines it: characters, then the
// merge of lowest rank first. A heap over a linked list keeps long words at O(n log n); short words
// are remembered.
#include <mutex>
#include <queue>

#include "engine/text/json_fields.h"
#include "engine/text/token_model.h"
#include "engine/text/unicode.h"

namespace luthier {
namespace {

struct Merge {
  std::int32_t rank = 0;
  std::int32_t id = 0;
};

/// Pairs of ids to their merge: open addressing over a power of two.
class MergeTable {
 public:
  void reserve(std::size_t count) {
    std::size_t size = 16;
    while (size < count * 2) size *= 2;
    keys_.assign(size, kEmpty);
    values_.resize(size);
  }
  void set(std::int32_t left, std::int32_t right, Merge merge) {
    const std::size_t at = slot(key(left, right));
    keys_[at] = key(left, right);
    values_[at] = merge;
  }
  const Merge* find(std::int32_t left, std::int32_t right) const {
    const std::size_t at = slot(key(left, right));
    return keys_[at] == kEmpty ? nullptr : &values_[at];
  }

 private:
  static constexpr std::uint64_t kEmpty = ~std::uint64_t{0};
  static std::uint64_t key(std::int32_t left, std::int32_t right) {
    return (static_cast<std::uint64_t>(static_cast<std::uint32_t>(left)) << 32) |
           static_cast<std::uint32_t>(right);
  }
  std::size_t slot(std::uint64_t wanted) const {
    const std::size_t mask = keys_.size() - 1;
    std::uint64_t hash = wanted * 0x9E3779B97F4A7C15ull;
    std::size_t at = static_cast<std::size_t>(hash ^ (hash >> 32)) & mask;
    while (keys_[at] != kEmpty && keys_[at] != wanted) at = (at + 1) & mask;
    return at;
  }
  std::vector<std::uint64_t> keys_;
  std::vector<Merge> values_;
};

struct Symbol {
  std::int32_t id = 0;
  std::int32_t previous = -1;
  std::int32_t next = -1;
  std::uint32_t begin = 0;
  std::uint32_t end = 0;  ///< == begin once merged into its left neighbour
};

class Bpe : public TokenModel {
 public:
  explicit Bpe(Vocabulary vocabulary) : TokenModel(std::move(vocabulary)) {}
  bool is_bpe() const override { return true; }
  Status read(const SortedJson& model, const std::string& where);
  Status tokenize(std::string_view word, std::vector<ModelToken>& tokens) const override;

 private:
  static constexpr std::size_t kCachedWord = 128, kCachedWords = 20000;

  Status read_merges(const SortedJson& merges, const std::string& where);
  Status start_symbols(std::string_view word, std::vector<Symbol>& symbols) const;
  void merge(std::vector<Symbol>& symbols) const;

  MergeTable merges_;
  std::string prefix_, suffix_, where_;
  std::optional<std::string> unknown_name_;
  const std::int32_t* unknown_ = nullptr;
  std::int32_t byte_ids_[256];
  bool byte_fallback_ = false, fuse_unknown_ = false, ignore_merges_ = false;
  mutable std::mutex cache_mutex_;
  mutable std::unordered_map<std::string, std::vector<ModelToken>, StringHash, std::equal_to<>>
      cache_;
};

Status Bpe::read(const SortedJson& model, const std::string& where) {
  LUTHIER_TRY(prefix_, string_field(model, "continuing_subword_prefix", where, ""));
  LUTHIER_TRY(suffix_, string_field(model, "end_of_word_suffix", where, ""));
  LUTHIER_TRY(byte_fallback_, bool_field(model, "byte_fallback", where, false));
  LUTHIER_TRY(fuse_unknown_, bool_field(model, "fuse_unk", where, false));
  LUTHIER_TRY(ignore_merges_, bool_field(model, "ignore_merges", where, false));
  if (const SortedJson* dropout = find_field(model, "dropout");
      dropout && !(dropout->is_number() && *dropout == 0)) {
    return input_error("BPE dropout makes tokens random and is not supported.", where + ".dropout",
                       "Set it to null.");
  }
  where_ = where;
  if (find_field(model, "unk_token")) {
    LUTHIER_TRY(unknown_name_, string_field(model, "unk_token", where));
    unknown_ = vocabulary_.find(*unknown_name_);
  }
  for (int byte = 0; byte < 256; ++byte) {
    char name[8];
    std::snprintf(name, sizeof name, "<0x%02X>", static_cast<unsigned>(byte));
    const std::int32_t* id = vocabulary_.find(name);
    byte_ids_[byte] = id ? *id : -1;
  }
  const SortedJson* merges = find_field(model, "merges");
  if (!merges || !merges->is_array())
    return input_error("A list of merges is needed here.", where + ".merges");
  return read_merges(*merges, where + ".merges");
}

Status Bpe::read_merges(const SortedJson& merges, const std::string& where) {
  merges_.reserve(merges.size());
  std::int32_t rank = 0;
  for (const SortedJson& entry : merges) {
    const std::string at = where + "[" + std::to_string(rank) + "]";
    std::string_view left, right;
    if (entry.is_string()) {
      const std::string_view text = entry.get_ref<const std::string&>();
      if (text.starts_with("#version")) continue;
      const std::size_t space = text.find(' ');
      if (space == std::string_view::npos || text.find(' ', space + 1) != std::string_view::npos) {
        return input_error("A merge is two pieces with one space between.", at);
      }
      left = text.substr(0, space);
      right = text.substr(space + 1);
    } else if (entry.is_array() && entry.size() == 2 && entry[0].is_string() &&
               entry[1].is_string()) {
      left = entry[0].get_ref<const std::string&>();
      right = entry[1].get_ref<const std::string&>();
    } else {
      return input_error("A merge is a string \"left right\" or a pair of strings.", at);
    }
    std::string whole(left);
    if (right.size() >= prefix_.size()) whole.append(right.substr(prefix_.size()));
    const std::int32_t* left_id = vocabulary_.find(left);
    const std::int32_t* right_id = vocabulary_.find(right);
    const std::int32_t* whole_id = vocabulary_.find(whole);
    if (!left_id || !right_id || !whole_id) {
      const std::string missing(!left_id    ? std::string(left)
                                : !right_id ? std::string(right)
                                            : whole);
      return input_error(
          "The merge needs the piece \"" + missing + "\", which is not in the vocabulary.", at);
    }
    merges_.set(*left_id, *right_id, {rank, *whole_id});
    ++rank;
  }
  return {};
}

Status Bpe::start_symbols(std::string_view word, std::vector<Symbol>& symbols) const {
  symbols.reserve(word.size());
  std::optional<Symbol> unknown;  // waits for its neighbours when unknown characters are fused
  const auto flush = [&] {
    if (unknown) symbols.push_back(*unknown);
    unknown.reset();
  };
  std::string decorated;
  for (std::size_t begin = 0; begin < word.size();) {
    std::size_t end = begin;
    utf8_next(word, end);
    std::string_view piece = word.substr(begin, end - begin);
    if ((begin > 0 && !prefix_.empty()) || (end == word.size() && !suffix_.empty())) {
      decorated.clear();
      if (begin > 0) decorated += prefix_;
      decorated.append(piece);
      if (end == word.size()) decorated += suffix_;
      piece = decorated;
    }
    const auto b = static_cast<std::uint32_t>(begin), e = static_cast<std::uint32_t>(end);
    if (const std::int32_t* id = vocabulary_.find(piece)) {
      flush();
      symbols.push_back({*id, -1, -1, b, e});
    } else {
      bool bytes = byte_fallback_;
      for (std::size_t i = 0; bytes && i < piece.size(); ++i)
        bytes = byte_ids_[static_cast<unsigned char>(piece[i])] >= 0;
      if (bytes) {
        // Prefix and suffix bytes have no place in the word: all bytes of the piece stand for the
        // character.
        for (const char byte : piece)
          symbols.push_back({byte_ids_[static_cast<unsigned char>(byte)], -1, -1, b, e});
      } else if (unknown_name_) {
        if (!unknown_) {
          return input_error(
              "The text holds a character that the vocabulary lacks, and its unknown token \"" +
                  *unknown_name_ + "\" is no piece of it.",
              where_ + ".unk_token");
        }
        if (unknown && !fuse_unknown_) flush();
        if (unknown) {
          unknown->end = e;
        } else {
          unknown = Symbol{*unknown_, -1, -1, b, e};
        }
      }
    }
    begin = end;
  }
  flush();
  for (std::size_t i = 0; i < symbols.size(); ++i) {
    symbols[i].previous = static_cast<std::int32_t>(i) - 1;
    symbols[i].next = i + 1 < symbols.size() ? static_cast<std::int32_t>(i) + 1 : -1;
  }
  return {};
}

void Bpe::merge(std::vector<Symbol>& symbols) const {
  struct Candidate {
    std::int32_t rank, at, id;
    bool operator<(const Candidate& other) const {
      return rank != other.rank ? rank > other.rank : at > other.at;
    }
  };
  std::vector<Candidate> storage;
  storage.reserve(symbols.size());
  for (std::size_t i = 0; i + 1 < symbols.size(); ++i) {
    if (const Merge* found = merges_.find(symbols[i].id, symbols[i + 1].id))
      storage.push_back({found->rank, static_cast<std::int32_t>(i), found->id});
  }
  std::priority_queue<Candidate> queue(std::less<Candidate>{}, std::move(storage));
  const auto symbol = [&](std::int32_t at) -> Symbol& {
    return symbols[static_cast<std::size_t>(at)];
  };
  const auto consider = [&](std::int32_t left) {
    if (left < 0 || symbol(left).next < 0) return;
    if (const Merge* found = merges_.find(symbol(left).id, symbol(symbol(left).next).id))
      queue.push({found->rank, left, found->id});
  };
  while (!queue.empty()) {
    const Candidate best = queue.top();
    queue.pop();
    Symbol& left = symbol(best.at);
    if (left.id < 0 || left.next < 0) continue;
    Symbol& right = symbol(left.next);
    const Merge* current = merges_.find(left.id, right.id);
    if (!current || current->id != best.id) continue;  // the pair has changed since
    left.id = best.id;
    left.end = right.end;
    left.next = right.next;
    right.id = -1;
    if (left.next >= 0) symbol(left.next).previous = best.at;
    consider(left.previous);
    consider(best.at);
  }
}

Status Bpe::tokenize(std::string_view word, std::vector<ModelToken>& tokens) const {
  if (ignore_merges_) {
    if (const std::int32_t* id = vocabulary_.find(word)) {
      tokens.push_back({*id, 0, static_cast<std::uint32_t>(word.size())});
      return {};
    }
  }
  const bool cached = word.size() <= kCachedWord;
  if (cached) {
    const std::lock_guard lock(cache_mutex_);
    if (const auto found = cache_.find(word); found != cache_.end()) {
      tokens.insert(tokens.end(), found->second.begin(), found->second.end());
      return {};
    }
  }
  std::vector<Symbol> symbols;
  LUTHIER_CHECK(start_symbols(word, symbols));
  merge(symbols);
  const std::size_t first = tokens.size();
  for (const Symbol& symbol : symbols) {
    if (symbol.id >= 0) tokens.push_back({symbol.id, symbol.begin, symbol.end});
  }
  if (cached) {
    const std::lock_guard lock(cache_mutex_);
    if (cache_.size() >= kCachedWords) cache_.clear();
    cache_.emplace(word, std::vector<ModelToken>(
                             tokens.begin() + static_cast<std::ptrdiff_t>(first), tokens.end()));
  }
  return {};
}

}  // namespace

Result<std::unique_ptr<TokenModel>> read_bpe(const SortedJson& model, const std::string& where) {
  const SortedJson* vocab = find_field(model, "vocab");
  if (!vocab) return input_error("The vocabulary is missing.", where + ".vocab");
  LUTHIER_TRY(Vocabulary vocabulary, Vocabulary::from_object(*vocab, where + ".vocab"));
  auto bpe = std::make_unique<Bpe>(std::move(vocabulary));
  LUTHIER_CHECK(bpe->read(model, where));
  return std::unique_ptr<TokenModel>(std::move(bpe));
}

}  // namespace luthier
