// SPDX-License-Identifier: GPL-3.0-or-later
// The product of narrow numbers that gives float32, which CUDA has and the CPU has not: in one
// launch, as there, and checked as CUDA's is.
#include <torch/library.h>

#include "tests/pretend/arena.h"
#include "tests/pretend/graph.h"
#include "tests/pretend/ledger.h"
#include "tests/pretend/pretend.h"

namespace luthier::pretend {

namespace {

using at::Tensor;

Tensor wide_product(const Tensor& a, const Tensor& b, at::ScalarType type) {
  TORCH_CHECK(a.dim() == 2 && b.dim() == 2 && a.size(1) == b.size(0), "the matrices do not fit");
  TORCH_CHECK(a.is_privateuseone() && b.is_privateuseone() && a.scalar_type() == b.scalar_type() &&
                  (a.scalar_type() == at::kBFloat16 || a.scalar_type() == at::kHalf) &&
                  type == at::kFloat,
              "a product in float32 is of two narrow matrices of one type");
  const Tensor made = at::empty({a.size(0), b.size(1)}, a.options().dtype(type));
  do_and_note([=] {
    Work work{"mm", reach(a) + reach(b) + reach(made)};
    work.flops = 2 * static_cast<double>(a.size(0)) * static_cast<double>(a.size(1)) *
                 static_cast<double>(b.size(1));
    work.kind = Work::Kind::Product;
    record(work);
    if (is_dry() && (is_large(made) || is_large(a) || is_large(b))) return;
    readable(made).copy_(at::mm(readable(a).to(at::kFloat), readable(b).to(at::kFloat)));
  });
  return made;
}

}  // namespace

}  // namespace luthier::pretend

TORCH_LIBRARY_IMPL(aten, PrivateUse1, library) {
  library.impl("mm.dtype", luthier::pretend::wide_product);
}
