// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/data/asked_question.h"

#include <charconv>

namespace luthier {

std::string written(const AskedQuestion& question) {
  std::string text = question.text;
  text += '\0';  // what follows has digits alone, so that the last one of these is ours
  text += std::to_string(question.end);
  for (const TokenId id : question.beside) text += "," + std::to_string(id);
  return text;
}

Result<AskedQuestion> read_asked(const std::string& text) {
  AskedQuestion question;
  const std::size_t at = text.rfind('\0');
  if (at == std::string::npos)
    return input_error("The family's question lacks what stands behind its text.", "");
  question.text = text.substr(0, at);
  const char* next = text.data() + at + 1;
  const char* stop = text.data() + text.size();
  std::vector<TokenId> numbers;
  while (next < stop) {
    TokenId number = 0;
    const auto [behind, fault] = std::from_chars(next, stop, number);
    if (fault != std::errc() || (behind < stop && *behind != ','))
      return input_error("What stands behind the family's question is no list of ids.", "");
    numbers.push_back(number);
    next = behind < stop ? behind + 1 : behind;
  }
  if (numbers.empty())
    return input_error("What stands behind the family's question is no list of ids.", "");
  question.end = numbers.front();
  question.beside.assign(numbers.begin() + 1, numbers.end());
  return question;
}

}  // namespace luthier
