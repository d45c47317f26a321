// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/methods/prefix_tuning.h"

#include "engine/methods/prompts.h"

namespace luthier {

using torch::Tensor;

PrefixTable::PrefixTable(Tensor table) : table_(std::move(table)) {}
PrefixTable::PrefixTable(Network network) : network_(std::move(network)) {}

std::int64_t PrefixTable::tokens() const {
  return network_ ? network_->embedding.size(0) : table_.size(0);
}

Tensor PrefixTable::made() const {
  if (!network_) return table_;
  const Network& n = *network_;
  return at::linear(at::tanh(at::linear(n.embedding, n.in_weight, n.in_bias)), n.out_weight,
                    n.out_bias);
}

KeysAndValues PrefixTable::of(std::int64_t layer, std::int64_t layers, std::int64_t kv_heads,
                              std::int64_t head_dim) {
  if (layer == 0 || !of_pass_.defined()) of_pass_ = made();
  const Tensor split = of_pass_.view({tokens(), layers * 2, kv_heads, head_dim});
  if (layer + 1 == layers) of_pass_ = Tensor();
  return {split.select(1, 2 * layer), split.select(1, 2 * layer + 1)};
}

std::vector<Adapter::Named> PrefixTable::trained() const {
  if (!network_) return {{kPromptKey, table_}};
  return {{"prompt_encoder.embedding.weight", network_->embedding},
          {"prompt_encoder.transform.0.weight", network_->in_weight},
          {"prompt_encoder.transform.0.bias", network_->in_bias},
          {"prompt_encoder.transform.2.weight", network_->out_weight},
          {"prompt_encoder.transform.2.bias", network_->out_bias}};
}

namespace {

constexpr const char* kPrefixTuning = "prefix_tuning";

/// One layer's share of the table.
class PrefixPlug : public AttentionPlug {
 public:
  PrefixPlug(std::shared_ptr<PrefixTable> table, std::int64_t layer, std::int64_t layers,
             const AttentionPort& port)
      : table_(std::move(table)),
        layer_(layer),
        layers_(layers),
        kv_heads_(port.kv_heads()),
        head_dim_(port.head_dim()) {}

  KeysAndValues before() const override {
    if (strength == 0) return {};
    KeysAndValues found = table_->of(layer_, layers_, kv_heads_, head_dim_);
    if (strength != 1) found = {found.keys * strength, found.values * strength};
    return found;
  }
  std::int64_t count() const override { return strength == 0 ? 0 : table_->tokens(); }

 private:
  std::shared_ptr<PrefixTable> table_;
  std::int64_t layer_, layers_, kv_heads_, head_dim_;
};

/// What the sizes go by.
struct PrefixShape {
  std::int64_t tokens = 0, layers = 0, width = 0, inner = 0;  // width: of a layer's keys

  std::int64_t columns() const { return layers * 2 * width; }
};

PrefixShape prefix_shape_of(const ModelGeometry& model, const AdapterSettings& settings) {
  PrefixShape shape{settings.more.integer("adapter.num_virtual_tokens"), model.num_hidden_layers,
                    model.num_key_value_heads * model.head_dim};
  shape.inner = settings.more.optional_integer("adapter.encoder_hidden_size").value_or(shape.width);
  return shape;
}

bool prefix_projects(const AdapterSettings& settings) {
  return settings.more.flag("adapter.prefix_projection");
}

const std::vector<SettingField>& prefix_fields() {
  using Use = SettingField::Use;
  static const std::vector<SettingField> table =
      prompt_fields({{"encoder_hidden_size", Use::Read, ""},
                     {"init_weights", Use::Read, ""},
                     {"prefix_projection", Use::Read, ""}});
  return table;
}

Result<AdapterSettings> prefix_read(const Json& config, const std::string& where) {
  return read_prompt_settings(kPrefixTuning, config, where);
}

Json prefix_write(const AdapterSettings& settings) {
  return write_prompt_settings(kPrefixTuning, settings);
}

std::vector<TensorSize> prefix_sizes(const ModelGeometry& model, const AdapterSettings& settings) {
  const PrefixShape shape = prefix_shape_of(model, settings);
  if (!prefix_projects(settings)) return {{kPromptKey, {shape.tokens, shape.columns()}}};
  return {{"prompt_encoder.embedding.weight", {shape.tokens, shape.width}},
          {"prompt_encoder.transform.0.weight", {shape.inner, shape.width}},
          {"prompt_encoder.transform.0.bias", {shape.inner}},
          {"prompt_encoder.transform.2.weight", {shape.columns(), shape.inner}},
          {"prompt_encoder.transform.2.bias", {shape.columns()}}};
}

PrefixTable::Network prefix_network_of(const std::vector<Tensor>& tensors) {
  return {tensors[0], tensors[1], tensors[2], tensors[3], tensors[4]};
}

/// The layers that keys and values stand before: the decoder's, which are all alike.
Result<Ports> prefix_layers_of(LoadedModel& base) {
  Ports ports = list_ports(*base.model);
  const auto layers = static_cast<std::int64_t>(ports.attentions.size());
  if (layers > 0 && layers == base.model->geometry().num_hidden_layers) return ports;
  return no_virtual_tokens();
}

Adapter::Parts prefix_parts_of(LoadedModel& base, const Ports& ports,
                               const AdapterSettings& settings,
                               const std::shared_ptr<PrefixTable>& table) {
  const ModelGeometry model = base.model->geometry();
  const auto layers = static_cast<std::int64_t>(ports.attentions.size());
  Adapter::Parts parts;
  for (std::int64_t layer = 0; layer < layers; ++layer) {
    const auto& [name, port] = ports.attentions[static_cast<std::size_t>(layer)];
    parts.hung.push_back(hung_on(port->attention_plug, name,
                                 std::make_shared<PrefixPlug>(table, layer, layers, *port)));
  }
  parts.trained = table->trained();
  const PrefixShape shape = prefix_shape_of(model, settings);
  parts.facts = prompt_facts(model, shape.width, model.num_key_value_heads);
  parts.facts["encoder_hidden_size"] = shape.inner;
  if (!prefix_projects(settings)) return parts;
  parts.stored = [table] {
    const torch::NoGradGuard no_grad;
    return std::vector<Adapter::Named>{{kPromptKey, table->made()}};
  };
  return parts;
}

Result<Adapter::Parts> prefix_make(LoadedModel& base, const AdapterSettings& settings,
                                   std::uint64_t seed) {
  const torch::NoGradGuard no_grad;
  LUTHIER_TRY(const Ports ports, prefix_layers_of(base));
  const bool zero = settings.more.text("adapter.init_weights") == "zero";
  auto generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  std::vector<Tensor> tensors;
  for (const TensorSize& size : prefix_sizes(base.model->geometry(), settings))
    tensors.push_back(torch::zeros(size.shape, torch::kFloat32));
  if (prefix_projects(settings) || !zero) tensors[0].normal_(0, 1, generator);
  if (prefix_projects(settings)) {
    draw_linear(tensors[1], tensors[2], generator);
    if (!zero) draw_linear(tensors[3], tensors[4], generator);
  }
  for (Tensor& tensor : tensors) tensor = tensor.to(base.model->device());
  const auto table = prefix_projects(settings)
                         ? std::make_shared<PrefixTable>(prefix_network_of(tensors))
                         : std::make_shared<PrefixTable>(tensors[0]);
  return prefix_parts_of(base, ports, settings, table);
}

Result<Adapter::Parts> prefix_load(LoadedModel& base, const AdapterSettings& settings,
                                   const SafetensorsFile& file) {
  const torch::NoGradGuard no_grad;
  LUTHIER_TRY(const Ports ports, prefix_layers_of(base));
  const PrefixShape shape = prefix_shape_of(base.model->geometry(), settings);
  LUTHIER_TRY(const Tensor read, read_prompt(file, shape.tokens, shape.columns()));
  const auto table = std::make_shared<PrefixTable>(read.to(base.model->device()));
  if (!prefix_projects(settings)) return prefix_parts_of(base, ports, settings, table);
  LUTHIER_TRY(const auto network, read_encoder(file, prefix_sizes(base.model->geometry(), settings),
                                               base.model->device()));
  if (network)
    return prefix_parts_of(base, ports, settings,
                           std::make_shared<PrefixTable>(prefix_network_of(*network)));
  Adapter::Parts parts = prefix_parts_of(base, ports, settings, table);
  parts.trained.clear();
  parts.fixed = no_encoder(file);
  return parts;
}

void prefix_add_to(StepTerms& terms, const AdapterSettings& settings) {
  terms.keys_before = settings.more.integer("adapter.num_virtual_tokens");
}

const WholeMethod kPrefixWhole{prefix_sizes, prefix_make, prefix_load, prefix_add_to};

}  // namespace

const Method& prefix_tuning_method() {
  static const Method method = [] {
    Method row(method_kind(kPrefixTuning));
    row.fields = prefix_fields;
    row.read = prefix_read;
    row.write = prefix_write;
    row.of_whole = &kPrefixWhole;
    row.unmergeable =
        "Prefix tuning puts keys and values in front of the text, which no weight of the base can "
        "hold.";
    return row;
  }();
  return method;
}

}  // namespace luthier
