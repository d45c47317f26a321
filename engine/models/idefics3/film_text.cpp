// SPDX-License-Identifier: GPL-3.0-or-later
// A film in SmolVLM's text, as SmolVLMProcessor of transformers 5.17 writes it.
#include <algorithm>

#include "engine/models/idefics3/idefics3.h"

namespace luthier {

const char* const kSmolvlmFilmTemplate =
    "<|im_start|>{% for message in messages %}{{message['role'] | capitalize}}"
    "{% if message['content'][0]['type'] == 'image' %}{{':'}}{% else %}{{': '}}{% endif %}"
    "{% for line in message['content'] %}{% if line['type'] == 'text' %}{{line['text']}}"
    "{% elif line['type'] == 'image' %}{{ '<image>' }}{% elif line['type'] == 'video' %}"
    "{{ '<video>' }}{% endif %}{% endfor %}<end_of_utterance>\n{% endfor %}"
    "{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}";

namespace {

/// A number below a million in words, as num2words has them in English.
std::string in_words(std::int64_t number) {
  static constexpr const char* kSmall[] = {
      "zero",     "one",     "two",     "three",     "four",     "five",    "six",
      "seven",    "eight",   "nine",    "ten",       "eleven",   "twelve",  "thirteen",
      "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"};
  static constexpr const char* kTens[] = {"",      "",      "twenty",  "thirty", "forty",
                                          "fifty", "sixty", "seventy", "eighty", "ninety"};
  if (number < 20) return kSmall[number];
  if (number < 100)
    return kTens[number / 10] + (number % 10 ? "-" + in_words(number % 10) : std::string());
  const std::int64_t unit = number < 1000 ? 100 : 1000, rest = number % unit;
  std::string words = in_words(number / unit) + (unit == 100 ? " hundred" : " thousand");
  if (rest == 0) return words;
  return words + (rest < 100 ? " and " : ", ") + in_words(rest);
}

std::string two_digits(std::int64_t number) {
  const std::string digits = std::to_string(number);
  return digits.size() < 2 ? "0" + digits : digits;
}

/// As Python writes a timedelta of whole seconds.
std::string span_of(std::int64_t seconds) {
  constexpr std::int64_t kDay = 24 * 60 * 60;
  const std::int64_t days = seconds / kDay, left = seconds % kDay;
  const std::string day =
      days == 0 ? "" : std::to_string(days) + (days == 1 ? " day, " : " days, ");
  return day + std::to_string(left / 3600) + ":" + two_digits(left / 60 % 60) + ":" +
         two_digits(left % 60);
}

}  // namespace

std::string Idefics3Text::film(const FilmTimes& times) const {
  const auto whole_seconds = [](double seconds) {
    constexpr double kMost = 1e12;  // of Python's own spans
    return static_cast<std::int64_t>(std::min(seconds, kMost));
  };
  const double last = times.middles.empty() ? 0 : times.middles.back();
  std::string text = "You are provided the following series of " +
                     in_words(static_cast<std::int64_t>(times.middles.size())) + " frames from a " +
                     span_of(whole_seconds(times.whole.value_or(last))) + " [H:MM:SS] video.\n";
  for (const double time : times.middles) {
    const std::int64_t seconds = whole_seconds(time);
    text += "\nFrame from " + two_digits(seconds / 60) + ":" + two_digits(seconds % 60) + ":" +
            expand(0, 0);
  }
  return text + "\n\n";
}

}  // namespace luthier
