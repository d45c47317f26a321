// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/methods/visual_prompts.h"

#include <algorithm>
#include <cmath>

#include "engine/methods/adapter_tensors.h"
#include "engine/methods/prompts.h"
#include "engine/models/cost.h"
#include "engine/models/tower_facts.h"

namespace luthier {

using torch::Tensor;

VisualPromptPlug::VisualPromptPlug(Tensor first, Tensor later)
    : first_(std::move(first)), later_(std::move(later)) {}

Tensor VisualPromptPlug::before(const Tensor& x, std::int64_t block) const {
  if (strength == 0 || (block > 0 && !later_.defined())) return x;
  Tensor tokens = block == 0 ? first_ : later_.select(0, block - 1);  // [tokens, width]
  if (strength != 1) tokens = tokens * strength;
  const Tensor own = block == 0 ? x : x.slice(1, first_.size(0));
  return at::cat({tokens.to(x.scalar_type()).expand({x.size(0), -1, -1}), own}, 1);
}

namespace {

constexpr const char* kVisualPrompts = "visual_prompt_tuning";
constexpr const char* kVisualInstead = "Choose a method that hangs on layers, such as lora.";

bool visual_deep(const AdapterSettings& settings) {
  return settings.more.text("adapter.prompt_depth") == "deep";
}

const std::vector<SettingField>& visual_fields() {
  using Use = SettingField::Use;
  static const std::vector<SettingField> table{
      {"modules_to_save", Use::Refused, "trains modules of the base whole"},
      {"num_layers", Use::Harmless, "the tensors' shapes say what they are for"},
      {"num_virtual_tokens", Use::Read, ""},
      {"prompt_depth", Use::Read, ""},
      {"token_dim", Use::Harmless, "the tensors' shapes say what they are for"},
  };
  return table;
}

Result<AdapterSettings> visual_read(const Json& config, const std::string& where) {
  return read_prompt_settings(kVisualPrompts, config, where);
}

Json visual_write(const AdapterSettings& settings) {
  Json config = common_json();
  write_own_settings(method_kind(kVisualPrompts), settings, config);
  return config;
}

/// By the names that stand behind the tower's.
std::vector<TensorSize> visual_sizes_of(std::int64_t width, std::int64_t blocks,
                                        const AdapterSettings& settings) {
  const std::int64_t tokens = settings.more.integer("adapter.num_virtual_tokens");
  std::vector<TensorSize> sizes{{"prompt_embeddings", {tokens, width}}};
  if (visual_deep(settings) && blocks > 1)
    sizes.push_back({"deep_prompt_embeddings", {blocks - 1, tokens, width}});
  return sizes;
}

std::vector<TensorSize> visual_sizes(const ModelGeometry& model, const AdapterSettings& settings) {
  return visual_sizes_of(model.vision_hidden_size, model.vision_layers, settings);
}

Error visual_no_tower() {
  return input_error("The model has no picture tower whose patches tokens could stand before.",
                     "strategy", kVisualInstead);
}

Error visual_no_place(const std::string& why) {
  return input_error("visual_prompt_tuning puts tokens among a picture's patches: " + why + ".",
                     "strategy", kVisualInstead);
}

/// Each frame's tokens, as numbers that the tower's entry keeps for it.
Result<WrappedModule> visual_place(const ModelSummary& model, const AdapterSettings& settings) {
  const auto* known = dynamic_cast<const KnowsTowers*>(model.cost.get());
  const std::vector<TowerFacts> towers = known ? known->towers() : std::vector<TowerFacts>();
  if (towers.size() != 1) return visual_no_tower();
  const TowerFacts& tower = towers.front();
  if (!tower.no_tokens.empty()) return visual_no_place(tower.no_tokens);
  WrappedModule place{tower.entry, {}};
  place.share.trains = true;
  place.share.keeps_input = false;
  place.share.row_numbers = settings.more.integer("adapter.num_virtual_tokens") * tower.width;
  return place;
}

struct VisualTower {
  std::string name;
  PatchPort* port = nullptr;

  const PatchPort::Facts& facts() const { return port->patch_facts(); }
  std::string key(const TensorSize& size) const {
    return std::string(kPeftPrefix) + name + "." + size.suffix;
  }
  std::vector<TensorSize> sizes(const AdapterSettings& settings) const {
    return visual_sizes_of(facts().width, facts().blocks, settings);
  }
};

Result<VisualTower> visual_tower_of(LoadedModel& base) {
  const Ports ports = list_ports(*base.model);
  if (ports.towers.size() != 1) return visual_no_tower();
  const auto& [name, port] = ports.towers.front();
  if (const char* why = port->patch_facts().no_tokens) return visual_no_place(why);
  return VisualTower{name, port};
}

/// `tensors`: as sizes() has them.
Adapter::Parts visual_parts_of(LoadedModel& base, const VisualTower& tower,
                               const AdapterSettings& settings, std::vector<Tensor> tensors) {
  Adapter::Parts parts;
  const std::vector<TensorSize> sizes = tower.sizes(settings);
  for (std::size_t i = 0; i < sizes.size(); ++i) {
    tensors[i] = tensors[i].to(base.model->device());
    parts.trained.emplace_back(tower.key(sizes[i]), tensors[i]);
  }
  parts.hung.push_back(hung_on(
      tower.port->patch_plug, tower.name,
      std::make_shared<VisualPromptPlug>(tensors[0], tensors.size() > 1 ? tensors[1] : Tensor())));
  parts.facts = {{"num_layers", tower.facts().blocks}, {"token_dim", tower.facts().width}};
  return parts;
}

/// As the paper starts them: uniform, by the numbers of a patch and of a token.
Result<Adapter::Parts> visual_make(LoadedModel& base, const AdapterSettings& settings,
                                   std::uint64_t seed) {
  const torch::NoGradGuard no_grad;
  LUTHIER_TRY(const VisualTower tower, visual_tower_of(base));
  const PatchPort::Facts& facts = tower.facts();
  const double bound = std::sqrt(6.0 / static_cast<double>(facts.patch_numbers + facts.width));
  auto generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  std::vector<Tensor> tensors;
  for (const TensorSize& size : tower.sizes(settings))
    tensors.push_back(torch::empty(size.shape, torch::kFloat32).uniform_(-bound, bound, generator));
  return visual_parts_of(base, tower, settings, std::move(tensors));
}

Result<Adapter::Parts> visual_load(LoadedModel& base, const AdapterSettings& settings,
                                   const SafetensorsFile& file) {
  const torch::NoGradGuard no_grad;
  LUTHIER_TRY(const VisualTower tower, visual_tower_of(base));
  const std::string where = file.path().string();
  const std::vector<TensorSize> sizes = tower.sizes(settings);
  for (const auto& [key, info] : file.header().tensors) {
    const bool known = std::any_of(sizes.begin(), sizes.end(), [&, &name = key](const auto& size) {
      return name == tower.key(size);
    });
    if (known) continue;
    return no_place_for(where + ": " + key);
  }
  std::vector<Tensor> tensors;
  for (const TensorSize& size : sizes) {
    const std::string key = tower.key(size), place = where + ": " + key;
    const auto view = file.find(key);
    if (!view)
      return input_error("The tensor " + key + " is missing.", place, "The file is incomplete.");
    LUTHIER_TRY(Tensor read, read_adapter_tensor(*view, size.shape, place));
    tensors.push_back(std::move(read));
  }
  return visual_parts_of(base, tower, settings, std::move(tensors));
}

void visual_add_to(StepTerms&, const AdapterSettings&) {}  // visual_place() has said it

const WholeMethod kVisualWhole{visual_sizes, visual_make, visual_load, visual_add_to, visual_place};

}  // namespace

const Method& visual_prompt_tuning_method() {
  static const Method method = [] {
    Method row(method_kind(kVisualPrompts));
    row.fields = visual_fields;
    row.read = visual_read;
    row.write = visual_write;
    row.of_whole = &kVisualWhole;
    row.unmergeable =
        "Visual prompts are tokens among a picture's patches, which no weight of the base can "
        "hold.";
    return row;
  }();
  return method;
}

}  // namespace luthier
