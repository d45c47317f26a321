// SPDX-License-Identifier: GPL-3.0-or-later
// oneDNN's product is the operator that torch.compile emits on CPUs (mkldnn::_linear_pointwise); it
// has no C++ header, so it is found in the dispatcher.
#include "engine/device/product_library.h"

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <string_view>

#include <ATen/core/dispatch/Dispatcher.h>

#include "engine/base/log.h"

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

thread_local bool other_products = false;

constexpr double kClearlyFaster = 1.25;
constexpr int kRounds = 5;

template <class Product>
double seconds_of(const Product& product) {
  const auto start = std::chrono::steady_clock::now();
  const Tensor made = product();
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

/// How many times faster oneDNN is, each by its best of some rounds in turn, on one thread.
double one_dnn_speed() {
  const torch::NoGradGuard no_grad;
  const int threads = at::get_num_threads();
  at::set_num_threads(1);
  const Tensor x = torch::full({256, 512}, 0.5f), weight = torch::full({512, 512}, 0.25f);
  double one_dnn = 1e9, mkl = 1e9;
  for (int round = 0; round <= kRounds; ++round) {
    const double first = seconds_of([&] { return one_dnn_product(x, weight, {}); }),
                 second = seconds_of([&] { return at::mm(x, weight.t()); });
    if (round == 0) continue;  // kernels are compiled, pages come
    one_dnn = std::min(one_dnn, first);
    mkl = std::min(mkl, second);
  }
  at::set_num_threads(threads);
  return mkl / one_dnn;
}

ProductLibrary choose_library() {
  if (!one_dnn_linear()) return ProductLibrary::Mkl;
  if (const char* given = std::getenv("LUTHIER_PRODUCTS")) {
    if (std::string_view(given) == "mkl") return ProductLibrary::Mkl;
    if (std::string_view(given) == "onednn") return ProductLibrary::OneDnn;
    log_warning("LUTHIER_PRODUCTS is neither onednn nor mkl; the faster one is taken.");
  }
  if (!at::hasMKL()) return ProductLibrary::OneDnn;
  const double speed = one_dnn_speed();
  log_debug("float32 products: oneDNN has " + std::to_string(speed) + " times MKL's speed.");
  return speed >= kClearlyFaster ? ProductLibrary::OneDnn : ProductLibrary::Mkl;
}

}  // namespace

ProductLibrary product_library() {
  static const ProductLibrary chosen = choose_library();
  if (!other_products || !one_dnn_linear() || !at::hasMKL()) return chosen;
  return chosen == ProductLibrary::Mkl ? ProductLibrary::OneDnn : ProductLibrary::Mkl;
}

OtherProducts::OtherProducts() { other_products = true; }
OtherProducts::~OtherProducts() { other_products = false; }

Tensor one_dnn_product(const Tensor& x, const Tensor& weight, const Tensor& bias) {
  return one_dnn_linear()->call(x, weight,
                                bias.defined() ? std::optional<Tensor>(bias) : std::nullopt, "none",
                                c10::List<std::optional<at::Scalar>>(), "");
}

}  // namespace luthier
