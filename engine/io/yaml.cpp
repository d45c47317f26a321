// SPDX-License-Identifier: GPL-3.0-or-later
// yaml-cpp's events become JSON here, so that nothing is built before it was checked: no alias is
// ever expanded, no key is taken twice, and a scalar is typed by its text alone.
#include "engine/io/yaml.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <sstream>
#include <unordered_set>

#include <yaml-cpp/eventhandler.h>
#include <yaml-cpp/yaml.h>

#include "engine/base/utf8.h"
#include "engine/io/file_kind.h"

namespace luthier {

namespace {

constexpr std::size_t kMaxBytes = 4u << 20;
constexpr std::size_t kMaxDepth = 64;

/// Ends the parse from within an event; never leaves this file.
struct Refusal {
  Error error;
};

bool only_digits(std::string_view text, std::string_view digits) {
  return !text.empty() && text.find_first_not_of(digits) == std::string_view::npos;
}

/// [-+]?(.d+|d+(.d*)?)([eE][-+]?d+)?
bool looks_like_float(std::string_view text) {
  std::size_t i = 0;
  const auto digits = [&] {
    const std::size_t start = i;
    while (i < text.size() && text[i] >= '0' && text[i] <= '9') ++i;
    return i - start;
  };
  if (i < text.size() && (text[i] == '-' || text[i] == '+')) ++i;
  std::size_t count = digits();
  if (i < text.size() && text[i] == '.') {
    ++i;
    count += digits();
  }
  if (count == 0) return false;
  if (i < text.size() && (text[i] == 'e' || text[i] == 'E')) {
    ++i;
    if (i < text.size() && (text[i] == '-' || text[i] == '+')) ++i;
    if (digits() == 0) return false;
  }
  return i == text.size();
}

/// Not strtod: a window's locale may have a decimal comma.
double to_double(std::string_view text) {
  if (text.starts_with('+')) text.remove_prefix(1);
  double value = 0;
  if (std::from_chars(text.data(), text.data() + text.size(), value).ec !=
      std::errc::result_out_of_range)
    return value;
  const bool tiny =
      text.find("e-") != std::string_view::npos || text.find("E-") != std::string_view::npos;
  const double size = tiny ? 0.0 : std::numeric_limits<double>::infinity();
  return text.starts_with('-') ? -size : size;
}

Json whole_number(const std::string& text, std::string_view digits, int base, bool negative) {
  std::uint64_t magnitude = 0;
  const auto [end, code] =
      std::from_chars(digits.data(), digits.data() + digits.size(), magnitude, base);
  if (code != std::errc() || end != digits.data() + digits.size()) {  // too large for any integer
    return base == 10 ? Json(to_double(text)) : Json(text);
  }
  if (!negative)
    return magnitude <= static_cast<std::uint64_t>(INT64_MAX)
               ? Json(static_cast<std::int64_t>(magnitude))
               : Json(magnitude);
  if (magnitude > static_cast<std::uint64_t>(INT64_MAX))
    return Json(-static_cast<double>(magnitude));
  return Json(-static_cast<std::int64_t>(magnitude));
}

/// A plain scalar, typed by YAML 1.2's core schema.
Json typed(const std::string& text) {
  if (text.empty() || text == "~" || text == "null" || text == "Null" || text == "NULL")
    return Json(nullptr);
  if (text == "true" || text == "True" || text == "TRUE") return Json(true);
  if (text == "false" || text == "False" || text == "FALSE") return Json(false);
  const bool negative = text[0] == '-';
  const std::string_view magnitude =
      std::string_view(text).substr(negative || text[0] == '+' ? 1 : 0);
  if (only_digits(magnitude, "0123456789")) return whole_number(text, magnitude, 10, negative);
  const std::string_view digits =
      std::string_view(text).substr(std::min<std::size_t>(2, text.size()));
  if (text.starts_with("0x") && only_digits(digits, "0123456789abcdefABCDEF"))
    return whole_number(text, digits, 16, false);
  if (text.starts_with("0o") && only_digits(digits, "01234567"))
    return whole_number(text, digits, 8, false);
  if (magnitude == ".inf" || magnitude == ".Inf" || magnitude == ".INF") {
    return Json(negative ? -std::numeric_limits<double>::infinity()
                         : std::numeric_limits<double>::infinity());
  }
  if (text == ".nan" || text == ".NaN" || text == ".NAN")
    return Json(std::numeric_limits<double>::quiet_NaN());
  if (looks_like_float(text)) return Json(to_double(text));
  return Json(text);
}

class Reader : public YAML::EventHandler {
 public:
  explicit Reader(const std::string& where) : where_(where) {}

  void OnDocumentStart(const YAML::Mark&) override {}
  void OnDocumentEnd() override {}
  void OnNull(const YAML::Mark& mark, YAML::anchor_t anchor) override {
    scalar(mark, anchor, Json(nullptr), "");
  }
  void OnAlias(const YAML::Mark& mark, YAML::anchor_t) override {
    refuse(mark, "Aliases (*name) are not supported here.", "Write the value out.");
  }

  void OnScalar(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                const std::string& value) override {
    last_ = mark;
    // yaml-cpp makes single bytes of some escapes (\N).
    if (!is_utf8(value)) refuse(mark, "A text is not valid UTF-8.");
    if (tag.empty() || tag == "?") return scalar(mark, anchor, typed(value), value);
    if (tag == "!" || tag == "tag:yaml.org,2002:str")
      return scalar(mark, anchor, Json(value), value);
    refuse(mark, "The tag " + shortened(tag, 60) + " is not supported.", "Remove it.");
  }

  void OnSequenceStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                       YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, Json::array());
  }
  void OnSequenceEnd() override { close(); }
  void OnMapStart(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor,
                  YAML::EmitterStyle::value) override {
    open(mark, tag, anchor, Json::object());
  }
  void OnMapEnd() override { close(); }

  Json take() { return std::move(root_); }
  /// Where the last text began.
  const YAML::Mark& last_scalar() const { return last_; }

  std::string place(const YAML::Mark& mark) const {
    return mark.is_null() ? std::string()
                          : " at line " + std::to_string(mark.line + 1) + ", column " +
                                std::to_string(mark.column + 1);
  }

 private:
  struct Frame {
    Json value;
    std::optional<std::string> key;
    std::unordered_set<std::string> keys;
  };

  [[noreturn]] void refuse(const YAML::Mark& mark, const std::string& sentence,
                           const std::string& hint = {}) const {
    throw Refusal{
        input_error("The YAML is not accepted" + place(mark) + ": " + sentence, where_, hint)};
  }

  bool wants_key() const {
    return !stack_.empty() && stack_.back().value.is_object() && !stack_.back().key;
  }

  void check_node(const YAML::Mark& mark, YAML::anchor_t anchor) const {
    if (anchor != 0)
      refuse(mark, "Anchors (&name) are not supported here.",
             "Write the value out where it is needed.");
  }

  void scalar(const YAML::Mark& mark, YAML::anchor_t anchor, Json value, const std::string& text) {
    check_node(mark, anchor);
    if (!wants_key()) return add(std::move(value));
    if (value.is_null() && text.empty()) refuse(mark, "A key is empty.");
    Frame& frame = stack_.back();
    if (!frame.keys.insert(text).second)
      refuse(mark, "The key \"" + shortened(text, 80) + "\" stands twice.", "Keep one of them.");
    frame.key = text;
  }

  void open(const YAML::Mark& mark, const std::string& tag, YAML::anchor_t anchor, Json container) {
    check_node(mark, anchor);
    if (!tag.empty() && tag != "?" && tag != "!")
      refuse(mark, "The tag " + shortened(tag, 60) + " is not supported.", "Remove it.");
    if (wants_key()) refuse(mark, "A key must be a plain text.");
    if (stack_.size() >= kMaxDepth)
      refuse(mark, "It is nested more than " + std::to_string(kMaxDepth) + " deep.");
    stack_.push_back({std::move(container), std::nullopt, {}});
  }

  void close() {
    Json done = std::move(stack_.back().value);
    stack_.pop_back();
    add(std::move(done));
  }

  void add(Json value) {
    if (stack_.empty()) {
      root_ = std::move(value);
      return;
    }
    Frame& frame = stack_.back();
    if (frame.value.is_array()) {
      frame.value.push_back(std::move(value));
    } else {
      frame.value.get_ref<Json::object_t&>().emplace_back(std::move(*frame.key), std::move(value));
      frame.key.reset();
    }
  }

  const std::string& where_;
  std::vector<Frame> stack_;
  Json root_;
  YAML::Mark last_ = YAML::Mark::null_mark();
};

/// Whether a quote that opens is never closed. yaml-cpp sees it only where no line end follows, and
/// else takes all that is left of the file for one text.
bool ends_within_quotes(const std::string& text, const std::string& where) {
  const std::size_t last = text.find_last_not_of(" \t\r\n");
  if (last == std::string::npos || text.find_first_of("\"'") == std::string::npos) return false;
  try {
    std::istringstream stream(text.substr(0, last + 1));
    YAML::Parser parser(stream);
    Reader reader(where);
    while (parser.HandleNextDocument(reader)) continue;
  } catch (const YAML::ParserException& problem) {
    return problem.msg == YAML::ErrorMsg::EOF_IN_SCALAR;
  }
  return false;
}

}  // namespace

Result<Json> parse_yaml(const std::string& text, const std::string& where) {
  if (text.size() > kMaxBytes)
    return input_error("The YAML has more than " + std::to_string(kMaxBytes) + " bytes.", where);
  if (const auto fault = text_fault(text, "YAML", where)) return *fault;
  if (text.find('\0') != std::string::npos)
    return input_error("The YAML holds a zero byte.", where, "Save it as UTF-8 text.");
  Reader reader(where);
  try {
    std::istringstream stream(text);
    YAML::Parser parser(stream);
    if (!parser.HandleNextDocument(reader)) return Json(nullptr);
    Json document = reader.take();
    if (parser.HandleNextDocument(reader))
      return input_error("The file holds more than one YAML document.", where, "Keep one.");
    if (ends_within_quotes(text, where))
      return input_error("This is not valid YAML" + reader.place(reader.last_scalar()) +
                             ": a quote that opens here is never closed.",
                         where, "Close it.");
    return document;
  } catch (const Refusal& refusal) {
    return refusal.error;
  } catch (const YAML::Exception& problem) {
    if (problem.msg == YAML::ErrorMsg::EOF_IN_SCALAR)
      return input_error("This is not valid YAML" + reader.place(problem.mark) +
                             ": a quote that opens before this is never closed.",
                         where, "Close it.");
    return input_error("This is not valid YAML" + reader.place(problem.mark) + ": " +
                           shortened(problem.msg, 200) + ".",
                       where);
  } catch (const std::exception& problem) {
    return input_error(std::string("This is not valid YAML: ") + problem.what() + ".", where);
  }
}

}  // namespace luthier
