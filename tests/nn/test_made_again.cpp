// SPDX-License-Identifier: GPL-3.0-or-later
// Products with a matrix that is made twice: the same numbers and gradients as autograd's own over
// the formula, for what wants one, and nothing made in between is kept.
#include "engine/nn/made_again.h"

#include <QtTest>

#include <torch/csrc/autograd/autograd.h>

using namespace luthier;
using torch::Tensor;

class TestMadeAgain : public QObject {
  Q_OBJECT

  static bool near_to(const Tensor& got, const Tensor& wanted) {
    return got.sizes() == wanted.sizes() &&
           ((got - wanted).abs().max() / wanted.abs().max()).item<double>() < 1e-5;
  }

 private slots:
  void a_product_and_its_gradients() {
    torch::manual_seed(1);
    const Tensor x = torch::randn({2, 3, 5}).requires_grad_(true),
                 a = torch::randn({4, 2}).requires_grad_(true),
                 b = torch::randn({2, 5}).requires_grad_(true), dy = torch::randn({2, 3, 4});
    int made = 0;
    const MadeMatrix make = [&](const std::vector<Tensor>& t) {
      ++made;
      return at::mm(t[0], t[1]).square();
    };
    const Tensor plain = at::matmul(x, at::mm(a, b).square().t());
    const Tensor y = product_with_made(x, {a, b}, make);
    QCOMPARE(made, 1);
    QVERIFY(near_to(y, plain));
    const auto wanted = torch::autograd::grad({plain}, {x, a, b}, {dy});
    const auto got = torch::autograd::grad({y}, {x, a, b}, {dy});
    QCOMPARE(made, 2);
    for (std::size_t i = 0; i < 3; ++i) QVERIFY(near_to(got[i], wanted[i]));
    // What wants no gradient gets none, and without any nothing is kept.
    const Tensor fixed = product_with_made(x.detach(), {a.detach(), b}, make);
    const auto one = torch::autograd::grad({fixed}, {b}, {dy});
    QVERIFY(near_to(one[0], wanted[2]));
    QVERIFY(!product_with_made(x.detach(), {a.detach(), b.detach()}, make).requires_grad());
  }

  void what_becomes_of_an_input() {
    torch::manual_seed(2);
    const Tensor x = torch::randn({6, 5}).requires_grad_(true),
                 q = torch::randn({5, 5}).requires_grad_(true), dy = torch::randn({6, 5});
    const MadeFromInput make = [](const Tensor& in, const std::vector<Tensor>& t) {
      return in + at::matmul(in, t[0] - t[0].t());
    };
    const Tensor plain = make(x, {q}), y = made_from_input(x, {q}, make);
    QVERIFY(torch::equal(y, plain));
    const auto wanted = torch::autograd::grad({plain}, {x, q}, {dy});
    const auto got = torch::autograd::grad({y}, {x, q}, {dy});
    for (std::size_t i = 0; i < 2; ++i) QVERIFY(near_to(got[i], wanted[i]));
    const auto one = torch::autograd::grad({made_from_input(x.detach(), {q}, make)}, {q}, {dy});
    QVERIFY(near_to(one[0], wanted[1]));
  }
};

QTEST_GUILESS_MAIN(TestMadeAgain)
#include "test_made_again.moc"
