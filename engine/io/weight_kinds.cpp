// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/io/weight_kinds.h"

#include "engine/io/weight_kind_list.h"

namespace luthier {

#define LUTHIER_DECLARE(NAME) const WeightKind& NAME##_weight_kind();
LUTHIER_WEIGHT_KINDS(LUTHIER_DECLARE)
#undef LUTHIER_DECLARE

const std::vector<const WeightKind*>& weight_kinds() {
#define LUTHIER_ROW(NAME) &NAME##_weight_kind(),
  static const std::vector<const WeightKind*> table{LUTHIER_WEIGHT_KINDS(LUTHIER_ROW)};
#undef LUTHIER_ROW
  return table;
}

namespace {

constexpr std::string_view kWeight = ".weight";

bool is_on(const Json& settings, const char* key) {
  const auto found = settings.find(key);
  return found != settings.end() && found->is_boolean() && found->get<bool>();
}

/// The switches of bitsandbytes, of which one is on where weights are packed; another method has
/// none and is always on.
bool asks_for_plain(const Json& settings) {
  if (!settings.is_object() || settings.empty()) return true;
  if (settings.value("quant_method", Json("bitsandbytes")) != "bitsandbytes") return false;
  return !is_on(settings, "load_in_4bit") && !is_on(settings, "_load_in_4bit") &&
         !is_on(settings, "load_in_8bit") && !is_on(settings, "_load_in_8bit");
}

}  // namespace

const WeightKind* meant_weight_kind(const Json& settings) {
  if (!settings.is_object()) return nullptr;
  for (const WeightKind* kind : weight_kinds())
    if (kind->meant(settings)) return kind;
  return nullptr;
}

Result<const WeightKind*> find_weight_kind(const Json& settings, const std::string& where) {
  if (asks_for_plain(settings)) return static_cast<const WeightKind*>(nullptr);
  const auto asks_for = [&](const char* plain, const char* stored) {
    return is_on(settings, plain) || is_on(settings, stored);
  };
  if (asks_for("load_in_4bit", "_load_in_4bit") && asks_for("load_in_8bit", "_load_in_8bit")) {
    return input_error("Weights are packed to four bits or to eight, not to both.",
                       where + ": load_in_8bit", "Switch one of them off.");
  }
  if (const WeightKind* kind = meant_weight_kind(settings)) {
    LUTHIER_CHECK(kind->check(settings, where));
    return kind;
  }
  std::string known;
  for (const WeightKind* kind : weight_kinds())
    known += (known.empty() ? "" : ", ") + std::string(kind->setting);
  return input_error("Weights of this kind are not known here.", where, "Known: " + known + ".");
}

std::optional<PartOfWeight> part_of_weight(const std::string& name, const WeightKind& kind) {
  for (const std::string_view end : kind.beside) {
    if (!name.ends_with(end) || name.size() == end.size()) continue;
    std::string weight = name.substr(0, name.size() - end.size());
    if (kind.behind_module) return PartOfWeight{weight.append(kWeight), end};
    if (weight.ends_with(kWeight)) return PartOfWeight{std::move(weight), end};
  }
  return {};
}

std::string part_name(const std::string& weight, std::string_view end, const WeightKind& kind) {
  if (end.empty()) end = kind.numbers;
  std::string stem = weight;
  if (kind.behind_module && !end.empty() && stem.ends_with(kWeight))
    stem.resize(stem.size() - kWeight.size());
  return stem.append(end);
}

}  // namespace luthier
