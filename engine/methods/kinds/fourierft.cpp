// SPDX-License-Identifier: GPL-3.0-or-later
// FourierFT as PEFT has it: ΔW = Re(ifft2(S)) · scaling, where S is zero but for the trained
// coefficients at places that a seed draws.
#include <map>
#include <mutex>
#include <tuple>

#include "engine/methods/kinds/delta_linear.h"
#include "engine/methods/kinds/kind_table.h"

namespace luthier {

using torch::Tensor;

namespace {

const std::vector<SettingField>& fourierft_fields() {
  using Use = SettingField::Use;
  static const std::vector<SettingField> table =
      fields_of_kind(method_kind("fourierft"),
                     {{"fan_in_fan_out", Use::Harmless, "PEFT sets it to false for a Linear"}});
  return table;
}

Result<AdapterSettings> read_fourierft(const Json& config, const std::string& where) {
  return read_kind_settings(method_kind("fourierft"), config, where);
}

Json write_fourierft(const AdapterSettings& settings) {
  Json config = write_kind_settings(method_kind("fourierft"), settings);
  config["fan_in_fan_out"] = false;
  return config;
}

std::vector<TensorSize> fourierft_sizes(const ModelModule& module, const ModuleScale& scale,
                                        const AdapterSettings&) {
  if (module.shape.size() != 2 || scale.rank > module.shape[0] * module.shape[1]) return {};
  return {{".fourierft_spectrum", {scale.rank}}};
}

Error too_many(const std::string& module, std::int64_t count, const std::string& where) {
  return input_error("The weight of " + module + " has less than " + std::to_string(count) +
                         " numbers, and there are no more coefficients than those.",
                     where, "Ask for fewer, or leave the module out.");
}

Status check_spectrum(const ModuleToHang& to, const std::vector<std::optional<TensorView>>& views,
                      const std::string& place) {
  if (!views.empty()) return {};
  return too_many(to.module.name, to.scale.rank, place);
}

Status check_coefficients(const ModuleSelection& selection, const AdapterSettings&) {
  for (const WrappedModule& module : selection.wrapped) {
    if (module.shapes.empty())
      return too_many(module.name, module.scale.rank, "adapter.n_frequency");
  }
  return {};
}

/// As PEFT starts it: drawn, so that the adapter is not nothing at first; or zero.
void draw_spectrum(std::vector<Tensor>& tensors, const ModuleToHang& to, at::Generator& generator) {
  if (drawn_whole(to.settings)) tensors[0].normal_(0, 1, generator);
}

/// The first `count` of a drawn order of `numbers` places, [count] int64. Weights of one size have
/// the same; the last ones drawn are kept, since an order of all places takes its time.
Tensor drawn_places(std::int64_t numbers, std::int64_t count, std::uint64_t seed) {
  constexpr std::size_t kKept = 16;
  static std::mutex mutex;
  static std::map<std::tuple<std::int64_t, std::int64_t, std::uint64_t>, Tensor> known;
  const std::lock_guard lock(mutex);
  const auto key = std::make_tuple(numbers, count, seed);
  if (const auto found = known.find(key); found != known.end()) return found->second;
  if (known.size() >= kKept) known.clear();
  auto generator = at::make_generator<at::CPUGeneratorImpl>(seed);
  const Tensor order =
      at::randperm(numbers, generator, torch::TensorOptions().dtype(torch::kInt64));
  return known[key] = order.slice(0, 0, count).clone();
}

/// In the backward: the matrix, its gradient, and half of that one's transform on its way through
/// both dimensions.
void fourierft_keeps(TrainedShare& share, const ModelModule& module, const ModuleScale&,
                     const AdapterSettings&) {
  share.made_floats = 5 * module.shape[0] * module.shape[1];
}

/// The real part of a real spectrum's inverse transform is that of its mean with its mirror image,
/// half of which says all: numbers of an array [out, in / 2 + 1] and which coefficient, halved,
/// goes to each.
struct HalfSpectrum {
  Tensor places, sources;  ///< int64 of one length
};

HalfSpectrum half_spectrum(const Tensor& places, std::int64_t out, std::int64_t in) {
  const std::int64_t columns = in / 2 + 1;
  const Tensor row = at::floor_divide(places, in), column = at::remainder(places, in);
  const Tensor mirrored_row = at::remainder(out - row, out),
               mirrored = at::remainder(in - column, in);
  const Tensor there = at::cat({column, mirrored}) < columns;
  const Tensor all = at::cat({row * columns + column, mirrored_row * columns + mirrored});
  const Tensor source = at::arange(places.size(0), places.options()).repeat({2});
  return {all.masked_select(there), source.masked_select(there)};
}

Adapter::Hung hang_fourierft(Ports& ports, const ModuleToHang& to,
                             const std::vector<Tensor>& tensors) {
  const KindValues& own = to.settings.more;
  const std::int64_t out = to.module.shape[0], in = to.module.shape[1];
  const Tensor places =
      drawn_places(out * in, to.scale.rank,
                   static_cast<std::uint64_t>(own.integer("adapter.random_loc_seed")))
          .to(tensors[0].device());
  const auto make = [half = half_spectrum(places, out, in), out, in,
                     scaling = own.number("adapter.scaling")](const std::vector<Tensor>& trained) {
    const Tensor& spectrum = trained[0];
    const std::int64_t columns = in / 2 + 1;
    const Tensor halved = spectrum.index_select(0, half.sources).mul(scaling / 2);
    const Tensor dense = torch::zeros({out * columns}, spectrum.options().requires_grad(false))
                             .index_add(0, half.places, halved)
                             .view({out, columns});
    const std::int64_t size[] = {out, in};
    return at::fft_irfft2(dense, at::IntArrayRef(size));
  };
  return hang_delta(ports, to, tensors, make);
}

ModuleMethod fourierft_modules() {
  ModuleMethod method{{"FourierFT wraps Linear modules.", is_linear_module, all_linear},
                      {".fourierft_spectrum"},
                      fourierft_sizes,
                      fourierft_keeps,
                      check_spectrum,
                      draw_spectrum,
                      hang_fourierft,
                      check_coefficients};
  method.rank_keys = {"n_frequency_pattern", /*behind_dots=*/true};
  return method;
}

}  // namespace

const Method& fourierft_method() {
  static const ModuleMethod of_modules = fourierft_modules();
  static const Method method = [] {
    Method row(method_kind("fourierft"));
    row.fields = fourierft_fields;
    row.read = read_fourierft;
    row.write = write_fourierft;
    row.of_modules = &of_modules;
    return row;
  }();
  return method;
}

}  // namespace luthier
