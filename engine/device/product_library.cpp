// SPDX-License-Identifier: GPL-3.0-or-later
// oneDNN's product is the operator that torch.compile emits on CPUs (mkldnn::_linear_pointwise); it
// has no C++ header, so it is found in the dispatcher.
#include "engine/device/product_library.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <fstream>
#include <optional>
#include <span>
#include <string_view>

#include <ATen/Version.h>
#include <ATen/core/dispatch/Dispatcher.h>
#include <torch/version.h>

#include "engine/base/log.h"
#include "engine/base/thread_clock.h"
#include "engine/device/few_rows.h"
#include "engine/device/split_product.h"
#include "engine/device/tiles.h"
#include "engine/io/files.h"
#include "engine/io/own_cache.h"

namespace luthier {

namespace {

using torch::Tensor;

using Pointwise = Tensor(const Tensor&, const Tensor&, const std::optional<Tensor>&,
                         std::string_view, c10::List<std::optional<at::Scalar>>,
                         std::optional<std::string_view>);

/// null where this LibTorch has no oneDNN, or another signature.
const c10::TypedOperatorHandle<Pointwise>* one_dnn_linear() {
  static const std::optional<c10::TypedOperatorHandle<Pointwise>> found =
      []() -> std::optional<c10::TypedOperatorHandle<Pointwise>> {
    const auto schema = c10::Dispatcher::singleton().findSchema({"mkldnn::_linear_pointwise", ""});
    if (!schema || !at::hasMKLDNN()) return std::nullopt;
    try {
      return schema->typed<Pointwise>();
    } catch (const std::exception&) {
      return std::nullopt;
    }
  }();
  return found ? &*found : nullptr;
}

/// Who makes products of each class, whether tiles make those that are worth splitting, and whether
/// those of few rows are made as the weight lies.
struct Makers {
  ProductLibrary large = ProductLibrary::Mkl, small = ProductLibrary::Mkl,
                 few = ProductLibrary::Mkl;
  bool tiles = false, rows = false;

  bool operator==(const Makers&) const = default;
  ProductLibrary of(ProductClass size) const {
    return size == ProductClass::Large ? large : size == ProductClass::Small ? small : few;
  }
};

constexpr ProductLibrary kOneDnn = ProductLibrary::OneDnn, kMkl = ProductLibrary::Mkl;
constexpr Makers kAllMkl{}, kAllOneDnn{kOneDnn, kOneDnn, kOneDnn};

/// Two parts: who makes large and small ones, and who those of few rows. Three: each apart. In a
/// name of whole behind kByTiles and before kByRows.
constexpr struct {
  std::string_view name;
  Makers makers;
} kNamedMakers[] = {
    {"mkl", kAllMkl},
    {"onednn", kAllOneDnn},
    {"mkl/onednn", {kMkl, kMkl, kOneDnn}},
    {"onednn/mkl", {kOneDnn, kOneDnn, kMkl}},
    {"onednn/mkl/mkl", {kOneDnn, kMkl, kMkl}},
    {"onednn/mkl/onednn", {kOneDnn, kMkl, kOneDnn}},
    {"mkl/onednn/mkl", {kMkl, kOneDnn, kMkl}},
    {"mkl/onednn/onednn", {kMkl, kOneDnn, kOneDnn}},
};

constexpr std::string_view kByTiles = "tiles+", kByRows = "+rows";

thread_local bool other_products = false;
std::atomic<int> kept_products{-1};  ///< a place of kNamedMakers; −1: the process's choice
/// These count where kept_products is a place.
std::atomic<bool> kept_tiles{false}, kept_rows{false};

constexpr const char* kSetting = "LUTHIER_PRODUCTS";

bool has_both() { return one_dnn_linear() && at::hasMKL(); }

constexpr double kClearlyFaster = 1.25;
constexpr int kRounds = 8;

template <class Product>
double seconds_of(const Product& product) {
  const double start = thread_seconds();
  const Tensor made = product();
  return thread_seconds() - start;
}

/// Of products of one shape on one thread, as in a run.
class Contest {
 public:
  /// `calls` of them are timed together.
  Contest(std::int64_t rows, std::int64_t in, std::int64_t out, int calls)
      : x_(torch::full({rows, in}, 0.5f)), weight_(torch::full({out, in}, 0.25f)), calls_(calls) {}

  /// How many times faster oneDNN is than MKL.
  double one_dnn_speed() const {
    return speed([&] { return one_dnn_product(x_, weight_, {}); },
                 [&] { return at::mm(x_, weight_.t()); });
  }
  /// How many times faster a weight is read as it lies than by this library.
  double rows_speed(ProductLibrary library) const {
    return speed([&] { return few_rows_product(x_, weight_, {}, 1); },
                 [&] {
                   return library == kOneDnn ? one_dnn_product(x_, weight_, {})
                                             : at::mm(x_, weight_.t());
                 });
  }

 private:
  /// Each by its best of some rounds in turn.
  template <class First, class Second>
  double speed(const First& first, const Second& second) const {
    const torch::NoGradGuard no_grad;
    const int threads = at::get_num_threads();
    at::set_num_threads(1);
    const auto repeated = [this](const auto& product) {
      return [this, &product] {
        for (int i = 1; i < calls_; ++i) product();
        return product();
      };
    };
    double best = 1e9, others = 1e9;
    for (int round = 0; round <= kRounds; ++round) {
      const double one = seconds_of(repeated(first)), other = seconds_of(repeated(second));
      if (round == 0) continue;  // kernels are compiled, pages come
      best = std::min(best, one);
      others = std::min(others, other);
    }
    at::set_num_threads(threads);
    return others / best;
  }

  const Tensor x_, weight_;
  const int calls_;
};

/// The usual one, unless the other is clearly faster.
ProductLibrary chosen(ProductLibrary usual, double one_dnn) {
  if (one_dnn >= kClearlyFaster) return kOneDnn;
  return one_dnn <= 1 / kClearlyFaster ? kMkl : usual;
}

/// Where MKL uses all that the processor has.
bool made_by_intel() {
#if defined(__x86_64__)
  return __builtin_cpu_is("intel");
#else
  return false;
#endif
}

/// Where LibTorch has not both.
Makers the_one_there() { return one_dnn_linear() ? kAllOneDnn : kAllMkl; }

Makers choose_libraries() {
  if (!has_both()) return the_one_there();
  const double large = Contest(512, 512, 512, 1).one_dnn_speed(),
               small = Contest(192, 96, 256, 4).one_dnn_speed(),
               few = Contest(kFewRows / 2, 512, 512, 8).one_dnn_speed();
  log_debug("float32 products: oneDNN has " + std::to_string(large) +
            " times MKL's speed, with small ones " + std::to_string(small) + ", with few rows " +
            std::to_string(few) + ".");
  Makers made;
  made.large = chosen(made_by_intel() ? kMkl : kOneDnn, large);
  made.small = chosen(kMkl, small);
  made.few = chosen(made.small, few);
  return made;
}

std::string name_of(Makers makers) {
  const std::string_view before = makers.tiles ? kByTiles : "", behind = makers.rows ? kByRows : "";
  makers.tiles = makers.rows = false;
  for (const auto& each : kNamedMakers) {
    if (each.makers == makers)
      return std::string(before) + std::string(each.name) + std::string(behind);
  }
  return {};
}

/// Nothing where the name is none, or says what this LibTorch or this processor lacks.
std::optional<Makers> makers_of(std::string_view name) {
  const bool by_tiles = name.starts_with(kByTiles), by_rows = name.ends_with(kByRows);
  if ((by_tiles && !tiles::available()) || (by_rows && !few_rows::available())) return std::nullopt;
  if (by_tiles) name.remove_prefix(kByTiles.size());
  if (by_rows) name.remove_suffix(kByRows.size());
  for (const auto& each : kNamedMakers) {
    if (each.name != name || !(has_both() || each.makers == the_one_there())) continue;
    Makers made = each.makers;
    made.tiles = by_tiles, made.rows = by_rows;
    return made;
  }
  return std::nullopt;
}

/// Under what the choice of this processor is remembered: whatever may change who is faster.
std::string place_of_choice() {
  std::string all = std::string("1\n") + TORCH_VERSION + "\n" + at::get_cpu_capability() + "\n";
  for (const char* name : {"ONEDNN_MAX_CPU_ISA", "DNNL_MAX_CPU_ISA", "MKL_ENABLE_INSTRUCTIONS",
                           "MKL_CBWR", "MKL_DEBUG_CPU_TYPE"}) {
    const char* value = std::getenv(name);
    all += std::string(value ? value : "") + "\n";
  }
  std::ifstream processors("/proc/cpuinfo");
  for (std::string line; std::getline(processors, line) && !line.empty();) {
    if (line.starts_with("model") || line.starts_with("flags") || line.starts_with("cache"))
      all += line + "\n";
  }
  return "products/" + sha256_bytes(std::as_bytes(std::span(all)));
}

Makers measured_makers() {
  Makers made = choose_libraries();
  made.tiles = tiles::available();
  made.rows = few_rows::available() &&
              Contest(kFewRows / 4, 512, 2048, 2).rows_speed(made.few) >= kClearlyFaster;
  return made;
}

Makers choose_makers() {
  const char* given = std::getenv(kSetting);
  const std::string_view setting = given ? given : "";
  if (setting == "mkl") return kAllMkl;
  if (setting == "onednn" && one_dnn_linear()) return kAllOneDnn;
  if (given && setting != "onednn" && setting != "tiles")
    log_warning("LUTHIER_PRODUCTS is none of onednn, mkl and tiles; the fastest is taken.");
  if (setting == "tiles" && !tiles::available())
    log_warning("LUTHIER_PRODUCTS is tiles, which this processor does not have.");
  if (given) return measured_makers();
  // Where two are nearly as fast as each other, two processes of one machine would choose each its
  // own, and the same run would end in other bytes: the first choice stands.
  const std::string place = place_of_choice();
  if (const auto before = found_before(place)) {
    if (const auto known = makers_of(*before)) return *known;
  }
  const Makers made = measured_makers();
  return makers_of(found_first(place, name_of(made))).value_or(made);
}

Makers makers() {
  static const Makers chosen = choose_makers();
  const int kept = kept_products.load(std::memory_order_relaxed);
  if (kept < 0) return chosen;
  Makers made = kNamedMakers[kept].makers;
  made.tiles = kept_tiles.load(std::memory_order_relaxed);
  made.rows = kept_rows.load(std::memory_order_relaxed);
  return made;
}

}  // namespace

ProductClass product_class(std::int64_t rows, std::int64_t in, std::int64_t out) {
  if (rows <= kFewRows) return ProductClass::FewRows;
  return rows * std::max(in, out) < kLargeProduct ? ProductClass::Small : ProductClass::Large;
}

ProductLibrary product_library(std::int64_t rows, std::int64_t in, std::int64_t out,
                               bool as_it_lies) {
  const Makers now = makers();
  const ProductClass size = product_class(rows, in, out);
  const ProductLibrary library = now.of(size);
  if (now.rows && as_it_lies && size == ProductClass::FewRows)
    return other_products ? library : ProductLibrary::FewRows;
  if (now.tiles && tiles::worth_splitting(rows, out, in))
    return other_products ? library : ProductLibrary::Tiles;
  if (!other_products || !has_both()) return library;
  return library == kMkl ? kOneDnn : kMkl;
}

bool mkl_makes_products() {
  const Makers now = makers();
  return now.large == kMkl || now.small == kMkl || now.few == kMkl;
}

std::string product_library_name() { return name_of(makers()); }

void keep_products(std::string_view name) {
  kept_products = -1;
  const std::optional<Makers> kept = std::getenv(kSetting) ? std::nullopt : makers_of(name);
  if (!kept) return;
  kept_tiles = kept->tiles, kept_rows = kept->rows;
  Makers libraries = *kept;
  libraries.tiles = libraries.rows = false;
  for (std::size_t i = 0; i < std::size(kNamedMakers); ++i)
    if (kNamedMakers[i].makers == libraries) kept_products = static_cast<int>(i);
}

OtherProducts::OtherProducts() { other_products = true; }
OtherProducts::~OtherProducts() { other_products = false; }

Tensor one_dnn_product(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  return one_dnn_linear()->call(x, weight,
                                bias.defined() ? std::optional<Tensor>(bias) : std::nullopt, "none",
                                c10::List<std::optional<at::Scalar>>(), "");
}

Tensor few_rows_product(const Tensor& x, const Tensor& weight, const Tensor& bias, double scale) {
  Tensor y = torch::empty({x.size(0), weight.size(0)}, x.options().requires_grad(false));
  put_few_rows(y, x, weight, bias, scale, /*adds=*/false);
  return y;
}

void put_few_rows(Tensor& result, const Tensor& x, const Tensor& weight, const Tensor& bias,
                  double scale, bool adds) {
  const Tensor beside = bias.defined() ? bias.contiguous() : Tensor();
  few_rows::Product product;
  product.x = x.const_data_ptr<float>();
  product.weight = weight.const_data_ptr<float>();
  product.bias = beside.defined() ? beside.const_data_ptr<float>() : nullptr;
  product.result = result.mutable_data_ptr<float>();
  product.x_stride = x.stride(0), product.weight_stride = weight.stride(0),
  product.result_stride = result.stride(0);
  product.rows = x.size(0), product.in = x.size(1), product.out = weight.size(0);
  product.scale = static_cast<float>(scale);
  product.adds = adds;
  few_rows::product(product);
}

}  // namespace luthier
