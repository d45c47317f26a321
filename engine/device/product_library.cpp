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

/// Who makes products of many rows, and of few.
struct Makers {
  ProductLibrary many = ProductLibrary::Mkl, few = ProductLibrary::Mkl;
};

constexpr struct {
  std::string_view name;
  Makers makers;
} kNamedMakers[] = {
    {"mkl", {ProductLibrary::Mkl, ProductLibrary::Mkl}},
    {"onednn", {ProductLibrary::OneDnn, ProductLibrary::OneDnn}},
    {"mkl/onednn", {ProductLibrary::Mkl, ProductLibrary::OneDnn}},
    {"onednn/mkl", {ProductLibrary::OneDnn, ProductLibrary::Mkl}},
};

thread_local bool other_products = false;
std::atomic<int> kept_products{-1};  ///< a place of kNamedMakers; −1: the process's choice

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

/// How many times faster oneDNN is at products of so many rows, each by its best of some rounds in
/// turn, on one thread. `calls` of them are timed together.
double one_dnn_speed(std::int64_t rows, int calls) {
  const torch::NoGradGuard no_grad;
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const Tensor x = torch::full({rows, 512}, 0.5f), weight = torch::full({512, 512}, 0.25f);
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

Makers choose_makers() {
  constexpr Makers kMkl{}, kOneDnn{ProductLibrary::OneDnn, ProductLibrary::OneDnn};
  if (!one_dnn_linear()) return kMkl;
  if (const char* given = std::getenv(kSetting)) {
    if (std::string_view(given) == "mkl") return kMkl;
    if (std::string_view(given) == "onednn") return kOneDnn;
    log_warning("LUTHIER_PRODUCTS is neither onednn nor mkl; the faster one is taken.");
  }
  if (!at::hasMKL()) return kOneDnn;
  const double many = one_dnn_speed(8 * kFewRows, 1), few = one_dnn_speed(kFewRows / 2, 8);
  log_debug("float32 products: oneDNN has " + std::to_string(many) +
            " times MKL's speed, with few rows " + std::to_string(few) + ".");
  Makers made = many >= kClearlyFaster ? kOneDnn : kMkl;
  if (few >= kClearlyFaster) made.few = ProductLibrary::OneDnn;
  if (few <= 1 / kClearlyFaster) made.few = ProductLibrary::Mkl;
  return made;
}

Makers makers() {
  static const Makers chosen = choose_makers();
  const int kept = kept_products.load(std::memory_order_relaxed);
  return kept < 0 ? chosen : kNamedMakers[kept].makers;
}

}  // namespace

ProductLibrary product_library(std::int64_t rows) {
  const Makers now = makers();
  const ProductLibrary own = rows <= kFewRows ? now.few : now.many;
  if (!other_products || !has_both()) return own;
  return own == ProductLibrary::Mkl ? ProductLibrary::OneDnn : ProductLibrary::Mkl;
}

bool mkl_makes_products() {
  const Makers now = makers();
  return now.many == ProductLibrary::Mkl || now.few == ProductLibrary::Mkl;
}

std::string product_library_name() {
  const Makers now = makers();
  for (const auto& each : kNamedMakers) {
    if (each.makers.many == now.many && each.makers.few == now.few) return std::string(each.name);
  }
  return {};
}

void keep_products(std::string_view name) {
  kept_products = -1;
  if (!has_both() || std::getenv(kSetting)) return;
  for (std::size_t i = 0; i < std::size(kNamedMakers); ++i) {
    if (kNamedMakers[i].name == name) kept_products = static_cast<int>(i);
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
