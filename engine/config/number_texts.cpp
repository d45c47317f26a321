// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/config/number_texts.h"

#include <cstdlib>

#include "engine/config/kinds.h"

namespace luthier {

Status check_number_texts(const std::string& key, const std::vector<std::string>& texts) {
  for (const std::string& text : texts) {
    std::size_t read = 0;
    try {
      std::stod(text, &read);
    } catch (const std::exception&) {
      read = 0;
    }
    if (read == 0 || read != text.size())
      return cross_fault(key.c_str(), "holds \"" + text + "\", which is no number.", "");
  }
  return {};
}

std::vector<double> numbers_of(const std::vector<std::string>& texts) {
  std::vector<double> numbers;
  for (const std::string& text : texts) numbers.push_back(std::strtod(text.c_str(), nullptr));
  return numbers;
}

}  // namespace luthier
