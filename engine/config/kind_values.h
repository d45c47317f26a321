// SPDX-License-Identifier: GPL-3.0-or-later
// Values of settings that a kind brings along, by the field's dotted key ("dpo.beta",
// "adapter.feedforward_modules"). A key that was never set has its field's default, so a reader
// needs no default of its own. Who asks for a key that no field has made a mistake in the program.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

namespace luthier {

struct ModuleSelector;

class KindValues {
 public:
  double number(const std::string& key) const;
  std::int64_t integer(const std::string& key) const;
  bool flag(const std::string& key) const;
  /// Of a text, a path or a choice; empty for null.
  std::string text(const std::string& key) const;
  std::optional<double> optional_number(const std::string& key) const;
  std::optional<std::int64_t> optional_integer(const std::string& key) const;
  std::vector<std::string> names(const std::string& key) const;
  ModuleSelector modules(const std::string& key) const;

  /// The value as JSON text in the field's canonical form; none: it was never set.
  std::optional<std::string> json(const std::string& key) const;
  void set_json(const std::string& key, std::string text) { values_[key] = std::move(text); }
  bool operator==(const KindValues&) const = default;

 private:
  std::map<std::string, std::string> values_;
};

}  // namespace luthier
