// SPDX-License-Identifier: GPL-3.0-or-later
// Tokens between two moments at which the text so far begins the whole text belong together: they
// share its new part, each from where the text before it was settled to where it is settled after
// it, or to the end of the character that it left open.
#include "engine/generate/answer_text.h"

#include <algorithm>
#include <array>
#include <string_view>

namespace luthier {

namespace {

/// What bytes that make no character decode to.
constexpr std::string_view kReplacement = "\xEF\xBF\xBD";

bool continues(std::string_view text, std::size_t at) {
  return at < text.size() && (static_cast<unsigned char>(text[at]) & 0xC0) == 0x80;
}

std::size_t common_bytes(std::string_view a, std::string_view b) {
  const std::size_t most = std::min(a.size(), b.size());
  std::size_t length = 0;
  while (length < most && a[length] == b[length]) ++length;
  return length;
}

/// Bytes that both begin with, ending between two characters.
std::size_t common_text(std::string_view a, std::string_view b) {
  std::size_t length = common_bytes(a, b);
  while (length > 0 && (continues(a, length) || continues(b, length))) --length;
  return length;
}

std::size_t after_character(std::string_view text, std::size_t at) {
  if (at >= text.size()) return at;
  for (++at; continues(text, at);) ++at;
  return at;
}

}  // namespace

void AnswerText::add(TokenId id) {
  const bool known = id >= 0 && id < tokenizer_->vocab_size();
  std::string next = text_;
  if (known) {
    ids_.push_back(id);
    auto decoded = tokenizer_->decode(ids_, /*skip_special=*/true);
    next = decoded ? decoded.take() : std::string();
  }
  Step step;
  step.kept = common_bytes(text_, next);
  step.tail = next.substr(step.kept);
  step.silent = !known || (next == text_ && tokenizer_->is_special(id));
  steps_.push_back(std::move(step));
  text_ = std::move(next);
}

std::vector<std::pair<std::size_t, std::size_t>> AnswerText::ranges() const {
  std::vector<std::pair<std::size_t, std::size_t>> ranges(steps_.size());
  std::string now;                // the text after the token
  std::size_t start = 0;          // where the tokens that belong together begin to write
  std::size_t settled = 0;        // up to here no later token changed the text
  std::vector<std::size_t> open;  // tokens that end where those that belong together do
  for (std::size_t i = 0; i < steps_.size(); ++i) {
    const Step& step = steps_[i];
    const bool changed = step.kept < now.size() || !step.tail.empty();
    now.resize(step.kept);
    now += step.tail;
    auto& [begin, end] = ranges[i];
    begin = end = settled;
    if (step.silent) continue;
    const std::size_t common = common_text(now, text_);
    const std::size_t reach = std::max(common, settled);
    if (common == now.size() && common >= start) {
      end = common;
      begin = std::min(begin, end);
      // A further byte of a character that never came: nothing new to see, it belongs to what
      // stands for it.
      if (!changed && now.ends_with(kReplacement)) begin = end - kReplacement.size();
      for (const std::size_t each : open) ranges[each].second = end;
      open.clear();
      start = settled = end;
      continue;
    }
    const bool cut = std::string_view(now).substr(common).starts_with(kReplacement);
    end = cut ? after_character(text_, reach) : reach;
    if (end <= begin) open.push_back(i);
    settled = reach;
  }
  return ranges;
}

std::string piece_text(const Tokenizer& tokenizer, TokenId id) {
  if (id < 0 || id >= tokenizer.vocab_size()) return {};
  if (tokenizer.is_special(id)) return tokenizer.id_to_token(id);
  // After itself, a token keeps the space that it begins with.
  const auto once = tokenizer.decode(std::array{id}, /*skip_special=*/true);
  const auto twice = tokenizer.decode(std::array{id, id}, /*skip_special=*/true);
  if (!once || !twice) return tokenizer.id_to_token(id);
  const std::string text = twice->starts_with(*once) ? twice->substr(once->size()) : *once;
  if (text.find(kReplacement) == std::string::npos) return text;
  std::string name = tokenizer.id_to_token(id);
  return name.starts_with("<0x") ? name : text;
}

}  // namespace luthier
