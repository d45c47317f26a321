// SPDX-License-Identifier: GPL-3.0-or-later
#include "engine/nn/made_again.h"

#include <algorithm>
#include <memory>
#include <utility>

#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/custom_function.h>

#include "engine/nn/products.h"

namespace luthier {

namespace {

using torch::Tensor;
using torch::autograd::AutogradContext;
using torch::autograd::variable_list;

/// A function on its way through a context.
template <class Make>
struct KeptMake : torch::CustomClassHolder {
  explicit KeptMake(Make made) : make(std::move(made)) {}
  Make make;

  static void keep(AutogradContext* context, const Make& make) {
    context->saved_data["make"] =
        c10::IValue::make_capsule(c10::make_intrusive<KeptMake<Make>>(make));
  }
  static c10::intrusive_ptr<KeptMake<Make>> of(AutogradContext* context) {
    return c10::static_intrusive_pointer_cast<KeptMake<Make>>(
        context->saved_data["make"].toCapsule());
  }
};

/// Leaves with the same numbers, of which those that want a gradient get one.
std::vector<Tensor> fresh_leaves(const variable_list& saved, const AutogradContext& context,
                                 std::size_t first_input) {
  std::vector<Tensor> leaves;
  for (std::size_t i = 1; i < saved.size(); ++i) {
    leaves.push_back(saved[i].detach());
    leaves.back().set_requires_grad(context.needs_input_grad(first_input + i - 1));
  }
  return leaves;
}

/// Gradients of `of` where its leaves want one, in their places.
void put_gradients(const Tensor& of, const Tensor& gradient, const std::vector<Tensor>& leaves,
                   std::size_t first, variable_list& results) {
  variable_list wanted;
  for (const Tensor& leaf : leaves)
    if (leaf.requires_grad()) wanted.push_back(leaf);
  if (wanted.empty() || !of.requires_grad()) return;
  const variable_list made = torch::autograd::grad({of}, wanted, {gradient}, /*retain_graph=*/false,
                                                   /*create_graph=*/false, /*allow_unused=*/true);
  for (std::size_t i = 0, k = 0; i < leaves.size(); ++i)
    if (leaves[i].requires_grad()) results[first + i] = made[k++];
}

/// A made matrix and the weight that it stands beside; undefined: there is none.
struct MadeBeside {
  MadeMatrix make;
  Tensor base, bias;

  /// [out, in] of x's type: what x is multiplied with.
  Tensor multiplied(const Tensor& made, torch::ScalarType type) const {
    return base.defined() ? made.detach().add_(base) : made.detach().to(type);
  }
};

class ProductFunction : public torch::autograd::Function<ProductFunction> {
 public:
  /// `told`: x, then what trains.
  static Tensor forward(AutogradContext* context, at::TensorList told, const MadeBeside& beside) {
    context->save_for_backward(told.vec());
    KeptMake<MadeBeside>::keep(context, beside);
    const Tensor made = beside.make(told.slice(1).vec());
    return linear_product(told[0], beside.multiplied(made, told[0].scalar_type()), beside.bias);
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const auto kept = KeptMake<MadeBeside>::of(context);
    variable_list results(saved.size() + 1);
    const std::vector<Tensor> leaves = fresh_leaves(saved, *context, 1);
    const bool trains = std::any_of(leaves.begin(), leaves.end(),
                                    [](const Tensor& leaf) { return leaf.requires_grad(); });
    Tensor matrix;  // [out, in] float32
    {
      const at::AutoGradMode grad(trains);
      matrix = kept->make.make(leaves);
    }
    const Tensor& x = saved[0];
    const Tensor dy = gradients[0].reshape({-1, gradients[0].size(-1)});  // [n, out]
    if (context->needs_input_grad(0))
      results[0] = matrix_product(dy, kept->make.multiplied(matrix, dy.scalar_type())).view_as(x);
    if (trains) {
      const Tensor dmatrix =
          product_as(dy.t(), x.reshape({-1, x.size(-1)}), matrix.scalar_type());  // [out, in]
      put_gradients(matrix, dmatrix, leaves, 1, results);
    }
    return results;
  }
};

class InputFunction : public torch::autograd::Function<InputFunction> {
 public:
  /// `told`: x, then what trains.
  static Tensor forward(AutogradContext* context, at::TensorList told, const MadeFromInput& make) {
    context->save_for_backward(told.vec());
    KeptMake<MadeFromInput>::keep(context, make);
    return make(told[0], told.slice(1).vec());
  }

  static variable_list backward(AutogradContext* context, variable_list gradients) {
    const auto saved = context->get_saved_variables();
    const auto kept = KeptMake<MadeFromInput>::of(context);
    variable_list results(saved.size() + 1);
    std::vector<Tensor> leaves = fresh_leaves(saved, *context, 1);
    leaves.insert(leaves.begin(), saved[0].detach());
    leaves.front().set_requires_grad(context->needs_input_grad(0));
    Tensor made;
    {
      const at::AutoGradMode grad(true);
      made = kept->make(leaves.front(), {leaves.begin() + 1, leaves.end()});
    }
    put_gradients(made, gradients[0], leaves, 0, results);
    return results;
  }
};

bool learns(const Tensor& x, const std::vector<Tensor>& trained) {
  return at::GradMode::is_enabled() &&
         (x.requires_grad() || std::any_of(trained.begin(), trained.end(), [](const Tensor& each) {
            return each.requires_grad();
          }));
}

std::vector<Tensor> with_input(const Tensor& x, const std::vector<Tensor>& trained) {
  std::vector<Tensor> told{x};
  told.insert(told.end(), trained.begin(), trained.end());
  return told;
}

}  // namespace

Tensor product_with_made(const Tensor& x, const std::vector<Tensor>& trained,
                         const MadeMatrix& make) {
  return product_with_made(x, {}, {}, trained, make);
}

Tensor product_with_made(const Tensor& x, const Tensor& base, const Tensor& bias,
                         const std::vector<Tensor>& trained, const MadeMatrix& make) {
  const MadeBeside beside{make, base, bias};
  if (!learns(x, trained))
    return linear_product(x, beside.multiplied(make(trained), x.scalar_type()), bias);
  const std::vector<Tensor> told = with_input(x, trained);
  return ProductFunction::apply(at::TensorList(told), beside);
}

Tensor made_from_input(const Tensor& x, const std::vector<Tensor>& trained,
                       const MadeFromInput& make) {
  if (!learns(x, trained)) return make(x, trained);
  const std::vector<Tensor> told = with_input(x, trained);
  return InputFunction::apply(at::TensorList(told), make);
}

}  // namespace luthier
