// SPDX-License-Identifier: GPL-3.0-or-later
// Trained token rows as PEFT 0.21's tuners/trainable_tokens has them: they start as the base's, or
// drawn, and stand in the places of those.
#include "engine/methods/method.h"
#include "engine/methods/token_rows.h"

namespace luthier {

namespace {

constexpr const char* kTokens = "adapter.token_indices";
constexpr const char* kStart = "adapter.init_weights";
constexpr const char* kDelta = ".trainable_tokens_delta";

const std::vector<SettingField>& token_fields() {
  using Use = SettingField::Use;
  static const std::vector<SettingField> table{
      {"exclude_modules", Use::Read, ""}, {"init_weights", Use::Read, ""},
      {"modules_to_save", Use::Read, ""}, {"target_modules", Use::Read, ""},
      {"token_indices", Use::Read, ""},
  };
  return table;
}

Result<AdapterSettings> read_token_settings(const Json& config, const std::string& where) {
  AdapterSettings settings;
  LUTHIER_CHECK(read_module_settings(config, where, settings));
  LUTHIER_CHECK(read_own_settings(method_kind("trainable_tokens"), config, where, settings));
  return settings;
}

Json write_token_settings(const AdapterSettings& settings) {
  Json config = common_json();
  write_module_settings(settings, config);
  write_own_settings(method_kind("trainable_tokens"), settings, config);
  config["init_weights"] = settings.more.text(kStart) != "false";
  for (const char* key : {"exclude_modules", "modules_to_save"}) {
    if (config[key].is_null()) config.erase(key);  // PEFT's own config has no such fields
  }
  return config;
}

bool is_token_embedding(const ModelModule& module) { return module.token_embedding(); }

bool token_embedding_by_default(const ModelModule& module, const std::string&,
                                const AdapterSettings&) {
  return module.token_embedding();
}

std::vector<TensorSize> row_sizes(const ModelModule& module, const ModuleScale&,
                                  const AdapterSettings& settings) {
  if (module.shape.size() != 2) return {};
  const auto rows = static_cast<std::int64_t>(settings.more.names(kTokens).size());
  return {{kDelta, {rows, module.shape[1]}}};
}

Status check_rows_of(const ModelModule& module, const AdapterSettings& settings) {
  return check_token_ids(settings, kTokens, module.shape.empty() ? 0 : module.shape[0]);
}

void draw_token_rows(std::vector<torch::Tensor>& tensors, const ModuleToHang& to,
                     at::Generator& generator) {
  if (to.settings.more.text(kStart) == "false") tensors[0].normal_(0, 1, generator);
}

void start_rows(std::vector<torch::Tensor>& tensors, const ModuleToHang& to, const Ports& ports) {
  if (to.settings.more.text(kStart) == "false") return;
  tensors[0] =
      base_token_rows(*ports.embeddings.at(to.module.name), token_ids(to.settings, kTokens));
}

Adapter::Hung hang_rows(Ports& ports, const ModuleToHang& to,
                        const std::vector<torch::Tensor>& tensors) {
  return hang_token_rows(ports, to.module.name, token_ids(to.settings, kTokens), tensors[0]);
}

ModuleMethod of_token_embedding() {
  ModuleMethod method{{"Token rows are those of the token embedding.", is_token_embedding,
                       token_embedding_by_default},
                      {kDelta},
                      row_sizes,
                      nullptr,
                      nullptr,
                      draw_token_rows,
                      hang_rows};
  method.start = start_rows;
  method.check_module = check_rows_of;
  return method;
}

}  // namespace

const Method& trainable_tokens_method() {
  static const ModuleMethod modules = of_token_embedding();
  static const Method method = [] {
    Method row(method_kind("trainable_tokens"));
    row.fields = token_fields;
    row.read = read_token_settings;
    row.write = write_token_settings;
    row.of_modules = &modules;
    return row;
  }();
  return method;
}

}  // namespace luthier
