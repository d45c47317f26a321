// SPDX-License-Identifier: GPL-3.0-or-later
// oneDNN's product is the operator that torch.compile emits on CPUs (mkldnn::_linear_pointwise); it
// has no C++ header, so it is found in the dispatcher.
#include "engine/device/product_library.h"

#include <algorithm>
#include <atomic>
#include <cstdlib>
#include <string_view>

#include <ATen/core/dispatch/Dispatcher.h>

#include "engine/base/log.h"
#include "engine/base/thread_clock.h"
#include "engine/device/split_product.h"
#include "engine/device/tiles.h"

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

/// Who makes products of each class, and whether tiles make those that are worth splitting.
struct Makers {
  ProductLibrary large = ProductLibrary::Mkl, small = ProductLibrary::Mkl,
                 few = ProductLibrary::Mkl;
  bool tiles = false;

  bool operator==(const Makers&) const = default;
  ProductLibrary of(ProductClass size) const {
    return size == ProductClass::Large ? large : size == ProductClass::Small ? small : few;
  }
};

constexpr ProductLibrary kOneDnn = ProductLibrary::OneDnn, kMkl = ProductLibrary::Mkl;
constexpr Makers kAllMkl{}, kAllOneDnn{kOneDnn, kOneDnn, kOneDnn};

/// Two parts: who makes large and small ones, and who those of few rows. Three: each apart. Behind
/// kByTiles in a name of whole.
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

constexpr std::string_view kByTiles = "tiles+";

thread_local bool other_products = false;
std::atomic<int> kept_products{-1};   ///< a place of kNamedMakers; −1: the process's choice
std::atomic<bool> kept_tiles{false};  ///< counts where kept_products is a place

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

/// How many times faster oneDNN is at products of this shape, each by its best of some rounds in
/// turn, on one thread. `calls` of them are timed together.
double one_dnn_speed(std::int64_t rows, std::int64_t in, std::int64_t out, int calls) {
  const torch::NoGradGuard no_grad;
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const Tensor x = torch::full({rows, in}, 0.5f), weight = torch::full({out, in}, 0.25f);
  const auto repeated = [calls](const auto& product) {
    return [calls, &product] {
      for (int i = 1; i < calls; ++i) product();
      return product();
    };
  };
  const auto by_one_dnn = [&] { return one_dnn_product(x, weight, {}); };
  const auto by_mkl = [&] { return at::mm(x, weight.t()); };
  double one_dnn = 1e9, mkl = 1e9;
  for (int round = 0; round <= kRounds; ++round) {
    const double first = seconds_of(repeated(by_one_dnn)), second = seconds_of(repeated(by_mkl));
    if (round == 0) continue;  // kernels are compiled, pages come
    one_dnn = std::min(one_dnn, first);
    mkl = std::min(mkl, second);
  }
  at::set_num_threads(threads);
  return mkl / one_dnn;
}

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
  const double large = one_dnn_speed(512, 512, 512, 1), small = one_dnn_speed(192, 96, 256, 4),
               few = one_dnn_speed(kFewRows / 2, 512, 512, 8);
  log_debug("float32 products: oneDNN has " + std::to_string(large) +
            " times MKL's speed, with small ones " + std::to_string(small) + ", with few rows " +
            std::to_string(few) + ".");
  Makers made;
  made.large = chosen(made_by_intel() ? kMkl : kOneDnn, large);
  made.small = chosen(kMkl, small);
  made.few = chosen(made.small, few);
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
  Makers made = choose_libraries();
  made.tiles = tiles::available();
  return made;
}

Makers makers() {
  static const Makers chosen = choose_makers();
  const int kept = kept_products.load(std::memory_order_relaxed);
  if (kept < 0) return chosen;
  Makers made = kNamedMakers[kept].makers;
  made.tiles = kept_tiles.load(std::memory_order_relaxed);
  return made;
}

}  // namespace

ProductClass product_class(std::int64_t rows, std::int64_t in, std::int64_t out) {
  if (rows <= kFewRows) return ProductClass::FewRows;
  return rows * std::max(in, out) < kLargeProduct ? ProductClass::Small : ProductClass::Large;
}

ProductLibrary product_library(std::int64_t rows, std::int64_t in, std::int64_t out) {
  const Makers now = makers();
  const ProductLibrary library = now.of(product_class(rows, in, out));
  if (now.tiles && tiles::worth_splitting(rows, out, in))
    return other_products ? library : ProductLibrary::Tiles;
  if (!other_products || !has_both()) return library;
  return library == kMkl ? kOneDnn : kMkl;
}

bool mkl_makes_products() {
  const Makers now = makers();
  return now.large == kMkl || now.small == kMkl || now.few == kMkl;
}

std::string product_library_name() {
  Makers now = makers();
  const std::string_view before = now.tiles ? kByTiles : "";
  now.tiles = false;
  for (const auto& each : kNamedMakers) {
    if (each.makers == now) return std::string(before) + std::string(each.name);
  }
  return {};
}

void keep_products(std::string_view name) {
  kept_products = -1;
  const bool by_tiles = name.substr(0, kByTiles.size()) == kByTiles;
  if (std::getenv(kSetting) || (by_tiles && !tiles::available())) return;
  if (by_tiles) name.remove_prefix(kByTiles.size());
  for (std::size_t i = 0; i < std::size(kNamedMakers); ++i) {
    const bool can_be = has_both() || kNamedMakers[i].makers == the_one_there();
    if (kNamedMakers[i].name != name || !can_be) continue;
    kept_tiles = by_tiles;
    kept_products = static_cast<int>(i);
  }
}

OtherProducts::OtherProducts() { other_products = true; }
OtherProducts::~OtherProducts() { other_products = false; }

Tensor one_dnn_product(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  return one_dnn_linear()->call(x, weight,
                                bias.defined() ? std::optional<Tensor>(bias) : std::nullopt, "none",
                                c10::List<std::optional<at::Scalar>>(), "");
}

}  // namespace luthier
