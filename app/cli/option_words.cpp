// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/cli/option_words.h"

#include <charconv>
#include <cmath>
#include <vector>

#include "engine/config/nearest_name.h"

namespace luthier::cli {

namespace {

std::string in_quotes(const std::string& text) { return "\"" + text + "\""; }

/// Whether the whole text is a number of this kind that a variable of it can hold.
template <class Number>
bool is_number(const std::string& text) {
  const std::size_t sign = text.starts_with('+') && !text.starts_with("+-") ? 1 : 0;
  Number value{};
  const char* last = text.data() + text.size();
  const auto read = std::from_chars(text.data() + sign, last, value);
  return read.ec == std::errc() && read.ptr == last && text.size() > sign;
}

/// What is wrong with a value of an option of this type; empty: nothing, or it is no number's.
std::string number_fault(const std::string& type, const std::string& value) {
  if (type == "INT" || type == "UINT") {
    const bool fits =
        type == "INT" ? is_number<long long>(value) : is_number<unsigned long long>(value);
    if (fits) return {};
    if (is_number<long long>(value)) return "must be 0 or more, but is " + value + ".";
    const bool digits = value.find_first_not_of("+-0123456789") == std::string::npos;
    return digits && is_number<double>(value)
               ? "is too large a number: " + value + "."
               : "must be a whole number, but is " + in_quotes(value) + ".";
  }
  if (type == "FLOAT") {
    double number = 0;
    const std::size_t sign = value.starts_with('+') ? 1 : 0;
    const char* last = value.data() + value.size();
    const auto read = std::from_chars(value.data() + sign, last, number);
    if (read.ptr != last || value.size() == sign || read.ec == std::errc::invalid_argument)
      return "must be a number, but is " + in_quotes(value) + ".";
    if (!std::isfinite(number) || (read.ec != std::errc() && number == 0))
      return "must be a finite number, but is " + value + ".";
  }
  return {};
}

/// "0.500000" as a person writes it.
std::string without_zeros(std::string number) {
  if (number.find('.') == std::string::npos) return number;
  while (number.ends_with('0')) number.pop_back();
  if (number.ends_with('.')) number.pop_back();
  return number;
}

/// What stands between two marks of a text, from a place on; nothing: they do not.
std::optional<std::string> between(const std::string& text, const std::string& open,
                                   const std::string& close, std::size_t& from) {
  const std::size_t begin = text.find(open, from);
  if (begin == std::string::npos) return std::nullopt;
  const std::size_t first = begin + open.size();
  const std::size_t end = close.empty() ? text.size() : text.rfind(close);
  if (end == std::string::npos || end < first) return std::nullopt;
  from = end;
  return text.substr(first, end - first);
}

/// "--share: Value 2 not in range 0.1 to 1" and "--to: ggfu not in {gguf,peft}" as sentences.
std::string rule_of_value(const std::string& said) {
  std::size_t at = 0;
  const std::string name = said.substr(0, said.find(": "));
  if (const auto value = between(said, ": Value ", " not in range ", at)) {
    const auto least = between(said, " not in range ", " to ", at);
    const auto most = between(said, " to ", "", at);
    if (least && most)
      return name + ": must be from " + without_zeros(*least) + " to " + without_zeros(*most) +
             ", but is " + *value + ".";
    return said;
  }
  at = 0;
  const auto value = between(said, ": ", " not in {", at);
  const auto all = value ? between(said, " not in {", "}", at) : std::nullopt;
  if (!all) return said;
  std::vector<std::string> known;
  std::string list;
  for (std::size_t begin = 0; begin <= all->size();) {
    const std::size_t end = std::min(all->find(',', begin), all->size());
    known.push_back(all->substr(begin, end - begin));
    list += (list.empty() ? "" : ", ") + known.back();
    begin = end + 1;
  }
  const std::string near = nearest_name(*value, known);
  std::string sentence = name + ": must be " + (known.size() > 1 ? "one of " : "") + list +
                         ", but is " + in_quotes(*value) + ".";
  if (known.size() > 1 && edit_distance(near, *value) <= 2)
    sentence += " The nearest is " + near + ".";
  return sentence;
}

/// The words that no option takes.
std::string unexpected_words(const CLI::App& verb, const CLI::ParseError& problem) {
  std::vector<std::string> known;
  for (const CLI::Option* option : verb.get_options())
    for (const std::string& name : option->get_lnames()) known.push_back("--" + name);
  const CLI::App* root = &verb;
  while (root->get_parent()) root = root->get_parent();
  for (const std::string& word : root->remaining(true)) {
    if (!word.starts_with('-') || word == "-") continue;
    const std::string name = word.substr(0, word.find('='));
    const std::string near = nearest_name(name, known);
    const bool close = edit_distance(near, name) <= std::max<std::size_t>(1, (name.size() - 2) / 2);
    const bool settings = verb.get_option_no_throw("--set") != nullptr;
    return "there is no option \"" + name + "\"." +
           (close      ? " Did you mean " + near + "?"
            : settings ? " A recipe's setting stands behind --set: --set training.max_steps=10."
                       : "");
  }
  return problem.what();
}

}  // namespace

std::optional<std::string> wrong_number(const CLI::App& verb) {
  for (const CLI::Option* option : verb.get_options()) {
    std::string type = option->get_type_name();
    type = type.substr(0, type.find_first_of(":,="));
    for (const std::string& value : option->results()) {
      const std::string fault = number_fault(type, value);
      if (!fault.empty()) return option->get_name() + ": " + fault;
    }
  }
  return std::nullopt;
}

std::string refused_words(const CLI::App& verb, const CLI::ParseError& problem) {
  if (dynamic_cast<const CLI::ExtrasError*>(&problem)) return unexpected_words(verb, problem);
  if (dynamic_cast<const CLI::ConversionError*>(&problem) ||
      dynamic_cast<const CLI::ValidationError*>(&problem))
    if (const auto fault = wrong_number(verb)) return *fault;
  const std::string said = problem.what();
  if (const std::size_t colon = said.find(": 1 required "); colon != std::string::npos)
    return said.substr(0, colon) + ": its value is missing.";
  return rule_of_value(said);
}

}  // namespace luthier::cli
