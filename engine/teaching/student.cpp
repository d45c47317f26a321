// SPDX-License-Identifier: GPL-3.0-or-later
// A smaller model out of a larger one: the decoder's last layer but one is left out, which costs
// the teaching model a third of its right answers, and distillation is to bring them back.
#include <cstddef>
#include <string>
#include <vector>

#include "engine/io/companion_files.h"
#include "engine/io/files.h"
#include "engine/io/json.h"
#include "engine/io/output_place.h"
#include "engine/io/safetensors.h"
#include "engine/teaching/objective_demo.h"

namespace luthier {

namespace {

constexpr const char* kLayers = "language_model.model.layers.";

/// A tensor's name where layer `gone` is left out and those behind it move up; empty: it goes.
std::string without_layer(const std::string& name, std::int64_t gone) {
  const std::string layers = kLayers;
  if (name.rfind(layers, 0) != 0) return name;
  const std::size_t dot = name.find('.', layers.size());
  const std::int64_t layer = std::stoll(name.substr(layers.size(), dot - layers.size()));
  if (layer == gone) return {};
  return layers + std::to_string(layer > gone ? layer - 1 : layer) + name.substr(dot);
}

}  // namespace

Status make_student(const std::filesystem::path& teacher, const std::filesystem::path& folder) {
  LUTHIER_TRY(const CheckpointFiles files, CheckpointFiles::open(teacher));
  LUTHIER_TRY(Json config, read_json_file(teacher / "config.json"));
  Json& layers = config["text_config"]["num_hidden_layers"];
  if (!layers.is_number_integer() || layers.get<std::int64_t>() < 2)
    return input_error("The decoder has no layer to leave out.",
                       (teacher / "config.json").string() + ": text_config.num_hidden_layers");
  const std::int64_t gone = layers.get<std::int64_t>() - 2;
  layers = layers.get<std::int64_t>() - 1;
  LUTHIER_CHECK(make_output_folder(folder));
  std::vector<std::vector<std::byte>> kept;
  std::vector<TensorToWrite> tensors;
  kept.reserve(files.tensors().size());
  for (const auto& [name, info] : files.tensors()) {
    const std::string kept_name = without_layer(name, gone);
    if (kept_name.empty()) continue;
    LUTHIER_TRY(auto bytes, files.find(name)->bytes());
    kept.push_back(std::move(bytes));
    tensors.push_back({kept_name, info.dtype, info.shape, kept.back()});
  }
  LUTHIER_CHECK(write_safetensors(folder / "model.safetensors", tensors));
  LUTHIER_CHECK(write_file_atomically(folder / "config.json", config.dump(2) + "\n"));
  return copy_companion_files(teacher, folder);
}

}  // namespace luthier
