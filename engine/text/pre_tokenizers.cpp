// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/text/pre_tokenizers.h"

#include "engine/text/json_fields.h"
#include "engine/text/normalizers.h"
#include "engine/text/regex.h"
#include "engine/text/unicode.h"

namespace luthier {
namespace {

using Parts = std::vector<AlignedText>;

/// Cuts each text part by one function that appends to a list.
class Splitter : public PreTokenizer {
 public:
  Status apply(std::vector<TextPart>& parts) const override {
    std::vector<TextPart> result;
    result.reserve(parts.size());
    for (TextPart& part : parts) {
      if (part.token) {
        result.push_back(std::move(part));
        continue;
      }
      Parts cut;
      LUTHIER_CHECK(split_text(part.text, cut));
      for (AlignedText& text : cut) {
        if (!text.empty()) result.push_back({std::move(text), std::nullopt});
      }
    }
    parts = std::move(result);
    return {};
  }

 protected:
  virtual Status split_text(AlignedText& text, Parts& parts) const = 0;
};

/// Every character that `matches` is a delimiter of its own.
class CharacterSplitter : public Splitter {
 public:
  CharacterSplitter(bool (*matches)(char32_t), SplitBehavior behavior)
      : matches_(matches), behavior_(behavior) {}

 protected:
  Status split_text(AlignedText& text, Parts& parts) const override {
    std::vector<std::pair<std::size_t, std::size_t>> found;
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t begin = at;
      if (matches_(utf8_next(text.text(), at))) found.emplace_back(begin, at);
    }
    parts = split(text, cover(found, text.size()), behavior_);
    return {};
  }

 private:
  bool (*matches_)(char32_t);
  SplitBehavior behavior_;
};

class PatternSplitter : public Splitter {
 public:
  std::string literal;
  std::optional<Regex> regex;
  SplitBehavior behavior = SplitBehavior::Isolated;
  bool invert = false;

 protected:
  Status split_text(AlignedText& text, Parts& parts) const override {
    std::vector<std::pair<std::size_t, std::size_t>> found;
    if (regex) {
      LUTHIER_TRY(found, regex->find_all(text.text()));
    } else {
      found = find_literal(text.text(), literal);
    }
    std::vector<Match> matches = cover(found, text.size());
    if (invert) {
      for (Match& match : matches) match.matched = !match.matched;
    }
    parts = split(text, matches, behavior);
    return {};
  }
};

class ByteLevelSplitter : public Splitter {
 public:
  bool add_prefix_space = true;
  std::optional<Regex> regex;

 protected:
  Status split_text(AlignedText& text, Parts& parts) const override {
    if (add_prefix_space && text.text()[0] != ' ') text.prepend(" ");
    if (regex) {
      LUTHIER_TRY(const auto found, regex->find_all(text.text()));
      parts = split(text, cover(found, text.size()), SplitBehavior::Isolated);
    } else {
      parts.push_back(std::move(text));
    }
    for (AlignedText& part : parts) to_byte_level(part);
    return {};
  }
};

class MetaspaceSplitter : public Splitter {
 public:
  enum class Scheme { Always, First, Never };
  std::string replacement;
  Scheme scheme = Scheme::Always;
  bool cut = true;

 protected:
  Status split_text(AlignedText& text, Parts& parts) const override {
    text.replace(" ", replacement);
    const bool wanted = scheme == Scheme::Always || (scheme == Scheme::First && text.origin() == 0);
    if (wanted && !text.text().starts_with(replacement)) text.prepend(replacement);
    if (cut) {
      parts = split(text, cover(find_literal(text.text(), replacement), text.size()),
                    SplitBehavior::MergedWithNext);
    } else {
      parts.push_back(std::move(text));
    }
    return {};
  }
};

class SequencePreTokenizer : public PreTokenizer {
 public:
  SequencePreTokenizer(std::vector<std::unique_ptr<PreTokenizer>> steps, std::string where)
      : steps_(std::move(steps)), where_(std::move(where)) {}
  Status apply(std::vector<TextPart>& parts) const override {
    const auto bytes = [&] {
      std::size_t sum = 0;
      for (const TextPart& part : parts) sum += part.text.size();
      return sum;
    };
    const std::size_t limit = bytes() * kMaxGrowth + (64 << 10);
    for (const auto& step : steps_) {
      LUTHIER_CHECK(step->apply(parts));
      if (bytes() > limit)
        return input_error("Splitting makes this text more than 64 times longer.", where_);
    }
    return {};
  }

 private:
  std::vector<std::unique_ptr<PreTokenizer>> steps_;
  std::string where_;
};

Result<SplitBehavior> read_behavior(const SortedJson& value, const std::string& where,
                                    const std::string& fallback) {
  LUTHIER_TRY(const std::string name, string_field(value, "behavior", where, fallback));
  if (name == "Removed") return SplitBehavior::Removed;
  if (name == "Isolated") return SplitBehavior::Isolated;
  if (name == "MergedWithPrevious") return SplitBehavior::MergedWithPrevious;
  if (name == "MergedWithNext") return SplitBehavior::MergedWithNext;
  if (name == "Contiguous") return SplitBehavior::Contiguous;
  return input_error("The behavior \"" + name + "\" is not known.", where + ".behavior");
}

Result<std::unique_ptr<PreTokenizer>> read_split(const SortedJson& value,
                                                 const std::string& where) {
  auto splitter = std::make_unique<PatternSplitter>();
  LUTHIER_TRY(splitter->behavior, read_behavior(value, where, ""));
  LUTHIER_TRY(splitter->invert, bool_field(value, "invert", where, false));
  const SortedJson* pattern = find_field(value, "pattern");
  if (pattern && find_field(*pattern, "Regex")) {
    LUTHIER_TRY(const std::string source, string_field(*pattern, "Regex", where + ".pattern"));
    LUTHIER_TRY(splitter->regex, Regex::compile(source, where + ".pattern.Regex"));
  } else {
    LUTHIER_TRY(splitter->literal,
                string_field(pattern ? *pattern : SortedJson(), "String", where + ".pattern"));
  }
  return std::unique_ptr<PreTokenizer>(std::move(splitter));
}

Result<std::unique_ptr<PreTokenizer>> read_byte_level(const SortedJson& value,
                                                      const std::string& where) {
  auto splitter = std::make_unique<ByteLevelSplitter>();
  LUTHIER_TRY(splitter->add_prefix_space, bool_field(value, "add_prefix_space", where, true));
  LUTHIER_TRY(const bool use_regex, bool_field(value, "use_regex", where, true));
  if (use_regex) {
    LUTHIER_TRY(splitter->regex,
                Regex::compile(
                    R"('s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+)",
                    where));
  }
  return std::unique_ptr<PreTokenizer>(std::move(splitter));
}

Result<std::unique_ptr<PreTokenizer>> read_metaspace(const SortedJson& value,
                                                     const std::string& where) {
  auto splitter = std::make_unique<MetaspaceSplitter>();
  LUTHIER_TRY(splitter->replacement, string_field(value, "replacement", where));
  if (utf8_count(splitter->replacement) != 1)
    return input_error("One character is needed here.", where + ".replacement");
  LUTHIER_TRY(splitter->cut, bool_field(value, "split", where, true));
  LUTHIER_TRY(const bool prefix, bool_field(value, "add_prefix_space", where, true));
  LUTHIER_TRY(const std::string scheme,
              string_field(value, "prepend_scheme", where, prefix ? "always" : "never"));
  using Scheme = MetaspaceSplitter::Scheme;
  if (scheme != "always" && scheme != "first" && scheme != "never") {
    return input_error("The scheme \"" + scheme + "\" is not known; always, first and never are.",
                       where + ".prepend_scheme");
  }
  splitter->scheme = scheme == "always"  ? Scheme::Always
                     : scheme == "first" ? Scheme::First
                                         : Scheme::Never;
  return std::unique_ptr<PreTokenizer>(std::move(splitter));
}

Result<std::unique_ptr<PreTokenizer>> read_sequence(const SortedJson& value,
                                                    const std::string& where) {
  const SortedJson* list = find_field(value, "pretokenizers");
  if (!list || !list->is_array())
    return input_error("A list of pre-tokenizers is needed here.", where + ".pretokenizers");
  std::vector<std::unique_ptr<PreTokenizer>> steps;
  for (const SortedJson& entry : *list) {
    LUTHIER_TRY(auto step, read_pre_tokenizer(entry, where + ".pretokenizers[" +
                                                         std::to_string(steps.size()) + "]"));
    if (!step) return input_error("A pre-tokenizer is needed here.", where + ".pretokenizers");
    steps.push_back(std::move(step));
  }
  return std::unique_ptr<PreTokenizer>(
      std::make_unique<SequencePreTokenizer>(std::move(steps), where));
}

std::unique_ptr<PreTokenizer> by_character(bool (*matches)(char32_t), SplitBehavior behavior) {
  return std::make_unique<CharacterSplitter>(matches, behavior);
}

std::unique_ptr<PreTokenizer> sequence_of(std::unique_ptr<PreTokenizer> first,
                                          std::unique_ptr<PreTokenizer> second) {
  std::vector<std::unique_ptr<PreTokenizer>> steps;
  steps.push_back(std::move(first));
  steps.push_back(std::move(second));
  return std::make_unique<SequencePreTokenizer>(std::move(steps), "");
}

}  // namespace

Result<std::unique_ptr<PreTokenizer>> read_pre_tokenizer(const SortedJson& value,
                                                         const std::string& where) {
  if (value.is_null()) return std::unique_ptr<PreTokenizer>();
  LUTHIER_TRY(const std::string type, string_field(value, "type", where));
  if (type == "Sequence") return read_sequence(value, where);
  if (type == "ByteLevel") return read_byte_level(value, where);
  if (type == "Split") return read_split(value, where);
  if (type == "Metaspace") return read_metaspace(value, where);
  if (type == "WhitespaceSplit") return by_character(is_space, SplitBehavior::Removed);
  if (type == "BertPreTokenizer") {
    return sequence_of(by_character(is_space, SplitBehavior::Removed),
                       by_character(is_punctuation, SplitBehavior::Isolated));
  }
  if (type == "Punctuation") {
    LUTHIER_TRY(const SplitBehavior behavior, read_behavior(value, where, "Isolated"));
    return by_character(is_punctuation, behavior);
  }
  if (type == "Digits") {
    LUTHIER_TRY(const bool individual, bool_field(value, "individual_digits", where, false));
    return by_character(is_numeric,
                        individual ? SplitBehavior::Isolated : SplitBehavior::Contiguous);
  }
  if (type == "Whitespace" || type == "CharDelimiterSplit") {
    auto splitter = std::make_unique<PatternSplitter>();
    splitter->behavior = SplitBehavior::Removed;
    if (type == "Whitespace") {
      splitter->invert = true;
      LUTHIER_TRY(splitter->regex,
                  Regex::compile(R"([\w\x{200C}\x{200D}]+|[^\w\s\x{200C}\x{200D}]+)", where));
    } else {
      LUTHIER_TRY(splitter->literal, string_field(value, "delimiter", where));
    }
    return std::unique_ptr<PreTokenizer>(std::move(splitter));
  }
  return input_error("The pre-tokenizer \"" + type + "\" is not known.", where + ".type");
}

}  // namespace luthier
