// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/template/lexer.h"

#include <algorithm>
#include <charconv>

#include "engine/text/unicode.h"

namespace luthier::templates {
namespace {

constexpr std::size_t kMaxTokens = 1'000'000;

/// Line ends become \n; one at the very end is dropped.
std::string plain_lines(std::string_view source) {
  std::string text;
  text.reserve(source.size());
  for (std::size_t i = 0; i < source.size(); ++i) {
    if (source[i] != '\r') {
      text += source[i];
      continue;
    }
    text += '\n';
    if (i + 1 < source.size() && source[i + 1] == '\n') ++i;
  }
  if (text.ends_with('\n')) text.pop_back();
  return text;
}

bool space_at(std::string_view text, std::size_t at, std::size_t& next) {
  next = at;
  const char32_t c = utf8_next(text, next);
  return is_space(c) || (c >= 0x1C && c <= 0x1F);
}

class Lexer {
 public:
  Lexer(std::string source, std::string where)
      : text_(std::move(source)), where_(std::move(where)) {}

  Result<std::vector<Token>> run() {
    while (at_ < text_.size()) {
      LUTHIER_CHECK(data_and_tag());
      if (tokens_.size() > kMaxTokens) return fail("The template is too long.");
    }
    push(Token::Kind::End);
    return std::move(tokens_);
  }

 private:
  Error fail(const std::string& what) const {
    return input_error(what, where_ + ": line " + std::to_string(line_));
  }
  bool starts(std::string_view what) const {
    return std::string_view(text_).substr(at_).starts_with(what);
  }
  void push(Token::Kind kind, std::string text = {}) {
    tokens_.push_back({kind, std::move(text), 0, 0, line_});
  }
  void advance(std::size_t count) {
    count = std::min(count, text_.size() - at_);
    line_ += static_cast<int>(std::count(text_.begin() + static_cast<std::ptrdiff_t>(at_),
                                         text_.begin() + static_cast<std::ptrdiff_t>(at_ + count),
                                         '\n'));
    at_ += count;
    line_starting_ = at_ > 0 && text_[at_ - 1] == '\n';
  }
  void skip_space() {
    std::size_t next = 0;
    while (at_ < text_.size() && space_at(text_, at_, next)) advance(next - at_);
  }

  /// Puts the text up to `end` out, stripped as the tag that follows asks.
  void put_data(std::size_t end, char sign, bool variable) {
    std::string_view data = std::string_view(text_).substr(at_, end - at_);
    if (sign == '-') {
      std::size_t keep = 0;
      for (std::size_t i = 0, next = 0; i < data.size(); i = next) {
        if (!space_at(data, i, next)) keep = next;
      }
      data = data.substr(0, keep);
    } else if (sign != '+' && !variable) {
      const std::size_t newline = data.rfind('\n');
      const std::size_t begin = newline == std::string_view::npos ? 0 : newline + 1;
      bool blank = begin < data.size() && (begin > 0 || line_starting_);
      for (std::size_t i = begin, next = 0; blank && i < data.size(); i = next)
        blank = space_at(data, i, next);
      if (blank) data = data.substr(0, begin);
    }
    if (!data.empty()) push(Token::Kind::Data, std::string(data));
    advance(end - at_);
  }

  Status data_and_tag() {
    std::size_t tag = at_;
    for (;; ++tag) {
      tag = text_.find('{', tag);
      if (tag == std::string::npos || tag + 1 >= text_.size()) {
        if (at_ < text_.size()) push(Token::Kind::Data, text_.substr(at_));
        advance(text_.size() - at_);
        return {};
      }
      const char kind = text_[tag + 1];
      if (kind == '{' || kind == '%' || kind == '#') break;
    }
    const char kind = text_[tag + 1];
    const char after = tag + 2 < text_.size() ? text_[tag + 2] : '\0';
    const char sign = after == '-' || after == '+' ? after : '\0';
    put_data(tag, sign, kind == '{');
    const std::size_t head = sign ? 3 : 2;
    if (kind == '%' && raw_length(head) > 0) return raw_block(raw_length(head));
    advance(head);
    if (kind == '#') return comment();
    push(kind == '{' ? Token::Kind::VariableBegin : Token::Kind::BlockBegin);
    return tag_tokens(kind == '{');
  }

  Status comment() {
    const std::size_t end = text_.find("#}", at_);
    if (end == std::string::npos) return fail("The comment does not end.");
    const char sign = end > at_ ? text_[end - 1] : '\0';
    advance(end + 2 - at_);
    if (sign == '-') {
      skip_space();
    } else if (sign != '+' && at_ < text_.size() && text_[at_] == '\n') {
      advance(1);
    }
    return {};
  }

  /// Length of a raw tag from its "{%", or 0 where this is another tag.
  std::size_t raw_length(std::size_t head) const {
    std::size_t at = at_ + head, next = 0;
    while (at < text_.size() && space_at(text_, at, next)) at = next;
    if (!std::string_view(text_).substr(at).starts_with("raw")) return 0;
    at += 3;
    while (at < text_.size() && space_at(text_, at, next)) at = next;
    const std::string_view rest = std::string_view(text_).substr(at);
    if (rest.starts_with("%}")) return at + 2 - at_;
    if (!rest.starts_with("-%}")) return 0;
    at += 3;
    while (at < text_.size() && space_at(text_, at, next)) at = next;
    return at - at_;
  }

  Status raw_block(std::size_t length) {
    advance(length);
    for (std::size_t tag = text_.find("{%", at_); tag != std::string::npos;
         tag = text_.find("{%", tag + 2)) {
      std::size_t at = tag + 2, next = 0;
      const char sign =
          at < text_.size() && (text_[at] == '-' || text_[at] == '+') ? text_[at] : '\0';
      if (sign) ++at;
      while (at < text_.size() && space_at(text_, at, next)) at = next;
      if (!std::string_view(text_).substr(at).starts_with("endraw")) continue;
      at += 6;
      while (at < text_.size() && space_at(text_, at, next)) at = next;
      const char end_sign =
          at < text_.size() && (text_[at] == '-' || text_[at] == '+') ? text_[at] : '\0';
      if (end_sign) ++at;
      if (!std::string_view(text_).substr(at).starts_with("%}")) continue;
      put_data(tag, sign, false);
      advance(at + 2 - at_);
      finish_block(end_sign);
      return {};
    }
    return fail("The raw block does not end.");
  }

  void finish_block(char sign) {
    if (sign == '-') {
      skip_space();
    } else if (sign != '+' && at_ < text_.size() && text_[at_] == '\n') {
      advance(1);
    }
  }

  /// The tokens of one {{ }} or {% %}.
  Status tag_tokens(bool variable) {
    std::string open;  // brackets that must close first
    const std::string_view end = variable ? "}}" : "%}";
    while (at_ < text_.size()) {
      if (open.empty()) {
        const char sign = text_[at_] == '-' || (text_[at_] == '+' && !variable) ? text_[at_] : '\0';
        if (std::string_view(text_).substr(at_ + (sign ? 1 : 0)).starts_with(end)) {
          push(variable ? Token::Kind::VariableEnd : Token::Kind::BlockEnd);
          advance(sign ? 3 : 2);
          if (!variable) {
            finish_block(sign);
          } else if (sign == '-') {
            skip_space();
          }
          return {};
        }
      }
      std::size_t next = 0;
      if (space_at(text_, at_, next)) {
        advance(next - at_);
        continue;
      }
      LUTHIER_CHECK(token(open));
      if (tokens_.size() > kMaxTokens) return fail("The template is too long.");
    }
    return fail(std::string("The tag does not end with ") + std::string(end) + ".");
  }

  Status token(std::string& open) {
    const char c = text_[at_];
    if (c >= '0' && c <= '9') return number();
    if (c == '"' || c == '\'') return string(c);
    std::size_t next = at_;
    const char32_t character = utf8_next(text_, next);
    if (is_word_character(character)) {
      while (next < text_.size()) {
        std::size_t after = next;
        if (!is_word_character(utf8_next(text_, after))) break;
        next = after;
      }
      push(Token::Kind::Name, text_.substr(at_, next - at_));
      advance(next - at_);
      return {};
    }
    static constexpr std::string_view kOperators[] = {
        "//", "**", "==", "!=", ">=", "<=", "+", "-", "/", "*", "%", "~", "[",
        "]",  "(",  ")",  "{",  "}",  ">",  "<", "=", ".", ":", "|", ",", ";"};
    for (const std::string_view text : kOperators) {
      if (!starts(text)) continue;
      if (text == "(" || text == "[" || text == "{")
        open += text == "(" ? ')' : text == "[" ? ']' : '}';
      if (text == ")" || text == "]" || text == "}") {
        if (open.empty() || open.back() != text[0])
          return fail("Unexpected '" + std::string(text) + "'.");
        open.pop_back();
      }
      push(Token::Kind::Operator, std::string(text));
      advance(text.size());
      return {};
    }
    return fail("Unexpected character '" + text_.substr(at_, next - at_) + "'.");
  }

  Status number() {
    std::string digits;
    std::size_t at = at_;
    const auto take = [&] {
      while (at < text_.size() && ((text_[at] >= '0' && text_[at] <= '9') || text_[at] == '_')) {
        if (text_[at] != '_') digits += text_[at];
        ++at;
      }
    };
    const auto digit = [&](std::size_t i) {
      return i < text_.size() && text_[i] >= '0' && text_[i] <= '9';
    };
    int base = 10;
    if (text_[at] == '0' && at + 1 < text_.size()) {
      const char mark = static_cast<char>(text_[at + 1] | 0x20);
      base = mark == 'x' ? 16 : mark == 'o' ? 8 : mark == 'b' ? 2 : 10;
    }
    bool fraction = false;
    if (base != 10) {
      at += 2;
      while (at < text_.size() &&
             (std::isxdigit(static_cast<unsigned char>(text_[at])) || text_[at] == '_')) {
        if (text_[at] != '_') digits += text_[at];
        ++at;
      }
    } else {
      take();
      const bool after_dot = at_ > 0 && text_[at_ - 1] == '.';
      if (!after_dot && at < text_.size() && text_[at] == '.' && digit(at + 1)) {
        digits += text_[at++];
        take();
        fraction = true;
      }
      const bool exponent =
          !after_dot && at < text_.size() && (text_[at] | 0x20) == 'e' &&
          (digit(at + 1) || (at + 1 < text_.size() &&
                             (text_[at + 1] == '+' || text_[at + 1] == '-') && digit(at + 2)));
      if (exponent) {
        digits += 'e';
        ++at;
        if (!digit(at)) digits += text_[at++];
        take();
        fraction = true;
      }
    }
    Token token{fraction ? Token::Kind::Float : Token::Kind::Integer, digits, 0, 0, line_};
    if (fraction) {
      const std::string number = digits.find("e+") != std::string::npos
                                     ? std::string(digits).erase(digits.find("e+") + 1, 1)
                                     : digits;
      std::from_chars(number.data(), number.data() + number.size(), token.number);
    } else {
      const auto [rest, code] =
          std::from_chars(digits.data(), digits.data() + digits.size(), token.integer, base);
      if (code != std::errc() || rest != digits.data() + digits.size())
        return fail("The number " + digits + " is not one that fits.");
    }
    tokens_.push_back(std::move(token));
    advance(at - at_);
    return {};
  }

  Status string(char quote) {
    std::string value;
    std::size_t at = at_ + 1;
    while (at < text_.size() && text_[at] != quote) {
      if (text_[at] != '\\' || at + 1 >= text_.size()) {
        value += text_[at++];
      } else {
        LUTHIER_CHECK(escape(value, ++at));
      }
    }
    if (at >= text_.size()) return fail("The string does not end.");
    push(Token::Kind::String, std::move(value));
    advance(at + 1 - at_);
    return {};
  }

  /// One escape of Python's strings; `at` stands behind the backslash.
  Status escape(std::string& value, std::size_t& at) {
    static constexpr std::string_view kNames = "abfnrtv\\'\"\n", kValues = "\a\b\f\n\r\t\v\\'\"\n";
    const char c = text_[at];
    if (const std::size_t known = kNames.find(c); known != std::string_view::npos) {
      if (c != '\n') value += kValues[known];
      ++at;
      return {};
    }
    const auto number = [&](std::size_t from, std::size_t digits, int base) -> std::int64_t {
      std::uint32_t code = 0;
      const char* begin = text_.data() + from;
      const std::size_t count = std::min(digits, text_.size() - from);
      const auto [rest, error] = std::from_chars(begin, begin + count, code, base);
      if (error != std::errc() || (base == 16 && static_cast<std::size_t>(rest - begin) != digits))
        return -1;
      at = from + static_cast<std::size_t>(rest - begin);
      return code;
    };
    std::int64_t code = -1;
    if (c == 'x' || c == 'u' || c == 'U') {
      code = number(at + 1, c == 'x' ? 2 : c == 'u' ? 4 : 8, 16);
      if (code < 0 || code > 0x10FFFF || (code >= 0xD800 && code <= 0xDFFF))
        return fail("The escape in the string names no character.");
    } else if (c >= '0' && c <= '7') {
      code = number(at, 3, 8);
    }
    if (code < 0) {
      value += '\\';  // unknown escapes stay as they are
      return {};
    }
    utf8_append(value, static_cast<char32_t>(code));
    return {};
  }

  std::string text_, where_;
  std::size_t at_ = 0;
  int line_ = 1;
  bool line_starting_ = true;
  std::vector<Token> tokens_;
};

}  // namespace

Result<std::vector<Token>> tokenize(std::string_view source, const std::string& where) {
  if (!utf8_valid(source)) return input_error("The template is not valid UTF-8.", where);
  return Lexer(plain_lines(source), where).run();
}

}  // namespace luthier::templates
