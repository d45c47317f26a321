// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/methods/bottleneck.h"

#include <algorithm>
#include <cctype>

namespace luthier {

using torch::Tensor;

BottleneckPlug::BottleneckPlug(const std::vector<Tensor>& tensors, Activation activation,
                               bool of_sum)
    : down_weight_(tensors[0]),
      down_bias_(tensors[1]),
      up_weight_(tensors[2]),
      up_bias_(tensors[3]),
      activation_(activation),
      of_sum_(of_sum) {}

Tensor BottleneckPlug::after(const Tensor& y, const Tensor& x) const {
  if (strength == 0) return y;
  const Tensor input = of_sum_ ? y + x : y;
  const auto near = [&](const Tensor& tensor) { return tensor.to(y.scalar_type()); };
  const Tensor narrow =
      activate(at::linear(input, near(down_weight_), near(down_bias_)), activation_);
  const Tensor added = at::linear(narrow, near(up_weight_), near(up_bias_));
  return at::add(y, added, strength);
}

namespace {

bool houlsby(const AdapterSettings& settings) {
  return settings.more.text("adapter.config") == "houlsby";
}

Activation activation_of(const AdapterSettings& settings) {
  const std::string name = settings.more.text("adapter.non_linearity");
  return name == "gelu" ? Activation::Gelu : name == "swish" ? Activation::Silu : Activation::Relu;
}

const std::vector<SettingField>& bottleneck_table() {
  using Use = SettingField::Use;
  static const std::vector<SettingField> table{
      {"config", Use::Read, ""},
      {"config_id", Use::Harmless, "it names a place where the config was published"},
      {"hidden_size", Use::Harmless, "an adapter fits when its names and shapes do"},
      {"model_class", Use::Harmless, "it names the Python class of the base"},
      {"model_name", Use::Harmless, "an adapter fits when its names and shapes do"},
      {"model_type", Use::Harmless, "an adapter fits when its names and shapes do"},
      {"name", Use::Read, ""},
      {"version", Use::Harmless, "it says what wrote the folder"},
  };
  return table;
}

/// A branch of one of a list's layers: what pools above them is none.
bool can_wrap(const ModelModule& module) {
  if (module.branch.empty() || module.name.find('.') == std::string::npos) return false;
  const std::string layer = module.name.substr(0, module.name.rfind('.'));
  return !layer.empty() && std::isdigit(static_cast<unsigned char>(layer.back()));
}

bool by_default(const ModelModule& module, const std::string&, const AdapterSettings& settings) {
  const bool placed = module.branch == "feed_forward" || houlsby(settings);
  return can_wrap(module) && placed;
}

std::int64_t narrowed(std::int64_t width, const AdapterSettings& settings) {
  return std::max<std::int64_t>(1, width / settings.more.integer("adapter.reduction_factor"));
}

std::vector<TensorSize> bottleneck_sizes(const ModelModule& module, const ModuleScale&,
                                         const AdapterSettings& settings) {
  const std::int64_t width = module.shape.at(0), narrow = narrowed(width, settings);
  return {{".adapter_down.0.weight", {narrow, width}},
          {".adapter_down.0.bias", {narrow}},
          {".adapter_up.weight", {width, narrow}},
          {".adapter_up.bias", {width}}};
}

/// Its input and what stands after the non-linearity; before it, where its slope asks for that.
void keep(TrainedShare& share, const ModelModule& module, const ModuleScale&,
          const AdapterSettings& settings) {
  const std::int64_t width = module.shape.at(0), narrow = narrowed(width, settings);
  share.row_numbers = width + (activation_of(settings) == Activation::Relu ? 1 : 2) * narrow;
}

/// AdapterHub's "bert": normal with 0.02, biases zero.
void draw(std::vector<Tensor>& tensors, const ModuleToHang&, at::Generator& generator) {
  tensors[0].normal_(0, 0.02, generator);
  tensors[2].normal_(0, 0.02, generator);
}

std::string root(const ModelModule& module, const AdapterSettings&) {
  const std::string layer = module.name.substr(0, module.name.rfind('.'));
  return layer + (module.branch == "attention" ? ".attention_adapters" : ".output_adapters") +
         ".adapters.default";
}

Adapter::Hung hang(Ports& ports, const ModuleToHang& to, const std::vector<Tensor>& tensors) {
  BranchPort& port = *ports.branches.at(to.module.name);
  return hung_on(
      port.branch_plug, to.module.name,
      std::make_shared<BottleneckPlug>(tensors, activation_of(to.settings), !houlsby(to.settings)));
}

ModuleMethod modules() {
  ModuleMethod method{
      {"Bottleneck adapters stand behind the branches of layers.", can_wrap, by_default},
      {".adapter_down.0.weight", ".adapter_down.0.bias", ".adapter_up.weight", ".adapter_up.bias"},
      bottleneck_sizes,
      keep,
      nullptr,
      draw,
      hang};
  method.root = root;
  method.prefix = "";
  return method;
}

}  // namespace

const Method& bottleneck_method() {
  static const ModuleMethod of_modules = modules();
  static const Method method = [] {
    Method row(method_kind("bottleneck"));
    row.fields = bottleneck_table;
    row.read = read_bottleneck_settings;
    row.write = write_bottleneck_settings;
    row.of_modules = &of_modules;
    row.unmergeable =
        "A bottleneck adapter is not linear, so no weight of the base can hold what it does.";
    return row;
  }();
  return method;
}

}  // namespace luthier
