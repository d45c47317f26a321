// SPDX-License-Identifier: GPL-3.0-or-later
// FP4 without its library: its numbers come back, both zeros are told apart, what is no FP4 is
// refused. What it shares with NF4 stands in test_nf4.cpp.
#include <limits>

#include "engine/nn/weight.h"
#include "engine/nn/weights/bnb_4bit.h"

#include <QtTest>  // after LibTorch: its keyword `slots` is a name there

using namespace luthier;
using torch::Tensor;

namespace {

Json settings(bool twice = false) {
  return {
      {"load_in_4bit", true}, {"bnb_4bit_quant_type", "fp4"}, {"bnb_4bit_use_double_quant", twice}};
}

const WeightPacking& fp4() {
  const auto kind = find_weight_kind(settings(), "here");
  return *weight_packing(**kind);
}

PackedPointer packed(const Tensor& weight, bool twice = false) {
  return fp4().pack(weight, settings(twice), "file: a.weight").take();
}

StoredParts parts_of(const PackedWeight& weight) {
  StoredParts parts;
  for (const auto& [end, tensor] : weight.stored()) parts[end] = tensor;
  return parts;
}

}  // namespace

class TestFp4 : public QObject {
  Q_OBJECT

 private slots:
  void init() { torch::manual_seed(13); }

  void its_own_numbers_come_back() {
    const StoredParts parts = parts_of(*packed(torch::ones({64})));
    const Tensor codes = parts.at(".quant_map");
    const float wanted[] = {0, 0.0625F, 8, 12, 4, 6, 2, 3};
    for (int i = 0; i < 8; ++i) {
      QCOMPARE(codes[i].item<float>(), wanted[i] / 12);
      QVERIFY(codes[i + 8].item<float>() == -wanted[i] / 12);
    }
    QVERIFY(parts.contains(".quant_state.bitsandbytes__fp4"));
    const Tensor scales = torch::tensor({1.0F, 0.5F, 8.0F, 0.0078125F}).view({4, 1});
    const Tensor weight = codes.repeat({4}).view({1, 64}) * scales;
    QVERIFY(at::equal(packed(weight)->dense_rows(0, 4, torch::kFloat32), weight));
  }

  /// A number just above zero is the second zero, one at or below it the first.
  void two_zeros() {
    Tensor weight = torch::zeros({64});
    weight[0] = 1, weight[1] = 1e-6F, weight[2] = -1e-6F, weight[3] = -0.0F;
    const Tensor bytes = parts_of(*packed(weight)).at("").view({-1});
    QCOMPARE(bytes[0].item<int>(), 3 << 4 | 8);
    QCOMPARE(bytes[1].item<int>(), 0);
  }

  void a_map_of_another_kind_is_refused() {
    StoredParts parts = parts_of(*packed(torch::randn({8, 16})));
    const Tensor own = parts.at(".quant_map");
    QVERIFY(fp4().read(parts, 8, 16, settings(), "file: a.weight").ok());
    for (const Tensor& other :
         {own.flip(0), own * 1.01, own.slice(0, 0, 8), own / 0.0, own.to(torch::kFloat16)}) {
      parts[".quant_map"] = other;
      const auto read = fp4().read(parts, 8, 16, settings(), "file: a.weight");
      QVERIFY(!read.ok());
      QVERIFY(read.error().where == "file: a.weight.quant_map");
    }
  }

  void what_is_not_finite_is_refused() {
    for (const float value :
         {std::numeric_limits<float>::quiet_NaN(), -std::numeric_limits<float>::infinity()}) {
      Tensor weight = torch::randn({4, 64});
      weight[3][63] = value;
      const auto refused = fp4().pack(weight, settings(), "file: a.weight");
      QVERIFY(!refused.ok() && refused.error().where == "file: a.weight");
    }
    // Each scale can be held; their mean's sum cannot.
    const Tensor large = torch::full({4, 64}, 3e38F);
    QVERIFY(fp4().pack(large, settings(), "here").ok());
    QVERIFY(!fp4().pack(large, settings(true), "here").ok());
  }

  /// Scales that differ by less than a float's inverse can say: none leaves its table.
  void the_smallest_numbers() {
    Tensor weight = torch::zeros({40, 64});
    weight[3][1] = 1e-45F, weight[7][5] = -3e-45F;
    const StoredParts parts = parts_of(*packed(weight, true));
    QCOMPARE(parts.at(".absmax").numel(), 40);
    const Tensor dense = packed(weight, true)->dense_rows(0, 40, torch::kFloat32);
    QVERIFY(at::isfinite(dense).all().item<bool>() && dense.abs().max().item<float>() < 1e-40F);
  }

  void scales_of_a_file_are_finite_and_in_range() {
    for (const auto& [twice, end] :
         {std::pair{false, ".absmax"}, {true, ".nested_absmax"}, {true, ".nested_quant_map"}}) {
      StoredParts parts = parts_of(*packed(torch::randn({8, 16}), twice));
      const Tensor own = parts.at(end);
      QVERIFY(fp4().read(parts, 8, 16, settings(twice), "file: a.weight").ok());
      Tensor bad = own.clone();
      bad[0] = std::numeric_limits<float>::quiet_NaN();
      parts[end] = bad;
      const auto read = fp4().read(parts, 8, 16, settings(twice), "file: a.weight");
      QVERIFY(!read.ok() && read.error().where == std::string("file: a.weight") + end);
    }
    StoredParts parts = parts_of(*packed(torch::randn({8, 16}), true));
    parts[".nested_quant_map"] = parts[".nested_quant_map"] * 2;
    QVERIFY(!fp4().read(parts, 8, 16, settings(true), "file: a.weight").ok());
  }
};

QTEST_GUILESS_MAIN(TestFp4)
#include "test_fp4.moc"
