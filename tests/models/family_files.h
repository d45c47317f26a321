// SPDX-License-Identifier: GPL-3.0-or-later
// What tests of one family share: its modules with drawn weights, and its files with one changed.
#pragma once

#include <filesystem>
#include <fstream>
#include <memory>

#include "engine/models/family.h"

namespace luthier::test {

inline Json merged(Json whole, const Json& patch) {
  whole.merge_patch(patch);
  return whole;
}

/// The modules of a config.json. Weights are drawn; what only the files set stands at its first
/// value.
inline std::shared_ptr<Model> drawn_model(const Family& family, const Json& config) {
  const auto plan = family.read(config, "");
  if (!plan) qFatal("%s", plan.error().sentence().c_str());
  const auto model = plan->made(torch::TensorOptions());
  const torch::NoGradGuard no_grad;
  torch::manual_seed(5);
  const auto fixed = fixed_values(*model);
  for (auto& item : model->named_parameters()) {
    const auto first = fixed.find(item.key());
    if (first != fixed.end())
      item.value().fill_(first->second);
    else
      item.value().normal_(0, 0.3);
  }
  return model;
}

inline std::filesystem::path files_of(const Family& family) {
  return std::filesystem::path(LUTHIER_TEST_DATA) / "models" / "families" / family.model_type;
}

/// The tests' files of a family in `folder`, one of them changed.
inline void write_changed(const Family& family, const std::filesystem::path& folder,
                          const char* name, const Json& patch) {
  std::filesystem::copy(files_of(family), folder);
  std::ofstream(folder / name) << merged(*read_json_file(files_of(family) / name), patch).dump();
}

/// How the folder's family writes pictures into the text.
inline Result<ImageTokens> tokens_of(const Family& family, const std::filesystem::path& folder) {
  LUTHIER_TRY(const Json whole, read_json_file(folder / "config.json"));
  LUTHIER_TRY(const Plan plan, family.read(whole, folder));
  return plan.pictures->tokens(folder);
}

/// Which field of its processor_config.json a family refuses, with its image_processor changed;
/// nothing of what it takes.
inline std::string refused_processor_field(const Family& family,
                                           const std::filesystem::path& folder, const Json& patch) {
  write_changed(family, folder, "processor_config.json", {{"image_processor", patch}});
  const auto tokens = tokens_of(family, folder);
  const std::string before = (folder / "processor_config.json").string() + ": image_processor: ";
  if (tokens.ok()) return {};
  const std::string& where = tokens.error().where;
  return where.starts_with(before) ? where.substr(before.size()) : where;
}

}  // namespace luthier::test
