// SPDX-License-Identifier: GPL-3.0-or-later
// NF4 without its library: what can be held exactly comes back exactly, rows come from anywhere,
// tensor operations give what the loops give, bytes are those of the row, files may lie.
#include <torch/csrc/autograd/autograd.h>

#include "engine/nn/weight.h"
#include "engine/nn/weights/bnb_4bit.h"

#include <QtTest>  // after LibTorch: its keyword `slots` is a name there

using namespace luthier;
using torch::Tensor;

namespace {

Json settings(bool double_quant = false, const char* compute = "float32") {
  return {{"load_in_4bit", true},
          {"bnb_4bit_quant_type", "nf4"},
          {"bnb_4bit_use_double_quant", double_quant},
          {"bnb_4bit_compute_dtype", compute}};
}

const WeightPacking& nf4() {
  const auto kind = find_weight_kind(settings(), "here");
  return *weight_packing(**kind);
}

PackedPointer packed(const Tensor& weight, const Json& how) {
  return nf4().pack(weight, how, "file: a.weight").take();
}

StoredParts parts_of(const PackedWeight& weight) {
  StoredParts parts;
  for (const auto& [end, tensor] : weight.stored()) parts[end] = tensor;
  return parts;
}

Tensor text(const std::string& words) {
  const Tensor bytes = torch::empty({static_cast<std::int64_t>(words.size())}, torch::kUInt8);
  std::copy(words.begin(), words.end(), bytes.data_ptr<std::uint8_t>());
  return bytes;
}

}  // namespace

class TestNf4 : public QObject {
  Q_OBJECT

 private slots:
  void init() { torch::manual_seed(11); }

  void its_own_numbers_come_back() {
    const Tensor codes = parts_of(*packed(torch::ones({64}), settings())).at(".quant_map");
    QCOMPARE(codes.numel(), 16);
    QVERIFY(codes[0].item<float>() == -1 && codes[7].item<float>() == 0 &&
            codes[15].item<float>() == 1);
    // Four blocks, each with all sixteen, scaled by powers of two so that nothing is rounded.
    const Tensor scales = torch::tensor({1.0F, 0.5F, 8.0F, 0.0078125F}).view({4, 1});
    const Tensor weight = codes.repeat({4}).view({1, 64}) * scales;
    QVERIFY(at::equal(packed(weight, settings())->dense_rows(0, 4, torch::kFloat32), weight));
  }

  /// No number is further from what it stands for than half of the widest gap of the sixteen.
  void is_near_what_it_was_made_of() {
    for (const bool twice : {false, true}) {
      const Tensor weight = torch::randn({96, 130});
      const Weight four(packed(weight, settings(twice)));
      const Tensor flat = weight.view({-1, 64});
      const Tensor most = flat.abs().amax(1, true) * (twice ? 0.17 : 0.152);
      QVERIFY(((four.dense().view({-1, 64}) - flat).abs() <= most).all().item<bool>());
    }
  }

  void zeros_stay_zeros() {
    for (const bool twice : {false, true})
      QVERIFY(packed(torch::zeros({5, 40}), settings(twice))
                  ->dense_rows(0, 5, torch::kFloat32)
                  .eq(0)
                  .all()
                  .item<bool>());
  }

  void rows_from_anywhere_data() {
    QTest::addColumn<int>("cols");
    QTest::addColumn<bool>("twice");
    for (const int cols : {64, 33, 130, 1}) {
      QTest::addRow("%d", cols) << cols << false;
      QTest::addRow("%d twice", cols) << cols << true;
    }
  }
  void rows_from_anywhere() {
    QFETCH(int, cols);
    QFETCH(bool, twice);
    const auto weight = packed(torch::randn({37, cols}), settings(twice));
    const Tensor whole = weight->dense_rows(0, 37, torch::kFloat32);
    for (const auto& [begin, end] : {std::pair{0, 37}, {5, 6}, {7, 30}, {36, 37}, {4, 4}}) {
      QVERIFY(
          at::equal(weight->dense_rows(begin, end, torch::kFloat32), whole.slice(0, begin, end)));
      const Tensor operations =
          bnb_4bit::dense_by_operations(*weight, begin * cols, end * cols, torch::kFloat32);
      QVERIFY(at::equal(operations, whole.slice(0, begin, end).reshape({-1})));
    }
    QVERIFY(at::equal(weight->dense_rows(0, 37, torch::kBFloat16), whole.to(torch::kBFloat16)));
    QCOMPARE(weight->bytes(), nf4().kind->bytes(37, cols, settings(twice)));
  }

  void what_is_stored_is_read_back() {
    for (const bool twice : {false, true}) {
      for (const auto type : {torch::kFloat32, torch::kBFloat16, torch::kFloat16}) {
        const auto weight = packed(torch::randn({31, 33}).to(type), settings(twice, "auto"));
        const auto again =
            nf4().read(parts_of(*weight), 31, 33, settings(twice, "auto"), "file: a.weight");
        QVERIFY2(again.ok(), again.ok() ? "" : again.error().sentence().c_str());
        QVERIFY(at::equal((*again)->dense_rows(0, 31, type), weight->dense_rows(0, 31, type)));
        QVERIFY((*again)->dtype() == type && !(*again)->compute_dtype);
        QCOMPARE((*again)->bytes(), weight->bytes());
      }
    }
  }

  void a_short_last_block_and_half_a_byte() {
    const Tensor weight = torch::randn({1, 65});
    const auto four = packed(weight, settings());
    const StoredParts parts = parts_of(*four);
    QCOMPARE(parts.at("").numel(), 33);
    QCOMPARE(parts.at(".absmax").numel(), 2);
    // A block of one number is that number.
    QCOMPARE(four->dense_rows(0, 1, torch::kFloat32)[0][64].item<float>(),
             weight[0][64].item<float>());
  }

  void files_may_lie_data() {
    QTest::addColumn<QString>("end");
    QTest::addColumn<QString>("state");  // in the place of the JSON; empty: the tensor is cut short
    for (const char* end :
         {"", ".absmax", ".nested_absmax", ".nested_quant_map", ".quant_state.bitsandbytes__nf4"})
      QTest::newRow(end) << end << "";
    const auto state = [](const char* name, const QString& json) {
      QTest::newRow(name) << ".quant_state.bitsandbytes__nf4" << json;
    };
    const QString whole = R"({"quant_type": "nf4", "blocksize": 64, "dtype": "float32", )";
    state("no object", "[]");
    state("no JSON", "{");
    state("another type",
          R"({"quant_type": "fp4", "blocksize": 64, "dtype": "float32", "shape": [8, 16]})");
    state("blocks of nothing",
          R"({"quant_type": "nf4", "blocksize": 0, "dtype": "float32", "shape": [8, 16]})");
    state("blocks of 48",
          R"({"quant_type": "nf4", "blocksize": 48, "dtype": "float32", "shape": [8, 16]})");
    state("a type that is none",
          R"({"quant_type": "nf4", "blocksize": 64, "dtype": "int8", "shape": [8, 16]})");
    state("another shape", whole + R"("shape": [16, 8]})");
    state("no shape", whole + R"("shape": null})");
    state("no number", whole + R"("shape": [8, 16], "nested_offset": "0"})");
  }
  void files_may_lie() {
    QFETCH(QString, end);
    QFETCH(QString, state);
    StoredParts parts = parts_of(*packed(torch::randn({8, 16}), settings(true)));
    QVERIFY(nf4().read(parts, 8, 16, settings(true), "file: a.weight").ok());
    Tensor& part = parts.at(end.toStdString());
    part = state.isEmpty() ? part.slice(0, 0, part.size(0) - 1) : text(state.toStdString());
    const auto read = nf4().read(parts, 8, 16, settings(true), "file: a.weight");
    QVERIFY(!read.ok());
    QVERIFY(read.error().sentence().find("a.weight") != std::string::npos);
    parts.erase(end.toStdString());
    if (end != ".nested_absmax")
      QVERIFY(!nf4().read(parts, 8, 16, settings(true), "file: a.weight").ok());
  }

  void products_are_those_of_the_dense_form() {
    const Weight four(packed(torch::randn({48, 40}), settings(true)));
    const Tensor x = torch::randn({6, 40}).set_requires_grad(true), g = torch::randn({6, 48});
    const Tensor y = four.product(x, {});
    QVERIFY(at::allclose(y, at::linear(x, four.dense()), 1e-5, 1e-6));
    const auto got = torch::autograd::grad({(y * g).sum()}, {x});
    QVERIFY(at::allclose(got[0], g.matmul(four.dense()), 1e-5, 1e-6));
  }
};

QTEST_GUILESS_MAIN(TestNf4)
#include "test_nf4.moc"
