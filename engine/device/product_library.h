// SPDX-License-Identifier: GPL-3.0-or-later
// Who makes float32 products on this processor. Of the two libraries that LibTorch carries MKL
// reaches AVX-512 on Intel's alone and is then the faster one, above all where one side is small;
// oneDNN reaches it on every maker's (1.1 to 2.3 times MKL's speed on two that are not Intel's). No
// table of processors is kept: both are timed for some milliseconds at first use, and the maker
// decides where they are near one another. Where cores multiply tiles, products with no small side
// are made of those (device/split_product), which is faster than either and more exact; those of
// few rows are made as the weight lies (device/few_rows), where that is.
#pragma once

#include <string>
#include <string_view>

#include "engine/device/torch.h"

namespace luthier {

/// Mkl: whatever LibTorch takes by itself.
enum class ProductLibrary { OneDnn, Mkl, Tiles, FewRows };

/// A product of so few rows reads its weights for little work, and in one that neither reads nor
/// makes this many numbers a call's own time shows: a library that is slower at large ones may be
/// the faster one there. The three classes of shapes are timed apart.
inline constexpr std::int64_t kFewRows = 32, kLargeProduct = 1 << 18;
enum class ProductClass { Large, Small, FewRows };
/// Of x [rows, in] · weight [out, in]ᵀ.
ProductClass product_class(std::int64_t rows, std::int64_t in, std::int64_t out);

/// The choice of this process for x [rows, in] · weight [out, in]ᵀ; made at the first question, by
/// the thread that asks, which must not yet compute. The last bits of a product depend on it, so
/// the answer is made to be the same on one machine every time: a library must be a good deal
/// faster to be taken in place of the usual one, in processor time, which other programs hardly
/// change, and what the first process of a machine chose stands for those behind it
/// (io/own_cache). LUTHIER_PRODUCTS (onednn, mkl or tiles) decides instead where it is set. `as_it_lies`:
/// the numbers of a row stand side by side, of x and of the weight.
ProductLibrary product_library(std::int64_t rows, std::int64_t in, std::int64_t out,
                               bool as_it_lies = false);
/// Whether MKL makes products of any class.
bool mkl_makes_products();
/// "mkl" or "onednn", as a run records it; "onednn/mkl" where few rows are the other's;
/// "onednn/mkl/mkl" where small products are not made as large ones are: large, small, few rows.
/// "tiles+" stands before it where tiles make those with no small side, "+rows" behind it where
/// those of few rows are made as their weights lie.
std::string product_library_name();
/// From now on the products are made as this name says, as a resumed run had them; of any other
/// name, or where LUTHIER_PRODUCTS is set or this LibTorch lacks it, the process's choice.
void keep_products(std::string_view name);

/// While one stands, the products of its thread are another's where this LibTorch has both
/// libraries or tiles make them: the same sums, added in another order.
class OtherProducts {
 public:
  OtherProducts();
  ~OtherProducts();
  OtherProducts(const OtherProducts&) = delete;
  OtherProducts& operator=(const OtherProducts&) = delete;
};

/// x [n, in] · weightᵀ + bias → [n, out] by oneDNN, outside autograd; views of any stride. Call
/// only where product_library() says OneDnn.
torch::Tensor one_dnn_product(const torch::Tensor& x, const torch::Tensor& weight,
                              const torch::Tensor& bias);
/// scale · x [n, in] · weightᵀ + bias → [n, out] as the weight lies, outside autograd. Call this
/// and put_few_rows only where product_library() says FewRows.
torch::Tensor few_rows_product(const torch::Tensor& x, const torch::Tensor& weight,
                               const torch::Tensor& bias, double scale);
/// The same into `result` [n, out], whose rows may lie apart; adds: to what stands there.
void put_few_rows(torch::Tensor& result, const torch::Tensor& x, const torch::Tensor& weight,
                  const torch::Tensor& bias, double scale, bool adds);

}  // namespace luthier
