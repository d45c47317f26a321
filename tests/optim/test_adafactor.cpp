// SPDX-License-Identifier: GPL-3.0-or-later
// Adafactor against its formulas, a number at a time: a vector with all its moments, a matrix with
// those of rows and columns, the clipping of an update.
#include <cmath>

#include "engine/config/kinds.h"
#include "engine/optim/optimizers.h"

#include <QtTest>  // after LibTorch: its keyword `slots` is a name there

using namespace luthier;

namespace {

/// The change of one step before the rate: gradients over the roots, clipped to a root mean square
/// of 1.
std::vector<double> clipped(std::vector<double> change) {
  double squares = 0;
  for (const double each : change) squares += each * each;
  const double size = std::sqrt(squares / static_cast<double>(change.size()));
  for (double& each : change) each /= std::max(1.0, size);
  return change;
}

Recipe settings() {
  Recipe recipe;
  recipe.training.optim = "adafactor";
  recipe.training.weight_decay = 0.25;
  return recipe;
}

bool near(const torch::Tensor& weight, const std::vector<double>& value) {
  const torch::Tensor flat = weight.detach().flatten();
  for (std::size_t i = 0; i < value.size(); ++i) {
    if (std::abs(flat[static_cast<std::int64_t>(i)].item<double>() - value[i]) > 2e-6) return false;
  }
  return true;
}

}  // namespace

class TestAdafactor : public QObject {
  Q_OBJECT

 private slots:
  void vectors_follow_the_formula() {
    torch::Tensor weight = torch::tensor({1.0f, -2.0f, 0.5f}).requires_grad_(true);
    auto adafactor = make_optimizer({{"w", "", weight, true}}, settings());
    std::vector<double> value{1, -2, 0.5}, moment{0, 0, 0};
    int step = 0;
    for (const std::vector<double>& gradient :
         {std::vector<double>{0.5, -1, 0.01}, {-0.01, 20, 0.1}, {-4, 0.3, -0.2}}) {
      weight.mutable_grad() = torch::tensor(gradient).to(torch::kFloat32);
      adafactor->step(0.1);
      const double memory = 1 - std::pow(++step, -0.8);
      std::vector<double> change(3);
      for (std::size_t i = 0; i < 3; ++i) {
        moment[i] = memory * moment[i] + (1 - memory) * (gradient[i] * gradient[i] + 1e-30);
        change[i] = gradient[i] / std::sqrt(moment[i]);
      }
      change = clipped(change);
      for (std::size_t i = 0; i < 3; ++i) value[i] -= 0.1 * 0.25 * value[i] + 0.1 * change[i];
      QVERIFY(near(weight, value));
    }
  }

  void matrices_keep_means_of_rows_and_columns() {
    torch::Tensor weight =
        torch::tensor({{1.0f, -2.0f, 0.5f}, {0.0f, 3.0f, -1.0f}}).requires_grad_(true);
    auto adafactor = make_optimizer({{"w", "", weight, false}}, settings());
    std::vector<double> value{1, -2, 0.5, 0, 3, -1}, rows(2), columns(3);
    int step = 0;
    for (const std::vector<double>& gradient :
         {std::vector<double>{0.5, -1, 0.25, 2, 0.1, -0.3}, {-0.1, 9, 0.1, 0.2, 0.3, 0.4}}) {
      weight.mutable_grad() = torch::tensor(gradient).to(torch::kFloat32).view({2, 3});
      adafactor->step(0.1);
      const double memory = 1 - std::pow(++step, -0.8);
      std::vector<double> row_means(2), column_means(3);
      for (std::size_t i = 0; i < 6; ++i) {
        const double square = gradient[i] * gradient[i] + 1e-30;
        row_means[i / 3] += square / 3;
        column_means[i % 3] += square / 2;
      }
      for (std::size_t r = 0; r < 2; ++r) rows[r] = memory * rows[r] + (1 - memory) * row_means[r];
      for (std::size_t c = 0; c < 3; ++c)
        columns[c] = memory * columns[c] + (1 - memory) * column_means[c];
      const double mean = (rows[0] + rows[1]) / 2;
      std::vector<double> change(6);
      for (std::size_t i = 0; i < 6; ++i)
        change[i] = gradient[i] / std::sqrt(rows[i / 3] / mean * columns[i % 3]);
      change = clipped(change);
      for (std::size_t i = 0; i < 6; ++i) value[i] -= 0.1 * change[i];  // this one does not decay
      QVERIFY(near(weight, value));
    }
  }

  void state_is_next_to_nothing() {
    const StateLayout layout = state_layout(settings());
    QCOMPARE(state_bytes(layout, {{7}}), 7 * 4);
    QCOMPARE(state_bytes(layout, {{300, 500}}), (300 + 500) * 4);
    QCOMPARE(state_bytes(layout, {{8, 3, 14, 14}}), (8 * 3 * 14 + 8 * 3 * 14) * 4);
  }
};

QTEST_APPLESS_MAIN(TestAdafactor)
#include "test_adafactor.moc"
