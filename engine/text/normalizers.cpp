// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/text/normalizers.h"

#include <array>
#include <unordered_map>

#include "engine/text/json_fields.h"
#include "engine/text/regex.h"
#include "engine/text/unicode.h"

namespace luthier {
namespace {

/// Rewrites the text character by character: `map` appends what stands for a character.
template <class Map>
void map_characters(AlignedText& text, Map map) {
  AlignedText::Writer writer(text);
  std::string mapped;
  bool changed = false;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t begin = at;
    const char32_t character = utf8_next(text.text(), at);
    mapped.clear();
    map(mapped, character);
    changed = changed || std::string_view(text.text()).substr(begin, at - begin) != mapped;
    writer.put(mapped, begin, at);
  }
  if (changed) text = writer.take();
}

void to_form(AlignedText& text, NormalForm form) {
  const std::string& source = text.text();
  if (normalize(source, form) == source) return;
  // Characters below U+0300 never join what stands before them: normal forms can be taken between
  // them.
  AlignedText::Writer writer(text);
  for (std::size_t begin = 0; begin < source.size();) {
    std::size_t end = begin;
    utf8_next(source, end);
    while (end < source.size()) {
      std::size_t next = end;
      if (utf8_next(source, next) < 0x300) break;
      end = next;
    }
    const std::string_view part = std::string_view(source).substr(begin, end - begin);
    const std::string formed = normalize(part, form);
    if (formed == part) {
      for (std::size_t at = begin; at < end;) {
        std::size_t next = at;
        utf8_next(source, next);
        writer.put(std::string_view(source).substr(at, next - at), at, next);
        at = next;
      }
    } else {
      writer.put(formed, begin, end);
    }
    begin = end;
  }
  text = writer.take();
}

class FormNormalizer : public Normalizer {
 public:
  explicit FormNormalizer(NormalForm form) : form_(form) {}
  Status apply(AlignedText& text) const override {
    to_form(text, form_);
    return {};
  }

 private:
  NormalForm form_;
};

/// A normalizer that is one function of the text.
template <class Function>
class FunctionNormalizer : public Normalizer {
 public:
  explicit FunctionNormalizer(Function function) : function_(std::move(function)) {}
  Status apply(AlignedText& text) const override {
    function_(text);
    return {};
  }

 private:
  Function function_;
};

template <class Function>
std::unique_ptr<Normalizer> normalizer_from(Function function) {
  return std::make_unique<FunctionNormalizer<Function>>(std::move(function));
}

class SequenceNormalizer : public Normalizer {
 public:
  explicit SequenceNormalizer(std::vector<std::unique_ptr<Normalizer>> parts, std::string where)
      : parts_(std::move(parts)), where_(std::move(where)) {}
  Status apply(AlignedText& text) const override {
    const std::size_t limit = text.size() * kMaxGrowth + (64 << 10);
    for (const auto& part : parts_) {
      LUTHIER_CHECK(part->apply(text));
      if (text.size() > limit)
        return input_error("Normalizing makes this text more than 64 times longer.", where_);
    }
    return {};
  }

 private:
  std::vector<std::unique_ptr<Normalizer>> parts_;
  std::string where_;
};

class ReplaceNormalizer : public Normalizer {
 public:
  std::string literal, content, where;
  std::optional<Regex> regex;

  Status apply(AlignedText& text) const override {
    std::vector<std::pair<std::size_t, std::size_t>> found;
    if (regex) {
      LUTHIER_TRY(found, regex->find_all(text.text()));
    } else {
      found = find_literal(text.text(), literal);
    }
    if (found.size() * content.size() > text.size() * kMaxGrowth + (64 << 10)) {
      return input_error("Normalizing makes this text more than 64 times longer.", where);
    }
    text.replace(found, content);
    return {};
  }
};

void strip(AlignedText& text, bool left, bool right) {
  const std::string& source = text.text();
  std::size_t begin = 0, end = 0;
  bool seen = false;
  for (std::size_t at = 0; at < source.size();) {
    const std::size_t start = at;
    if (is_space(utf8_next(source, at))) continue;
    if (!seen) begin = start;
    seen = true;
    end = at;
  }
  if (!seen) begin = left ? source.size() : 0;
  if (!left) begin = 0;
  if (!right) end = source.size();
  if (begin > end) end = begin;
  if (begin > 0 || end < source.size()) text = text.slice(begin, end);
}

void bert_clean(AlignedText& text) {
  map_characters(text, [](std::string& out, char32_t c) {
    const bool blank = c == '\t' || c == '\n' || c == '\r';
    if (c == 0 || c == 0xFFFD || (!blank && is_control_or_private(c))) return;
    utf8_append(out, blank || is_space(c) ? U' ' : c);
  });
}

Result<std::unique_ptr<Normalizer>> read_bert_normalizer(const SortedJson& value,
                                                         const std::string& where) {
  LUTHIER_TRY(const bool clean, bool_field(value, "clean_text", where, true));
  LUTHIER_TRY(const bool chinese, bool_field(value, "handle_chinese_chars", where, true));
  LUTHIER_TRY(const bool lower, bool_field(value, "lowercase", where, true));
  LUTHIER_TRY(const bool accents, bool_field(value, "strip_accents", where, lower));
  return normalizer_from([=](AlignedText& text) {
    if (clean) bert_clean(text);
    if (chinese) {
      map_characters(text, [](std::string& out, char32_t c) {
        const bool ideograph = is_cjk_ideograph(c);
        if (ideograph) out += ' ';
        utf8_append(out, c);
        if (ideograph) out += ' ';
      });
    }
    if (accents) {
      to_form(text, NormalForm::Nfd);
      map_characters(text, [](std::string& out, char32_t c) {
        if (!is_nonspacing_mark(c)) utf8_append(out, c);
      });
    }
    if (lower) map_characters(text, append_lower);
  });
}

Result<std::unique_ptr<Normalizer>> read_normalizer_replace(const SortedJson& value,
                                                            const std::string& where) {
  auto replace = std::make_unique<ReplaceNormalizer>();
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
  return std::unique_ptr<Normalizer>(std::move(replace));
}

Result<std::unique_ptr<Normalizer>> read_normalizer_sequence(const SortedJson& value,
                                                             const std::string& where) {
  const SortedJson* list = find_field(value, "normalizers");
  if (!list || !list->is_array())
    return input_error("A list of normalizers is needed here.", where + ".normalizers");
  std::vector<std::unique_ptr<Normalizer>> parts;
  for (const SortedJson& entry : *list) {
    LUTHIER_TRY(auto part, read_normalizer(entry, where + ".normalizers[" +
                                                      std::to_string(parts.size()) + "]"));
    if (!part) return input_error("A normalizer is needed here.", where + ".normalizers");
    parts.push_back(std::move(part));
  }
  return std::unique_ptr<Normalizer>(std::make_unique<SequenceNormalizer>(std::move(parts), where));
}

struct ByteLevel {
  std::array<std::string, 256> characters;
  std::unordered_map<char32_t, int> bytes;
  ByteLevel() {
    char32_t next = 256;
    for (int byte = 0; byte < 256; ++byte) {
      const bool printable =
          (byte >= 33 && byte <= 126) || (byte >= 161 && byte <= 172) || byte >= 174;
      const char32_t character = printable ? static_cast<char32_t>(byte) : next++;
      utf8_append(characters[static_cast<std::size_t>(byte)], character);
      bytes[character] = byte;
    }
  }
};

const ByteLevel& byte_level() {
  static const ByteLevel table;
  return table;
}

}  // namespace

const std::string& byte_level_character(unsigned char byte) {
  return byte_level().characters[byte];
}

int byte_level_byte(char32_t character) {
  const auto found = byte_level().bytes.find(character);
  return found == byte_level().bytes.end() ? -1 : found->second;
}

void to_byte_level(AlignedText& text) {
  map_characters(text, [](std::string& out, char32_t c) {
    std::string encoded;
    utf8_append(encoded, c);
    for (const char byte : encoded) out += byte_level_character(static_cast<unsigned char>(byte));
  });
}

Result<std::unique_ptr<Normalizer>> read_normalizer(const SortedJson& value,
                                                    const std::string& where) {
  if (value.is_null()) return std::unique_ptr<Normalizer>();
  LUTHIER_TRY(const std::string type, string_field(value, "type", where));
  const auto form = [](NormalForm which) {
    return std::unique_ptr<Normalizer>(std::make_unique<FormNormalizer>(which));
  };
  if (type == "Sequence") return read_normalizer_sequence(value, where);
  if (type == "NFC") return form(NormalForm::Nfc);
  if (type == "NFD") return form(NormalForm::Nfd);
  if (type == "NFKC") return form(NormalForm::Nfkc);
  if (type == "NFKD") return form(NormalForm::Nfkd);
  if (type == "Replace") return read_normalizer_replace(value, where);
  if (type == "BertNormalizer") return read_bert_normalizer(value, where);
  if (type == "Precompiled") return read_precompiled(value, where);
  if (type == "ByteLevel") return normalizer_from(to_byte_level);
  if (type == "Lowercase")
    return normalizer_from([](AlignedText& text) { map_characters(text, append_lower); });
  if (type == "StripAccents") {
    return normalizer_from([](AlignedText& text) {
      map_characters(text, [](std::string& out, char32_t c) {
        if (!is_mark(c)) utf8_append(out, c);
      });
    });
  }
  if (type == "Nmt") {
    return normalizer_from([](AlignedText& text) {
      map_characters(text, [](std::string& out, char32_t c) {
        if ((c >= 1 && c <= 8) || c == 0xB || (c >= 0xE && c <= 0x1F) || c == 0x7F || c == 0x8F ||
            c == 0x9F)
          return;
        const bool blank = c == 9 || c == 0xA || c == 0xC || c == 0xD || c == 0x1680 ||
                           (c >= 0x200B && c <= 0x200F) || c == 0x2028 || c == 0x2029 ||
                           c == 0x2581 || c == 0xFEFF || c == 0xFFFD;
        utf8_append(out, blank ? U' ' : c);
      });
    });
  }
  if (type == "Prepend") {
    LUTHIER_TRY(const std::string prefix, string_field(value, "prepend", where));
    return normalizer_from([prefix](AlignedText& text) { text.prepend(prefix); });
  }
  if (type == "Strip") {
    LUTHIER_TRY(const bool left, bool_field(value, "strip_left", where, true));
    LUTHIER_TRY(const bool right, bool_field(value, "strip_right", where, true));
    return normalizer_from([=](AlignedText& text) { strip(text, left, right); });
  }
  return input_error("The normalizer \"" + type + "\" is not known.", where + ".type");
}

}  // namespace luthier
