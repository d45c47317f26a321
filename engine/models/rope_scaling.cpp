// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/models/rope_scaling.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "engine/hub/folder_kind.h"
#include "engine/io/companion_files.h"
#include "engine/io/files.h"
#include "engine/io/probe.h"
#include "engine/io/system_error.h"
#include "engine/models/family.h"

namespace luthier {

namespace fs = std::filesystem;

namespace {

constexpr std::array<const char*, 5> kScalings{"linear", "dynamic", "yarn", "longrope", "llama3"};
constexpr std::int64_t kLongestContext = 1ll << 40;

/// Where a family keeps what its text positions go by.
Json& text_part(Json& config) {
  const auto text = config.find("text_config");
  return text != config.end() && text->is_object() ? *text : config;
}

/// rope_parameters as they are now, in whichever place and age of the file.
Json rope_of(const Json& text) {
  for (const char* key : {"rope_scaling", "rope_parameters"}) {
    const auto found = text.find(key);
    if (found != text.end() && found->is_object() && !found->empty()) return *found;
  }
  return Json::object();
}

/// Whether the family reads rotary scaling in that place: one that nobody knows is then refused.
bool reads_scaling(Json config, const fs::path& folder) {
  Json& text = text_part(config);
  Json rope = rope_of(text);
  rope.erase("type");
  rope["rope_type"] = "none_such";
  text.erase("rope_scaling");
  text["rope_parameters"] = rope;
  const auto family = find_family(config, folder.string());
  return family && !(*family)->read(config, folder);
}

Result<std::int64_t> made_for(const Json& text, const Json& rope, const RopeScaling& scaling,
                              const std::string& where) {
  if (scaling.original_length) return *scaling.original_length;
  LUTHIER_TRY(const std::int64_t before,
              json_int(rope, "original_max_position_embeddings", where, 0));
  if (before > 0) return before;
  LUTHIER_TRY(const std::int64_t length, json_int(text, "max_position_embeddings", where, 0));
  if (length > 0 && length < kLongestContext) return length;
  return input_error("config.json does not say for which length the checkpoint was made.", where,
                     "Say it with --original-length.");
}

/// A file of the weights in the new folder: another name of the same file, or a copy.
Status place_weights(const fs::path& from, const fs::path& to) {
  std::error_code problem;
  const fs::path real = fs::canonical(from, problem);
  if (problem) return system_error("The weights cannot be read", from, problem.value());
  fs::create_hard_link(real, to, problem);
  if (!problem) return {};
  fs::copy_file(real, to, problem);
  if (problem) return system_error("The weights cannot be copied", to, problem.value());
  return {};
}

}  // namespace

Result<Json> scaled_config(const Json& given, const fs::path& folder, const RopeScaling& scaling) {
  const std::string where = (folder / "config.json").string();
  if (std::find(kScalings.begin(), kScalings.end(), scaling.type) == kScalings.end())
    return input_error("The rotary scaling \"" + scaling.type + "\" is not known.", "--type",
                       "Known are linear, dynamic, yarn, longrope and llama3.");
  if (!(scaling.factor > 1) || !std::isfinite(scaling.factor) || scaling.factor > 1e6)
    return input_error("The factor must be above 1.", "--factor",
                       "2 makes the length twice what it was.");
  if (!scaling.more.is_object()) return input_error("A map is expected.", "--set");
  if (!given.is_object()) return input_error("A map is expected.", where);
  Json config = given;
  LUTHIER_TRY(const Family* family, find_family(config, where));
  LUTHIER_TRY(const Plan before, family->read(config, folder));  // what is wrong already
  Json& text = text_part(config);
  Json rope = rope_of(text);
  for (const auto& [key, value] : rope.items()) {
    if (!value.is_object()) continue;
    return input_error("Layers of this model have rotary positions of several kinds (" + key +
                           "), which are not scaled together.",
                       where + ": rope_parameters", "Choose a model whose layers are alike.");
  }
  if (!reads_scaling(config, folder))
    return input_error("A model of type " + std::string(family->model_type) +
                           " has no rotary positions that can be scaled.",
                       where, "Choose a model with rotary positions.");
  LUTHIER_TRY(const std::int64_t length, made_for(text, rope, scaling, where));
  if (length < 1 || static_cast<double>(length) * scaling.factor > kLongestContext)
    return input_error("The original length must be above 0.", "--original-length");
  // A scaling that was there gives way with all that was its own; how much of a head turns, the
  // sections of several axes and the base of the angles stay.
  Json scaled = Json::object();
  for (const char* kept :
       {"rope_theta", "partial_rotary_factor", "mrope_section", "mrope_interleaved"}) {
    if (const auto found = rope.find(kept); found != rope.end()) scaled[kept] = *found;
  }
  if (!scaled.contains("rope_theta") && text.contains("rope_theta"))
    scaled["rope_theta"] = text["rope_theta"];
  scaled["rope_type"] = scaling.type;
  scaled["factor"] = scaling.factor;
  const bool goes_by_length = scaling.type == "dynamic";
  if (scaling.type != "linear" && !goes_by_length)
    scaled["original_max_position_embeddings"] = length;
  if (scaling.type == "llama3") {
    scaled["low_freq_factor"] = 1.0;
    scaled["high_freq_factor"] = 4.0;
  }
  for (const auto& [key, value] : scaling.more.items()) scaled[key] = value;
  // The dynamic one takes this for the original length; the others for how far they reach now.
  text["max_position_embeddings"] =
      goes_by_length ? length
                     : static_cast<std::int64_t>(static_cast<double>(length) * scaling.factor);
  text.erase("rope_scaling");
  text["rope_parameters"] = scaled;
  LUTHIER_TRY(const Plan after, family->read(config, folder));
  return config;
}

Status write_scaled_checkpoint(const fs::path& model, const fs::path& out,
                               const RopeScaling& scaling) {
  LUTHIER_CHECK(check_model_folder(model));
  LUTHIER_TRY(const Json given, read_json_file(model / "config.json"));
  LUTHIER_TRY(const Json config, scaled_config(given, model, scaling));
  LUTHIER_TRY(FolderWriter writer, FolderWriter::begin(out));
  LUTHIER_CHECK(copy_companion_files(model, writer.path()));
  for (const std::string& name : names_in(model)) {
    std::error_code ignored;
    const bool weights =
        name.ends_with(".safetensors") || name.ends_with(".safetensors.index.json");
    if (!weights || !fs::is_regular_file(model / name, ignored)) continue;
    LUTHIER_CHECK(place_weights(model / name, writer.path() / name));
  }
  LUTHIER_CHECK(write_file_atomically(writer.path() / "config.json", config.dump(2) + "\n"));
  return writer.commit();
}

}  // namespace luthier
