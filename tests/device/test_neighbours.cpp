// SPDX-License-Identifier: GPL-3.0-or-later
// Which tensors lie below and beside one another, and the wider tensors that they are parts of.
#include "engine/device/neighbours.h"

#include <QtTest>  // after LibTorch: its keyword `slots` is a name there

using namespace luthier;
using torch::Tensor;

namespace {

Tensor counted(at::IntArrayRef sizes) {
  std::int64_t count = 1;
  for (const std::int64_t size : sizes) count *= size;
  return torch::arange(count, torch::kFloat32).view(sizes);
}

}  // namespace

class TestNeighbours : public QObject {
  Q_OBJECT

 private slots:
  void pieces() {
    const Tensor x = counted({4, 3, 10});
    const auto of = [](const Tensor& t) { return pieces_of(t).value(); };
    QCOMPARE(of(x).count, 1);
    QCOMPARE(of(x).length, 120);
    QCOMPARE(of(x.slice(2, 2, 6)).count, 12);
    QCOMPARE(of(x.slice(2, 2, 6)).length, 4);
    QCOMPARE(of(x.slice(2, 2, 6)).step, 10);
    QCOMPARE(of(x.slice(1, 0, 2)).count, 4);
    QCOMPARE(of(x.slice(1, 0, 2)).length, 20);
    QCOMPARE(of(x.slice(0, 1, 2)).count, 1);
    QVERIFY(!pieces_of(x.transpose(0, 1)));
    QVERIFY(!pieces_of(x.slice(1, 0, 2).slice(2, 0, 4)));  // no one step
    QVERIFY(!pieces_of(torch::ones({1, 5}).expand({3, 5})));
    QCOMPARE(row_step(x, 4).value(), 30);
    QCOMPARE(row_step(x.slice(2, 2, 6), 12).value(), 10);
    QVERIFY(!row_step(x.slice(2, 2, 6), 4));
    QVERIFY(!row_step(x, 7));
  }

  void below() {
    const Tensor whole = counted({9, 5});
    const auto parts = parted_below(whole, {2, 4, 3});
    QVERIFY(at::equal(at::cat({parts[0], parts[1], parts[2]}), whole));
    QVERIFY(is_below(parts[1], parts[0]) && is_below(parts[2], parts[1]));
    QVERIFY(!is_below(parts[0], parts[1]) && !is_below(parts[2], parts[0]));
    QVERIFY(at::equal(all_below(parts), whole));
    QVERIFY(at::equal(all_below({parts[1], parts[2]}), whole.slice(0, 2)));
    QVERIFY(!is_below(parts[1].clone(), parts[0]) && !is_below(parts[1].t(), parts[0]));
    QVERIFY(!is_below(parts[1].slice(1, 0, 3), parts[0]));
    QVERIFY(!is_below(Tensor(), parts[0]) && !is_below(parts[1], Tensor()));
    const auto numbers = parted_below(counted({6}), {1, 5});
    QVERIFY(is_below(numbers[1], numbers[0]) && all_below(numbers).size(0) == 6);
    // Another type over the same bytes is no neighbour.
    QVERIFY(!is_below(parts[1].view(torch::kInt32), parts[0]));
  }

  /// Each has a version and a gradient of its own.
  void autograd_takes_them_apart() {
    auto parts = parted_below(counted({4, 2}), {2, 2});
    QVERIFY(!parts[0].is_view() && !parts[1].is_view());
    const auto version = parts[0]._version();
    parts[1].add_(1);
    QCOMPARE(parts[0]._version(), version);
    parts[1].set_requires_grad(true);
    QVERIFY(!parts[0].requires_grad() && parts[1].is_leaf());
    (all_below(parts) * parts[1].sum()).sum().backward();
    QVERIFY(parts[1].grad().defined());
  }

  void beside_data() {
    QTest::addColumn<int>("rows");
    QTest::addColumn<int>("left");
    QTest::addColumn<int>("right");
    for (const int rows : {1, 2, 7})
      for (const int left : {1, 4})
        for (const int right : {1, 6})
          QTest::addRow("%d, %d, %d", rows, left, right) << rows << left << right;
  }
  void beside() {
    QFETCH(int, rows);
    QFETCH(int, left);
    QFETCH(int, right);
    const Tensor whole = counted({rows, left + right});
    const auto parts = parted_beside(whole, {rows}, {left, right});
    QVERIFY(at::equal(parts[0], whole.slice(1, 0, left)));
    QVERIFY(at::equal(parts[1], whole.slice(1, left)));
    QVERIFY(is_beside(parts[1], parts[0], rows) && !is_beside(parts[0], parts[1], rows));
    QVERIFY(!is_beside(parts[1].clone(), parts[0], rows));
    QVERIFY(at::equal(all_beside(parts, rows), whole));
    const auto deep = parted_beside(whole, {1, rows}, {left, right});
    QVERIFY(deep[1].sizes() == at::IntArrayRef({1, rows, right}));
    QVERIFY(at::equal(deep[1][0], parts[1]) && is_beside(deep[1], deep[0], rows));

    const auto made = empty_pair(parts[0].unsqueeze(1), parts[1], rows);
    QVERIFY(made.first.sizes() == at::IntArrayRef({rows, 1, left}));
    QVERIFY(is_beside(made.second, made.first, rows));
    made.first.fill_(1), made.second.fill_(2);
    QCOMPARE(all_beside({made.first, made.second}, rows).sum().item<float>(),
             static_cast<float>(rows * (left + 2 * right)));
    const auto apart = empty_pair(parts[0], parts[1], 0);
    QVERIFY(apart.first.is_contiguous() && !is_beside(apart.second, apart.first, rows));
    if (rows > 1) QCOMPARE(rows_beside(parts[1], parts[0]), rows);
    QCOMPARE(rows_beside(parts[1].clone(), parts[0]), 0);
  }

  void of_three_two_are_neighbours() {
    const auto parts = parted_beside(counted({5, 9}), {5}, {4, 3, 2});
    QVERIFY(is_beside(parts[1], parts[0], 5) && is_beside(parts[2], parts[1], 5));
    QVERIFY(!is_beside(parts[2], parts[0], 5));
    QVERIFY(at::equal(all_beside({parts[1], parts[2]}, 5), counted({5, 9}).slice(1, 4)));
    // Rows of another number, and halves one below the other, are not beside one another.
    const Tensor halves = counted({6, 4});
    QVERIFY(!is_beside(halves.slice(0, 3), halves.slice(0, 0, 3), 3));
    QVERIFY(!is_beside(parts[1].slice(0, 0, 4), parts[0], 5));
    QVERIFY(!is_beside(torch::empty({0, 2}), torch::empty({0, 2}), 1));
  }
};

QTEST_GUILESS_MAIN(TestNeighbours)
#include "test_neighbours.moc"
