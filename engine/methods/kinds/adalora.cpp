// SPDX-License-Identifier: GPL-3.0-or-later
// AdaLoRA as PEFT has it: y += alpha / (init_r + 1e-5) · x (A ∘ E)ᵀ Bᵀ. A finished file holds the
// vectors that are left and says in rank_pattern which they were; the divisor stays that of the
// start. A convolution over patches is one product too, A's rows as wide as a window's numbers.
#include <algorithm>
#include <cmath>

#include "engine/base/random_stream.h"
#include "engine/methods/kinds/adalora_course.h"
#include "engine/methods/kinds/delta_linear.h"
#include "engine/methods/lora_settings.h"
#include "engine/nn/batch_part.h"
#include "engine/nn/narrow_copy.h"
#include "engine/nn/side_by_side.h"

namespace luthier {

using torch::Tensor;

namespace {

class AdaloraLinear : public LowRankPlug, public KeepsCopies {
 public:
  AdaloraLinear(Tensor a, Tensor b, Tensor e, double scale, double dropout, std::uint64_t place)
      : a_(std::move(a)),
        b_(std::move(b)),
        e_(std::move(e)),
        scale_(scale),
        dropout_(dropout),
        place_(place) {}

  Tensor forward(const Tensor& x, const LinearImpl& base) const override {
    return low_rank_product(x, base, low_rank(x.scalar_type()));
  }
  LowRank low_rank(torch::ScalarType type) const override {
    if (strength == 0 || a_.size(0) == 0) return LowRank();
    const Tensor scaled = a_ * e_;  // [r, in]
    return LowRank{scaled,
                   b_,
                   scaled.detach().to(type),
                   near_b_.of(b_, type),
                   scale_ * strength,
                   training ? dropout_ : 0.0,
                   MaskSeed(mixed(seed ^ mixed_bits(BatchPart::here())), mask_there)};
  }
  std::optional<std::uint64_t> mask_seed(std::uint64_t of_batch) const override {
    return dropout_ > 0 ? std::optional(mixed(of_batch)) : std::nullopt;
  }
  void add_copies(std::vector<NarrowCopy::Pair>& copies) const override {
    copies.push_back({&b_, &near_b_});
  }
  void merge_into(LinearImpl& linear) const {
    linear.weight.assign(linear.weight.dense(torch::kFloat32) +
                         at::mm(b_, a_ * e_).mul_(scale_ * strength));
  }

 private:
  std::uint64_t mixed(std::uint64_t of_batch) const {
    return mixed_bits(of_batch + kGoldenStep * (place_ + 1));
  }

  Tensor a_, b_, e_;
  double scale_, dropout_;
  std::uint64_t place_;
  NarrowCopy near_b_;
};

/// LoraConfig's fields, which AdaLoraConfig has too, and its own.
const std::vector<SettingField>& adalora_fields() {
  using Use = SettingField::Use;
  static const std::vector<SettingField> table = [] {
    std::vector<SettingField> all{
        {"beta1", Use::Read, ""},
        {"beta2", Use::Read, ""},
        {"bias", Use::Read, ""},
        {"deltaT", Use::Read, ""},
        {"init_r", Use::Read, ""},
        {"orth_reg_weight", Use::Read, ""},
        {"target_r", Use::Read, ""},
        {"tfinal", Use::Read, ""},
        {"tinit", Use::Read, ""},
        {"total_step", Use::Read, ""},
        {"lora_alpha", Use::Read, ""},
        {"lora_dropout", Use::Read, ""},
        {"rank_pattern", Use::Read, ""},
        {"layer_replication", Use::Refused, "repeats layers of the base"},
        {"target_parameters", Use::Refused, "adapts weights by their own names"},
        {"trainable_token_indices", Use::Refused, "trains rows of the embedding"}};
    for (const SettingField& field : lora_fields()) {
      const auto same = [&](const SettingField& own) {
        return std::string_view(own.name) == field.name;
      };
      if (std::any_of(all.begin(), all.end(), same)) continue;
      const std::string_view name = field.name;
      const bool modules = name.ends_with("_modules") || name == "modules_to_save";
      const bool layers = name == "layers_to_transform" || name == "layers_pattern";
      if (modules || layers || name == "init_lora_weights")
        all.push_back(field);
      else
        all.push_back({field.name, Use::Harmless, "PEFT's AdaLoRA makes no use of it"});
    }
    return all;
  }();
  return table;
}

/// The ranks that are left, from lists of booleans by the names of E.
Result<AdapterSettings> read_adalora(const Json& config, const std::string& where) {
  Json plain = config;
  plain.erase("rank_pattern");
  // How it started is no longer of interest, but true and false are all that it knows.
  const auto init = plain.find("init_lora_weights");
  if (init != plain.end() && !init->is_boolean()) *init = true;
  LUTHIER_TRY(AdapterSettings settings, read_kind_settings(method_kind("adalora"), plain, where));
  const auto pattern = config.find("rank_pattern");
  if (pattern == config.end() || pattern->is_null()) return settings;
  if (!pattern->is_object())
    return input_error("An object of lists is expected.", where + ": rank_pattern");
  for (const auto& [key, flags] : pattern->items()) {
    const std::string place = where + ": rank_pattern." + key;
    const auto end = key.rfind(".lora_E");
    if (end == std::string::npos || !flags.is_array())
      return input_error("A list of true and false under the name of a lora_E is expected.", place);
    std::int64_t left = 0;
    for (const Json& flag : flags) {
      if (!flag.is_boolean()) return input_error("A list of true and false is expected.", place);
      left += flag.get<bool>() ? 1 : 0;
    }
    std::string name;
    for (const char c : key.substr(0, end))
      name += c == '.' ? std::string("\\.") : std::string(1, c);
    settings.rank_pattern.emplace_back(std::move(name), left);
  }
  return settings;
}

Json write_adalora(const AdapterSettings& settings) {
  Json config = write_lora_settings(AdapterSettings());
  config.update(write_kind_settings(method_kind("adalora"), settings));
  config["r"] = 8;  // which AdaLoRA does not read
  config["rank_pattern"] = nullptr;
  return config;
}

std::vector<TensorSize> adalora_sizes(const ModelModule& module, const ModuleScale& scale,
                                      const AdapterSettings&) {
  const std::vector<std::int64_t> shape = product_shape(module);
  if (shape.empty()) return {};
  const std::int64_t rank = scale.rank;
  return {{".lora_A", {rank, shape[1]}}, {".lora_B", {shape[0], rank}}, {".lora_E", {rank, 1}}};
}

/// A ∘ E, and what is between the products.
void adalora_keeps(TrainedShare& share, const ModelModule& module, const ModuleScale& scale,
                   const AdapterSettings& settings) {
  share.row_numbers = scale.rank;
  share.kept_numbers = scale.rank * product_shape(module)[1];
  share.input_copies = settings.lora_dropout > 0 ? 3 : 1;
}

/// Vectors of a normal distribution, singular values of zero; "false": all of a wide one.
void draw_adalora(std::vector<Tensor>& tensors, const ModuleToHang& to, at::Generator& generator) {
  const bool all = to.settings.init_lora_weights == "false";
  tensors[0].normal_(0, all ? 1 : 0.02, generator);
  tensors[1].normal_(0, all ? 1 : 0.02, generator);
  if (all) tensors[2].normal_(0, 1, generator);
}

Adapter::Hung hang_adalora(Ports& ports, const ModuleToHang& to,
                           const std::vector<Tensor>& tensors) {
  const std::string& name = to.module.name;
  const AdapterSettings& settings = to.settings;
  const ProductPort port = product_port(ports, name);
  auto plug = std::make_shared<AdaloraLinear>(
      tensors[0], tensors[1], tensors[2], adalora_scale(settings), settings.lora_dropout, to.place);
  Adapter::Hung hung = hung_on(*port.plug, name, plug);
  hung.merge = [now = port.linear, plug] { plug->merge_into(*now()); };
  return hung;
}

std::shared_ptr<AdapterCourse> adalora_course(const std::vector<Adapter::Named>& trained,
                                              const AdapterSettings& settings) {
  return std::make_shared<AdaloraCourse>(trained, settings);
}

ModuleMethod adalora_modules() {
  ModuleMethod method{{"AdaLoRA wraps Linear modules and convolutions over patches.",
                       is_product_module, all_linear},
                      {".lora_A", ".lora_B", ".lora_E"},
                      adalora_sizes,
                      adalora_keeps,
                      nullptr,
                      draw_adalora,
                      hang_adalora};
  method.course = adalora_course;
  method.course_floats = 2;  // of importance and of its deviation
  method.course_reaches = true;
  return method;
}

}  // namespace

double adalora_scale(const AdapterSettings& settings) {
  return settings.lora_alpha / (static_cast<double>(settings.r) + 1e-5);
}

const Method& adalora_method() {
  static const ModuleMethod of_modules = adalora_modules();
  static const Method method = [] {
    Method row(method_kind("adalora"));
    row.fields = adalora_fields;
    row.read = read_adalora;
    row.write = write_adalora;
    row.of_modules = &of_modules;
    return row;
  }();
  return method;
}

}  // namespace luthier
