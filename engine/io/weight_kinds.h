// SPDX-License-Identifier: GPL-3.0-or-later
// Kinds of packed weights without their tensors: how settings name a kind, what stands beside a
// packed weight in a checkpoint, how many bytes it takes. Settings are a JSON object with the words
// of a checkpoint's quantization_config, which a recipe's section and the command line's options
// use too, so that every room asks the same thing. What a packed weight can do stands in
// nn/packed_weight.h; a row of either table is found by the kind's name.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/result.h"
#include "engine/io/json.h"

namespace luthier {

struct WeightKind {
  const char* name;     ///< "nf4": what a person is shown
  const char* setting;  ///< the words that ask for it: "load_in_4bit with bnb_4bit_quant_type nf4"
  /// Whether these settings mean this kind.
  bool (*meant)(const Json& settings);
  /// What of the settings cannot be followed; `where` is the place before ": key".
  Status (*check)(const Json& settings, const std::string& where);
  /// Of a weight [rows, cols], in memory and in a file.
  std::int64_t (*bytes)(std::int64_t rows, std::int64_t cols, const Json& settings);
  /// What the names of the tensors that belong to X.weight end in behind it, or behind X where
  /// `behind_module`. The first is always there.
  std::vector<std::string_view> beside;
  /// Settings that a packed file is made by, so that it cannot be loaded under others.
  std::vector<std::string> of_the_file;
  /// The quantization_config of a checkpoint that is written under these settings; null: such
  /// checkpoints are read only.
  Json (*written)(const Json& settings);
  bool behind_module = false;
  /// Of `beside` the packed numbers themselves; empty: X.weight is them.
  std::string_view numbers = {};
};

const std::vector<const WeightKind*>& weight_kinds();

/// The kind that settings name, followed or not; null: none that is there.
const WeightKind* meant_weight_kind(const Json& settings);

/// The kind that settings mean; null where they ask for plain weights (no object, or every switch
/// in it is off). An Input error where they mean one that is not there.
Result<const WeightKind*> find_weight_kind(const Json& settings, const std::string& where);

/// A tensor's name taken apart: "X.weight" and ".absmax" of "X.weight.absmax", "X.weight" and
/// ".SCB" of "X.SCB". Nothing where the name is no such end of the kind's.
struct PartOfWeight {
  std::string weight;
  std::string_view end;
};
std::optional<PartOfWeight> part_of_weight(const std::string& name, const WeightKind& kind);
/// And put together: the name of the tensor that belongs to `weight` ("X.weight", or any tensor of
/// a file that is no checkpoint) by this end; an empty one is the packed numbers' own.
std::string part_name(const std::string& weight, std::string_view end, const WeightKind& kind);

}  // namespace luthier
