// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/methods/convert.h"

#include <cmath>

#include "engine/base/text.h"
#include "engine/device/failure.h"
#include "engine/hub/folder_kind.h"
#include "engine/io/files.h"
#include "engine/methods/adapter_notes.h"
#include "engine/methods/adapter_tensors.h"
#include "engine/methods/loftq.h"
#include "engine/methods/lora_starts.h"
#include "engine/methods/method.h"
#include "engine/methods/module_patterns.h"
#include "engine/models/tensor_file.h"

namespace luthier {

namespace fs = std::filesystem;
using torch::Tensor;

namespace {

/// The module of a key that ends so; empty: it is another key.
std::string module_of_key(const std::string& key, std::string_view suffix) {
  if (!key.starts_with(kPeftPrefix) || !key.ends_with(suffix)) return {};
  return key.substr(kPeftPrefix.size(), key.size() - kPeftPrefix.size() - suffix.size());
}

/// The same scale at twice the rank.
AdapterSettings doubled(AdapterSettings settings) {
  const double more = settings.use_rslora ? std::sqrt(2.0) : 2;
  settings.r *= 2;
  settings.lora_alpha *= more;
  for (auto& [name, rank] : settings.rank_pattern) rank *= 2;
  for (auto& [name, alpha] : settings.alpha_pattern) alpha *= more;
  settings.init_lora_weights = "true";
  return settings;
}

/// Each A and B with what was taken out of its weight; of an embedding, from which nothing was,
/// with as many zeros.
Result<std::vector<Adapter::Named>> joined(const Adapter& adapter, const Ports& ports) {
  const AdapterSettings& settings = adapter.settings();
  LUTHIER_TRY(const ScalePatterns scales, ScalePatterns::compile(settings, ""));
  std::map<std::string, LoraVariant::Taken> taken;
  std::vector<Adapter::Named> all = adapter.tensors();
  for (auto& [key, tensor] : all) {
    const bool of_a = key.ends_with(".lora_A.weight");
    const std::string module = module_of_key(key, of_a ? ".lora_A.weight" : ".lora_B.weight");
    if (!module.empty()) {
      const auto linear = ports.linears.find(module);
      if (linear == ports.linears.end()) continue;
      LUTHIER_TRY(const ModuleScale scale, scales.of(module));
      if (!taken.contains(module))
        taken[module] = taken_from(linear->second->weight, settings.init_lora_weights, scale.rank,
                                   scale.scale, start_seed(module));
      const LoraVariant::Taken& start = taken[module];
      tensor = of_a ? at::cat({tensor, start.a}) : at::cat({tensor, -start.b}, 1);
    } else if (key.ends_with(".lora_embedding_A")) {
      tensor = at::cat({tensor, at::zeros_like(tensor)});
    } else if (key.ends_with(".lora_embedding_B")) {
      tensor = at::cat({tensor, at::zeros_like(tensor)}, 1);
    }
  }
  return all;
}

Status convert_folder(const fs::path& model, const fs::path& folder, const fs::path& out,
                      const std::function<bool(double)>& go_on) {
  LUTHIER_CHECK(check_adapter_folder(folder));
  LUTHIER_TRY(FolderWriter writer, FolderWriter::begin(out));
  LoadOptions options;
  options.device = "cpu";
  options.dtype = "float32";
  options.go_on = go_on;
  LUTHIER_TRY(LoadedModel base, load_model(model, options));
  LUTHIER_TRY(const auto adapter, load_adapter(base, folder));
  const AdapterSettings& settings = adapter->settings();
  const std::string config = (folder / Adapter::kConfigFile).string();
  if (std::string_view(adapter->method().name()) == "lora" &&
      packs_base(settings.init_lora_weights)) {
    return input_error("What LoftQ's packing left out of the weights is of no low rank.",
                       config + ": init_lora_weights",
                       "Merge the adapter: the result is a plain checkpoint.");
  }
  if (std::string_view(adapter->method().name()) != "lora" ||
      !takes_from_base(settings.init_lora_weights)) {
    return input_error("The adapter took nothing out of its base's weights.",
                       config + ": init_lora_weights",
                       "It is as it should be; only PiSSA and OLoRA are converted.");
  }
  const torch::NoGradGuard no_grad;
  LUTHIER_TRY(auto tensors, joined(*adapter, list_ports(*base.model)));
  LUTHIER_CHECK(write_tensor_file(writer.path() / Adapter::kTensorFile, std::move(tensors)));
  Json written = adapter->method().write(doubled(settings));
  written["peft_type"] = adapter->method().kind.peft_type;
  LUTHIER_TRY(const Json before, read_json_file(config));
  written["base_model_name_or_path"] = before.value("base_model_name_or_path", Json(nullptr));
  LUTHIER_CHECK(
      write_file_atomically(writer.path() / Adapter::kConfigFile, written.dump(2) + "\n"));
  LUTHIER_CHECK(write_adapter_notes(writer.path(), adapter->pixels));
  return writer.commit();
}

}  // namespace

Status convert_to_plain_lora(const fs::path& model, const fs::path& adapter, const fs::path& out,
                             const std::function<bool(double)>& go_on) try {
  return convert_folder(model, adapter, out, go_on);
} catch (const std::exception& problem) {
  return device_failure(
      problem, machine_error("There is not enough memory to convert.", model.string()),
      machine_error("Converting failed: " + first_line(problem.what()), adapter.string()));
}

}  // namespace luthier
