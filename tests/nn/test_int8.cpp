// SPDX-License-Identifier: GPL-3.0-or-later
// Eight bits without their library: rows by their largest magnitude, answers of whole numbers
// beside the formula written out once more, training over dense numbers, files that lie.
#include <limits>

#include <torch/csrc/autograd/autograd.h>

#include "engine/nn/weight.h"

#include <QtTest>  // after LibTorch: its keyword `slots` is a name there

using namespace luthier;
using torch::Tensor;

namespace {

Json settings(double threshold = 6) {
  return {{"load_in_8bit", true}, {"llm_int8_threshold", threshold}};
}

const WeightPacking& int8() {
  const auto kind = find_weight_kind(settings(), "here");
  return *weight_packing(**kind);
}

PackedPointer packed(const Tensor& weight, const Json& how = settings()) {
  return int8().pack(weight, how, "file: a.weight").take();
}

StoredParts parts_of(const PackedWeight& weight) {
  StoredParts parts;
  for (const auto& [end, tensor] : weight.stored()) parts[end] = tensor;
  return parts;
}

/// 1/127² to the five digits that the library has of it.
constexpr double kBothSteps = 6.200124e-05;

/// LLM.int8 of one row of x after another, in double where nothing is rounded.
Tensor written_out(const Tensor& x, const PackedWeight& weight, double threshold) {
  const StoredParts parts = parts_of(weight);
  const Tensor codes = parts.at("").to(torch::kFloat64),
               scales = parts.at(".SCB").to(torch::kFloat64);
  const Tensor near = x.to(torch::kFloat16).to(torch::kFloat64);
  Tensor apart = torch::zeros({x.size(1)}, torch::kBool);
  if (threshold > 0) apart = (near.abs() >= threshold).any(0);
  Tensor y = torch::zeros({x.size(0), codes.size(0)}, torch::kFloat64);
  for (std::int64_t row = 0; row < x.size(0); ++row) {
    Tensor values = near[row].clone();
    if (threshold > 0) values.masked_fill_(values.abs() >= threshold, 0);
    const double largest = values.abs().max().item<double>();
    Tensor whole = at::round(values * 127.0 / std::max(largest, 1e-30));
    whole.masked_fill_(apart, 0);
    y[row] = codes.mv(whole) * scales * largest * kBothSteps +
             (codes * scales.unsqueeze(1) / 127.0).mv(x[row].to(torch::kFloat64) * apart);
  }
  return y.to(torch::kFloat32);
}

}  // namespace

class TestInt8 : public QObject {
  Q_OBJECT

 private slots:
  void init() { torch::manual_seed(12); }

  void rows_by_their_largest() {
    const Tensor weight =
        torch::tensor({{1.0F, -2.0F, 0.5F}, {0.0F, 0.0F, 0.0F}, {127.0F, 64.0F, -127.0F}});
    const StoredParts parts = parts_of(*packed(weight));
    const Tensor wanted =
        torch::tensor({{64, -127, 32}, {0, 0, 0}, {127, 64, -127}}, torch::kInt64).to(torch::kInt8);
    QVERIFY(at::equal(parts.at(""), wanted));
    QVERIFY(at::equal(parts.at(".SCB"), torch::tensor({2.0F, 0.0F, 127.0F})));
    QVERIFY(parts.at(".weight_format").dim() == 0 && parts.at(".weight_format").item<int>() == 0);
    QVERIFY(at::allclose(packed(weight)->dense_rows(2, 3, torch::kFloat32)[0], weight[2], 1e-6));
  }

  void is_near_what_it_was_made_of() {
    const Tensor weight = torch::randn({96, 130});
    const Weight eight(packed(weight));
    const Tensor most = weight.abs().amax(1, true) * (0.5 / 127 + 1e-3);
    QVERIFY(((eight.dense() - weight).abs() <= most).all().item<bool>());
    QCOMPARE(eight.bytes(), int8().kind->bytes(96, 130, settings()));
  }

  void rows_from_anywhere() {
    const auto weight = packed(torch::randn({37, 65}));
    const Tensor whole = weight->dense_rows(0, 37, torch::kFloat32);
    for (const auto& [begin, end] : {std::pair{5, 6}, {7, 30}, {36, 37}, {4, 4}})
      QVERIFY(
          at::equal(weight->dense_rows(begin, end, torch::kFloat32), whole.slice(0, begin, end)));
    QVERIFY(at::equal(weight->dense_rows(0, 37, torch::kBFloat16), whole.to(torch::kBFloat16)));
  }

  void what_is_stored_is_read_back() {
    const auto weight = packed(torch::randn({31, 33}));
    const auto again = int8().read(parts_of(*weight), 31, 33, settings(), "file: a.weight");
    QVERIFY2(again.ok(), again.ok() ? "" : again.error().sentence().c_str());
    QVERIFY(at::equal((*again)->dense_rows(0, 31, torch::kFloat32),
                      weight->dense_rows(0, 31, torch::kFloat32)));
    StoredParts old = parts_of(*weight);
    old.erase(".weight_format");  // as bitsandbytes wrote them before 0.38
    QVERIFY(int8().read(old, 31, 33, settings(), "file: a.weight").ok());
  }

  void an_answer_is_made_of_whole_numbers_data() {
    QTest::addColumn<double>("threshold");
    QTest::addColumn<int>("rows");
    for (const double threshold : {0.0, 6.0, 1.0})
      for (const int rows : {1, 5}) QTest::addRow("%g, %d", threshold, rows) << threshold << rows;
  }
  void an_answer_is_made_of_whole_numbers() {
    QFETCH(double, threshold);
    QFETCH(int, rows);
    Tensor x = torch::randn({rows, 72});
    x[0][3] = 41.5F, x[rows - 1][70] = -9.0F;
    const auto eight = packed(torch::randn({48, 72}), settings(threshold));
    const Tensor bias = torch::randn({48});
    const Tensor y = Weight(eight).product(x, bias);
    const Tensor wanted = written_out(x, *eight, threshold) + bias;
    QVERIFY(at::allclose(y, wanted, 1e-4, 1e-4));
    // Otherwise than by the dense numbers.
    QVERIFY(!at::allclose(y, at::linear(x, Weight(eight).dense(), bias), 1e-4, 1e-4));
  }

  void zeros_and_endless_numbers_of_float16() {
    const auto eight = packed(torch::randn({16, 24}));
    Tensor x = torch::zeros({3, 24});
    QVERIFY(at::equal(Weight(eight).product(x, {}), torch::zeros({3, 16})));
    x[1][2] = 1e5F;  // infinite there, so its column is an outlier
    QVERIFY(at::allclose(Weight(eight).product(x, {}), at::linear(x, Weight(eight).dense()), 1e-4));
  }

  void training_multiplies_dense_numbers() {
    const Weight eight(packed(torch::randn({48, 40})));
    const Tensor x = torch::randn({6, 40}).set_requires_grad(true), g = torch::randn({6, 48});
    const auto back = [&] {
      const Tensor y = eight.product(x, {});
      return std::pair(y, torch::autograd::grad({(y * g).sum()}, {x})[0]);
    };
    const Tensor answered = back().first;
    {
      const TrainingProducts training;
      QVERIFY(eight.row_by_row());
      const auto [y, dx] = back();
      QVERIFY(at::allclose(y, at::linear(x, eight.dense()), 1e-5, 1e-5));
      QVERIFY(!at::allclose(y, answered, 1e-5, 1e-5));
      QVERIFY(at::allclose(dx, g.matmul(eight.dense()), 1e-5, 1e-5));
    }
    QVERIFY(!eight.row_by_row());  // an outlier in one row is one for all
    QVERIFY(at::equal(back().first, answered));
    QVERIFY(at::allclose(back().second, g.matmul(eight.dense()), 1e-5, 1e-5));
  }

  void what_cannot_be_packed_is_refused() {
    for (const double value :
         {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity(), 1e6}) {
      Tensor weight = torch::randn({4, 8});
      weight[2][3] = value;
      const auto refused = int8().pack(weight, settings(), "file: a.weight");
      QVERIFY(!refused.ok());
      QVERIFY(refused.error().where == "file: a.weight");
      QVERIFY((refused.error().what.find("float16") != std::string::npos) == (value == 1e6));
    }
  }

  void files_may_lie() {
    const StoredParts parts = parts_of(*packed(torch::randn({8, 16})));
    const auto refused = [&](const char* end, const Tensor& instead) {
      StoredParts changed = parts;
      changed[end] = instead;
      const auto read = int8().read(changed, 8, 16, settings(), "file: m.a.weight");
      return read.ok() ? std::string() : read.error().sentence();
    };
    QVERIFY(refused("", parts.at("")).empty());
    QVERIFY(!refused("", parts.at("").slice(0, 0, 7)).empty());
    QVERIFY(!refused("", parts.at("").to(torch::kFloat32)).empty());
    QVERIFY(!refused("", parts.at("").t()).empty());
    QVERIFY(refused(".SCB", parts.at(".SCB").slice(0, 0, 7)).find("m.a.SCB") != std::string::npos);
    QVERIFY(!refused(".SCB", parts.at(".SCB").to(torch::kFloat16)).empty());
    QVERIFY(refused(".SCB", parts.at(".SCB") / 0.0).find("finite") != std::string::npos);
    QVERIFY(refused(".SCB", -parts.at(".SCB")).find("below zero") != std::string::npos);
    QVERIFY(refused(".weight_format", torch::ones({}, torch::kUInt8)).find("m.a.weight_format") !=
            std::string::npos);
    StoredParts missing = parts;
    missing.erase(".SCB");
    QVERIFY(!int8().read(missing, 8, 16, settings(), "file: m.a.weight").ok());
  }
};

QTEST_GUILESS_MAIN(TestInt8)
#include "test_int8.moc"
