// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/io/weight_kinds/grouped_4bit.h"

#include <algorithm>

namespace luthier::grouped_4bit {

namespace {

constexpr std::int64_t kUsual = 128;  // where the settings do not say

std::int64_t divided_up(std::int64_t count, std::int64_t by) { return (count + by - 1) / by; }

}  // namespace

std::int64_t group_size(const Json& settings, std::int64_t cols) {
  const auto found = settings.find("group_size");
  std::int64_t size = kUsual;
  if (found != settings.end() && found->is_number_integer()) size = found->get<std::int64_t>();
  return size < 1 ? std::max<std::int64_t>(cols, 1) : size;
}

std::int64_t groups(const Json& settings, std::int64_t cols) {
  return divided_up(cols, group_size(settings, cols));
}

Status check(const Json& settings, const std::string& where, const std::vector<const char*>& keys,
             const std::vector<const char*>& known) {
  const auto bits = settings.find("bits");
  if (bits != settings.end() && *bits != 4) {
    return input_error("Weights of " + bits->dump() + " bits are not read.", where + ": bits",
                       "Only 4 are.");
  }
  const auto size = settings.find("group_size");
  if (size != settings.end() && !size->is_null() &&
      (!size->is_number_integer() ||
       (*size != -1 && (*size < 1 || *size > std::int64_t{1} << 24)))) {
    return input_error("Groups of " + size->dump() + " columns are not known.",
                       where + ": group_size",
                       "-1 (whole rows) or a number from 1 on is expected.");
  }
  for (const char* key : keys) {
    const auto found = settings.find(key);
    if (found == settings.end() || found->is_null()) continue;
    std::string list;
    for (const char* each : known) {
      if (*found == each) return {};
      list += (list.empty() ? "" : ", ") + std::string(each);
    }
    return input_error("The codes lie in an order that is not read: " + found->dump() + ".",
                       where + ": " + key, "Known: " + list + ".");
  }
  return {};
}

std::int64_t bytes(std::int64_t rows, std::int64_t cols, const Json& settings) {
  return rows * divided_up(cols, 2) + rows * groups(settings, cols) * 3;
}

}  // namespace luthier::grouped_4bit
