// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/text/decoders.h"

#include <algorithm>
#include <functional>
#include <optional>

#include "engine/text/aligned_text.h"
#include "engine/text/json_fields.h"
#include "engine/text/normalizers.h"
#include "engine/text/regex.h"
#include "engine/text/unicode.h"

namespace luthier {
namespace {

using Pieces = std::vector<std::string>;

std::size_t total(const Pieces& pieces) {
  std::size_t sum = 0;
  for (const std::string& piece : pieces) sum += piece.size();
  return sum;
}

std::string joined(const Pieces& pieces) {
  std::string text;
  text.reserve(total(pieces));
  for (const std::string& piece : pieces) text += piece;
  return text;
}

template <class Function>
class FunctionDecoder : public Decoder {
 public:
  explicit FunctionDecoder(Function function) : function_(std::move(function)) {}
  Status apply(Pieces& pieces) const override {
    function_(pieces);
    return {};
  }

 private:
  Function function_;
};

template <class Function>
std::unique_ptr<Decoder> decoder_from(Function function) {
  return std::make_unique<FunctionDecoder<Function>>(std::move(function));
}

class SequenceDecoder : public Decoder {
 public:
  SequenceDecoder(std::vector<std::unique_ptr<Decoder>> steps, std::string where)
      : steps_(std::move(steps)), where_(std::move(where)) {}
  Status apply(Pieces& pieces) const override {
    const std::size_t limit = total(pieces) * kMaxGrowth + (64 << 10);
    for (const auto& step : steps_) {
      LUTHIER_CHECK(step->apply(pieces));
      if (total(pieces) > limit)
        return input_error("Decoding makes this text more than 64 times longer.", where_);
    }
    return {};
  }

 private:
  std::vector<std::unique_ptr<Decoder>> steps_;
  std::string where_;
};

class ReplaceDecoder : public Decoder {
 public:
  std::string literal, content, where;
  std::optional<Regex> regex;

  Status apply(Pieces& pieces) const override {
    const std::size_t limit = total(pieces) * kMaxGrowth + (64 << 10);
    std::size_t grown = 0;
    for (std::string& piece : pieces) {
      std::vector<std::pair<std::size_t, std::size_t>> found;
      if (regex) {
        LUTHIER_TRY(found, regex->find_all(piece));
      } else {
        found = find_literal(piece, literal);
      }
      if (found.empty()) continue;
      grown += found.size() * content.size();
      if (grown > limit)
        return input_error("Decoding makes this text more than 64 times longer.", where);
      std::string changed;
      std::size_t at = 0;
      for (const auto& [begin, end] : found) {
        changed.append(piece, at, begin - at).append(content);
        at = end;
      }
      piece = changed.append(piece, at);
    }
    return {};
  }
};

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

/// The byte that "<0x41>" names, or -1.
int named_byte(const std::string& piece) {
  if (piece.size() != 6 || !piece.starts_with("<0x") || piece[5] != '>') return -1;
  const int high = hex_digit(piece[3]), low = hex_digit(piece[4]);
  return high < 0 || low < 0 ? -1 : high * 16 + low;
}

void byte_fallback(Pieces& pieces) {
  Pieces result;
  std::string bytes;
  const auto flush = [&] {
    if (bytes.empty()) return;
    if (utf8_valid(bytes)) {
      result.push_back(bytes);
    } else {
      for (std::size_t i = 0; i < bytes.size(); ++i) result.push_back("\xEF\xBF\xBD");
    }
    bytes.clear();
  };
  for (std::string& piece : pieces) {
    if (const int byte = named_byte(piece); byte >= 0) {
      bytes += static_cast<char>(byte);
    } else {
      flush();
      result.push_back(std::move(piece));
    }
  }
  flush();
  pieces = std::move(result);
}

void byte_level(Pieces& pieces) {
  std::string bytes;
  for (const std::string& piece : pieces) {
    std::string mapped;
    bool known = true;
    for (std::size_t at = 0; known && at < piece.size();) {
      const int byte = byte_level_byte(utf8_next(piece, at));
      known = byte >= 0;
      mapped += static_cast<char>(byte);
    }
    bytes += known ? mapped : piece;
  }
  pieces = {utf8_lossy(bytes)};
}

void strip(Pieces& pieces, std::string_view content, std::int64_t start, std::int64_t stop) {
  for (std::string& piece : pieces) {
    std::string_view rest = piece;
    for (std::int64_t i = 0; i < start && rest.starts_with(content); ++i)
      rest.remove_prefix(content.size());
    for (std::int64_t i = 0; i < stop && rest.ends_with(content); ++i)
      rest.remove_suffix(content.size());
    piece = std::string(rest);
  }
}

Result<std::unique_ptr<Decoder>> read_decoder_sequence(const SortedJson& value,
                                                       const std::string& where) {
  const SortedJson* list = find_field(value, "decoders");
  if (!list || !list->is_array())
    return input_error("A list of decoders is needed here.", where + ".decoders");
  std::vector<std::unique_ptr<Decoder>> steps;
  for (const SortedJson& entry : *list) {
    LUTHIER_TRY(auto step,
                read_decoder(entry, where + ".decoders[" + std::to_string(steps.size()) + "]"));
    if (!step) return input_error("A decoder is needed here.", where + ".decoders");
    steps.push_back(std::move(step));
  }
  return std::unique_ptr<Decoder>(std::make_unique<SequenceDecoder>(std::move(steps), where));
}

Result<std::unique_ptr<Decoder>> read_metaspace_decoder(const SortedJson& value, const std::string& where) {
  LUTHIER_TRY(const std::string replacement, string_field(value, "replacement", where));
  if (utf8_count(replacement) != 1)
    return input_error("One character is needed here.", where + ".replacement");
  LUTHIER_TRY(const bool prefix, bool_field(value, "add_prefix_space", where, true));
  LUTHIER_TRY(const std::string scheme,
              string_field(value, "prepend_scheme", where, prefix ? "always" : "never"));
  return decoder_from([replacement, drop = scheme != "never"](Pieces& pieces) {
    for (std::size_t i = 0; i < pieces.size(); ++i)
      pieces[i] = replace_all(pieces[i], replacement, i == 0 && drop ? "" : " ");
  });
}

Result<std::unique_ptr<Decoder>> read_decoder_replace(const SortedJson& value,
                                                      const std::string& where) {
  auto replace = std::make_unique<ReplaceDecoder>();
  replace->where = where;
  LUTHIER_TRY(replace->content, string_field(value, "content", where));
  const SortedJson* pattern = find_field(value, "pattern");
  if (pattern && find_field(*pattern, "Regex")) {
    LUTHIER_TRY(const std::string source, string_field(*pattern, "Regex", where + ".pattern"));
    LUTHIER_TRY(replace->regex, Regex::compile(source, where + ".pattern.Regex"));
  } else {
    LUTHIER_TRY(replace->literal,
                string_field(pattern ? *pattern : SortedJson(), "String", where + ".pattern"));
  }
  return std::unique_ptr<Decoder>(std::move(replace));
}

Result<std::unique_ptr<Decoder>> read_decoder_wordpiece(const SortedJson& value,
                                                        const std::string& where) {
  LUTHIER_TRY(const std::string prefix, string_field(value, "prefix", where, "##"));
  LUTHIER_TRY(const bool clean, bool_field(value, "cleanup", where, true));
  return decoder_from([prefix, clean](Pieces& pieces) {
    for (std::size_t i = 0; i < pieces.size(); ++i) {
      if (i > 0)
        pieces[i] =
            pieces[i].starts_with(prefix) ? pieces[i].substr(prefix.size()) : " " + pieces[i];
      if (clean) pieces[i] = clean_up_spaces(std::move(pieces[i]), true);
    }
  });
}

}  // namespace

std::string replace_all(std::string_view text, std::string_view from, std::string_view to) {
  std::string result;
  std::size_t at = 0;
  for (const auto& [begin, end] : find_literal(text, from)) {
    result.append(text.substr(at, begin - at)).append(to);
    at = end;
  }
  return result.append(text.substr(at));
}

std::string clean_up_spaces(std::string text, bool wordpiece) {
  static constexpr std::pair<const char*, const char*> kRules[] = {
      {" .", "."},  {" ?", "?"},     {" !", "!"},  {" ,", ","},
      {" ' ", "'"}, {" n't", "n't"}, {" 'm", "'m"}};
  for (const auto& [from, to] : kRules) text = replace_all(text, from, to);
  if (wordpiece) text = replace_all(text, " do not", " don't");
  for (const auto& [from, to] : {std::pair{" 's", "'s"}, {" 've", "'ve"}, {" 're", "'re"}})
    text = replace_all(text, from, to);
  return text;
}

Result<std::unique_ptr<Decoder>> read_decoder(const SortedJson& value, const std::string& where) {
  if (value.is_null()) return std::unique_ptr<Decoder>();
  LUTHIER_TRY(const std::string type, string_field(value, "type", where));
  if (type == "Sequence") return read_decoder_sequence(value, where);
  if (type == "Metaspace") return read_metaspace_decoder(value, where);
  if (type == "Replace") return read_decoder_replace(value, where);
  if (type == "WordPiece") return read_decoder_wordpiece(value, where);
  if (type == "ByteFallback") return decoder_from(byte_fallback);
  if (type == "ByteLevel") return decoder_from(byte_level);
  if (type == "Fuse") return decoder_from([](Pieces& pieces) { pieces = {joined(pieces)}; });
  if (type == "Strip") {
    LUTHIER_TRY(const std::string content, string_field(value, "content", where));
    if (utf8_count(content) != 1)
      return input_error("One character is needed here.", where + ".content");
    LUTHIER_TRY(const std::int64_t start, int_field(value, "start", where, 0, 1 << 30));
    LUTHIER_TRY(const std::int64_t stop, int_field(value, "stop", where, 0, 1 << 30));
    return decoder_from([=](Pieces& pieces) { strip(pieces, content, start, stop); });
  }
  if (type == "BPEDecoder") {
    LUTHIER_TRY(const std::string suffix, string_field(value, "suffix", where, "</w>"));
    return decoder_from([suffix](Pieces& pieces) {
      for (std::size_t i = 0; i < pieces.size(); ++i)
        pieces[i] = replace_all(pieces[i], suffix, i + 1 == pieces.size() ? "" : " ");
    });
  }
  return input_error("The decoder \"" + type + "\" is not known.", where + ".type");
}

}  // namespace luthier
