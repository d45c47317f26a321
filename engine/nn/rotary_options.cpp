// SPDX-License-Identifier: GPL-3.0-or-later
// The settings of rotary positions, in every place where configurations have kept them.
#include <cmath>

#include "engine/nn/rotary.h"

namespace luthier {

namespace {

constexpr const char* kKnown = "Known are default, linear, dynamic, llama3, yarn and longrope.";

Result<std::vector<double>> read_factors(const Json& rope, const char* key,
                                         const std::string& where, std::int64_t count) {
  const auto found = rope.find(key);
  std::vector<double> factors;
  if (found != rope.end() && found->is_array()) {
    for (const Json& each : *found) {
      if (!each.is_number() || !(each.get<double>() > 0))
        return input_error("Numbers above 0 are expected.", where + "." + key);
      factors.push_back(each.get<double>());
    }
  }
  if (static_cast<std::int64_t>(factors.size()) != count) {
    return input_error(
        "longrope needs a list of " + std::to_string(count) + " numbers, one a frequency.",
        where + "." + key);
  }
  return factors;
}

Status read_sections(const Json& rope, RotaryOptions& options, const std::string& where) {
  if (const auto found = rope.find("mrope_section"); found != rope.end() && !found->is_null()) {
    options.sections.clear();
    if (!found->is_array() || found->size() != 3)
      return input_error("A list of three numbers is expected.", where + ".mrope_section");
    for (const Json& each : *found) {
      if (!each.is_number_integer() || each.get<std::int64_t>() < 0 ||
          each.get<std::int64_t>() > options.dimension) {
        return input_error("The sections are whole numbers from 0 to half a head.",
                           where + ".mrope_section");
      }
      options.sections.push_back(each.get<std::int64_t>());
    }
  }
  LUTHIER_TRY(options.interleaved,
              json_bool(rope, "mrope_interleaved", where, options.interleaved));
  return {};
}

double yarn_scale(double factor, double mscale) {
  return factor <= 1 ? 1.0 : 0.1 * mscale * std::log(factor) + 1.0;
}

/// What yarn and longrope multiply cos and sin with when the configuration does not say.
Result<double> read_attention_factor(const Json& rope, const RotaryOptions& options,
                                     const std::string& where) {
  if (const auto found = rope.find("attention_factor"); found != rope.end() && !found->is_null()) {
    return json_number(rope, "attention_factor", where, 1.0);
  }
  if (options.type == "longrope") {
    return options.factor <= 1 ? 1.0
                               : std::sqrt(1 + std::log(options.factor) /
                                                   std::log(static_cast<double>(
                                                       options.original_max_position_embeddings)));
  }
  LUTHIER_TRY(const double mscale, json_number(rope, "mscale", where, 0.0));
  LUTHIER_TRY(const double all, json_number(rope, "mscale_all_dim", where, 0.0));
  return mscale != 0 && all != 0
             ? yarn_scale(options.factor, mscale) / yarn_scale(options.factor, all)
             : yarn_scale(options.factor, 1);
}

Status read_scaling(const Json& config, const Json& rope, RotaryOptions& o,
                    const std::string& where) {
  LUTHIER_TRY(std::string old_type, json_string(rope, "type", where, o.type));
  LUTHIER_TRY(o.type, json_string(rope, "rope_type", where, old_type));
  if (o.type == "mrope") o.type = "default";
  if (o.type == "su") o.type = "longrope";
  if (o.type != "default" && o.type != "linear" && o.type != "dynamic" && o.type != "llama3" &&
      o.type != "yarn" && o.type != "longrope") {
    return input_error("The rotary scaling \"" + o.type + "\" is not known.", where + ".rope_type",
                       kKnown);
  }
  if (o.type == "default") return {};
  LUTHIER_TRY(std::int64_t original,
              json_int(rope, "original_max_position_embeddings", where, o.max_position_embeddings));
  LUTHIER_TRY(o.original_max_position_embeddings,
              json_int(config, "original_max_position_embeddings", where, original));
  if (o.max_position_embeddings < 1 || o.original_max_position_embeddings < 2) {
    return input_error(
        "The scaling needs max_position_embeddings and original_max_position_embeddings above 1.",
        where + ".original_max_position_embeddings");
  }
  const double ratio = static_cast<double>(o.max_position_embeddings) /
                       static_cast<double>(o.original_max_position_embeddings);
  LUTHIER_TRY(o.factor, json_number(rope, "factor", where,
                                    o.type == "yarn" || o.type == "longrope" ? ratio : 1.0));
  LUTHIER_TRY(o.low_freq_factor, json_number(rope, "low_freq_factor", where, 1.0));
  LUTHIER_TRY(o.high_freq_factor, json_number(rope, "high_freq_factor", where, 4.0));
  LUTHIER_TRY(o.beta_fast, json_number(rope, "beta_fast", where, 32.0));
  LUTHIER_TRY(o.beta_slow, json_number(rope, "beta_slow", where, 1.0));
  LUTHIER_TRY(o.truncate, json_bool(rope, "truncate", where, true));
  if (!(o.factor > 0) || !std::isfinite(o.factor))
    return input_error("The factor must be above 0.", where + ".factor");
  if (o.type == "llama3" &&
      (!(o.low_freq_factor > 0) || !(o.high_freq_factor > o.low_freq_factor))) {
    return input_error("llama3 scaling needs 0 < low_freq_factor < high_freq_factor.",
                       where + ".low_freq_factor");
  }
  if (o.type == "yarn" && (!(o.beta_fast > 0) || !(o.beta_slow > 0)))
    return input_error("yarn needs betas above 0.", where + ".beta_fast");
  if (o.type == "longrope") {
    LUTHIER_TRY(o.short_factor, read_factors(rope, "short_factor", where, o.dimension / 2));
    LUTHIER_TRY(o.long_factor, read_factors(rope, "long_factor", where, o.dimension / 2));
  }
  if (o.type == "yarn" || o.type == "longrope") {
    LUTHIER_TRY(o.attention_factor, read_attention_factor(rope, o, where));
    if (!std::isfinite(o.attention_factor))
      return input_error("The attention factor is not a finite number.",
                         where + ".attention_factor");
  }
  return {};
}

}  // namespace

Result<RotaryOptions> read_rotary_options(const Json& config, std::int64_t head_dim,
                                          const std::string& where,
                                          const RotaryDefaults& defaults) {
  RotaryOptions o;
  o.sections = defaults.sections;
  o.interleaved = defaults.interleaved;
  LUTHIER_TRY(o.theta, json_number(config, "rope_theta", where, defaults.theta));
  LUTHIER_TRY(double partial,
              json_number(config, "partial_rotary_factor", where, defaults.partial));
  LUTHIER_TRY(o.max_position_embeddings,
              json_int(config, "max_position_embeddings", where, defaults.max_position_embeddings));
  const Json* rope = nullptr;
  std::string place;
  for (const char* key :
       {"rope_parameters",
        "rope_scaling"}) {  // as transformers has it, the older name wins where a file has both
    const auto found = config.find(key);
    if (found == config.end() || found->is_null()) continue;
    if (!found->is_object()) return input_error("An object is expected.", where + ": " + key);
    if (rope && found->empty()) continue;
    place = where + ": " + key;
    rope = &*found;
  }
  if (rope) {
    LUTHIER_TRY(o.theta, json_number(*rope, "rope_theta", place, o.theta));
    LUTHIER_TRY(partial, json_number(*rope, "partial_rotary_factor", place, partial));
  }
  if (!(o.theta > 0) || !std::isfinite(o.theta))
    return input_error("rope_theta must be above 0.", where + ": rope_theta");
  o.dimension = partial > 0 && partial <= 1
                    ? static_cast<std::int64_t>(static_cast<double>(head_dim) * partial)
                    : 0;
  if (o.dimension <= 0 || o.dimension > head_dim || o.dimension % 2 != 0) {
    return input_error("The rotated part of a head must be even and within the head's size.",
                       where + ": head_dim");
  }
  if (rope) {
    if (!o.sections.empty()) {
      LUTHIER_CHECK(read_sections(*rope, o, place));
    }
    LUTHIER_CHECK(read_scaling(config, *rope, o, place));
  }
  if (!o.sections.empty()) {
    std::int64_t sum = 0;
    for (const std::int64_t each : o.sections) sum += each;
    if (o.sections.size() != 3 || (!o.interleaved && sum != o.dimension / 2)) {
      return input_error("The three sections of the position axes must sum to " +
                             std::to_string(o.dimension / 2) +
                             ", half of the rotated part of a head.",
                         where + ": mrope_section");
    }
  }
  return o;
}

}  // namespace luthier
