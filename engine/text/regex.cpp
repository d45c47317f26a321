// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/text/regex.h"

#include <mutex>

#include <oniguruma.h>

#include "engine/base/thread_clock.h"
#include "engine/text/unicode.h"

namespace luthier {
namespace {

constexpr std::size_t kMaxPattern = 16 << 10;      // bytes
constexpr unsigned long kMaxRetries = 20'000'000;  // backtracking steps of one search
constexpr double kMaxSeconds = 20;                 // of this thread's work in one find_all

void initialize_once() {
  static std::once_flag once;
  std::call_once(once, [] {
    OnigEncoding encodings[] = {ONIG_ENCODING_UTF8};
    onig_initialize(encodings, 1);
    onig_set_parse_depth_limit(200);
  });
}

std::string message_of(int code, OnigErrorInfo* info = nullptr) {
  OnigUChar buffer[ONIG_MAX_ERROR_MESSAGE_LEN];
  const int length =
      info ? onig_error_code_to_str(buffer, code, info) : onig_error_code_to_str(buffer, code);
  return utf8_lossy(
      {reinterpret_cast<char*>(buffer), static_cast<std::size_t>(length > 0 ? length : 0)});
}

const OnigUChar* bytes(const char* text) { return reinterpret_cast<const OnigUChar*>(text); }

}  // namespace

struct Regex::Program {
  OnigRegex regex = nullptr;
  ~Program() {
    if (regex) onig_free(regex);
  }
};

Result<Regex> Regex::compile(std::string_view pattern, const std::string& where, Syntax syntax) {
  initialize_once();
  if (pattern.size() > kMaxPattern)
    return input_error("The regular expression is longer than 16 KiB.", where);
  if (!utf8_valid(pattern)) return input_error("The regular expression is not valid UTF-8.", where);
  auto program = std::make_shared<Program>();
  OnigErrorInfo info;
  const int code =
      onig_new(&program->regex, bytes(pattern.data()), bytes(pattern.data() + pattern.size()),
               ONIG_OPTION_NONE, ONIG_ENCODING_UTF8,
               syntax == Syntax::Python ? ONIG_SYNTAX_PYTHON : ONIG_SYNTAX_RUBY, &info);
  if (code != ONIG_NORMAL) {
    program->regex = nullptr;
    return input_error(
        "The regular expression cannot be compiled: " + message_of(code, &info) + ".", where);
  }
  Regex regex;
  regex.program_ = std::move(program);
  regex.where_ = where;
  return regex;
}

Result<std::vector<std::pair<std::size_t, std::size_t>>> Regex::find_all(
    std::string_view text) const {
  std::vector<std::pair<std::size_t, std::size_t>> matches;
  OnigMatchParam* limits = onig_new_match_param();
  OnigRegion* region = onig_region_new();
  if (!limits || !region) return machine_error("Out of memory while splitting text.", where_);
  onig_initialize_match_param(limits);
  onig_set_retry_limit_in_match_of_match_param(limits, kMaxRetries);
  onig_set_retry_limit_in_search_of_match_param(limits, kMaxRetries);
  const double started = thread_seconds();
  const OnigUChar* begin = bytes(text.data());
  const OnigUChar* end = begin + text.size();
  std::size_t from = 0, searches = 0;
  bool any = false;
  Status status;
  while (from <= text.size()) {
    const int at = onig_search_with_param(program_->regex, begin, end, begin + from, end, region,
                                          ONIG_OPTION_NONE, limits);
    if (at == ONIG_MISMATCH) break;
    if (at < 0 || ((++searches & 15) == 0 && thread_seconds() - started > kMaxSeconds)) {
      status = input_error("The regular expression takes too long on this text" +
                               (at < 0 ? " (" + message_of(at) + ")." : "."),
                           where_);
      break;
    }
    const auto match_begin = static_cast<std::size_t>(region->beg[0]);
    const auto match_end = static_cast<std::size_t>(region->end[0]);
    if (match_begin == match_end && any && matches.back().second == match_end) {
      from = match_end < text.size() ? match_end + utf8_length(text[match_end]) : match_end + 1;
      continue;
    }
    matches.emplace_back(match_begin, match_end);
    any = true;
    // A look-behind may let an empty match stand before `from`; never go backwards.
    from = match_end > from ? match_end : from;
    if (match_end < from) ++from;
  }
  onig_region_free(region, 1);
  onig_free_match_param(limits);
  if (!status) return status.error();
  return matches;
}

}  // namespace luthier
