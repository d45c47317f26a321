// SPDX-License-Identifier: GPL-3.0-or-later
// Codes to numbers: the way of processors with AVX-512 gives the bits of the plain one, from any
// place to any other, for blocks of any size.
#include <cstring>

#include "engine/nn/packed_loops.h"

#include <QtTest>  // after LibTorch: its keyword `slots` is a name there

using namespace luthier;
using torch::Tensor;

namespace {

struct Case {
  Tensor bytes = torch::randint(0, 256, {512}, torch::kInt64).to(torch::kUInt8);
  Tensor values = torch::randn({16});
  Tensor scales = torch::randn({64}) * torch::exp(torch::randn({64}) * 15);
  Tensor zeros = torch::randint(0, 16, {64}, torch::kInt64).to(torch::kFloat32);

  packed::Codes codes(std::int64_t block, std::int64_t first, bool with_zeros) const {
    const std::int64_t at = first / block;
    return {bytes.const_data_ptr<std::uint8_t>(), values.const_data_ptr<float>(),
            scales.const_data_ptr<float>() + at,
            with_zeros ? zeros.const_data_ptr<float>() + at : nullptr, block};
  }
};

template <class T>
bool same_both_ways(const Case& from, std::int64_t block, std::int64_t first, std::int64_t last,
                    bool with_zeros) {
  const auto count = static_cast<std::size_t>(last - first);
  std::vector<T> fast(count + 1, T(7)), plain(count + 1, T(7));
  const packed::Codes codes = from.codes(block, first, with_zeros);
  packed::expand(codes, first, last, fast.data());
  packed::expand_plainly(codes, first, last, plain.data());
  return std::memcmp(fast.data(), plain.data(), (count + 1) * sizeof(T)) == 0;
}

}  // namespace

class TestPackedLoops : public QObject {
  Q_OBJECT

 private slots:
  void init() { torch::manual_seed(3); }

  void both_ways_give_the_same_bits() {
    if (!packed::available()) QSKIP("this processor has one way");
    const Case from;
    for (const std::int64_t block : {32, 64, 128, 24, 37, 1000}) {
      for (const auto& [first, last] : {std::pair<std::int64_t, std::int64_t>{0, 960},
                                        {1, 960},
                                        {63, 65},
                                        {64, 64},
                                        {5, 6},
                                        {130, 851},
                                        {511, 900},
                                        {0, 1}}) {
        for (const bool zeros : {false, true}) {
          QVERIFY(same_both_ways<float>(from, block, first, last, zeros));
          QVERIFY(same_both_ways<at::BFloat16>(from, block, first, last, zeros));
          QVERIFY(same_both_ways<at::Half>(from, block, first, last, zeros));
        }
      }
    }
  }

  void numbers_are_what_their_halves_say() {
    const Case from;
    std::vector<float> out(200);
    packed::expand(from.codes(48, 31, true), 31, 231, out.data());
    const auto* bytes = from.bytes.const_data_ptr<std::uint8_t>();
    for (std::int64_t i = 31; i < 231; ++i) {
      const int code = i % 2 == 0 ? bytes[i / 2] >> 4 : bytes[i / 2] & 15;
      const float wanted = (from.values[code].item<float>() - from.zeros[i / 48].item<float>()) *
                           from.scales[i / 48].item<float>();
      QCOMPARE(out[static_cast<std::size_t>(i - 31)], wanted);
    }
  }

  void bytes_times_their_row() {
    const Tensor codes = torch::randint(-128, 128, {3000}, torch::kInt64).to(torch::kInt8);
    const float scale = 0.37F, factor = 0.0078740157F;
    const Tensor wanted = codes.to(torch::kFloat32) * scale * factor;
    Tensor wide = torch::empty({3000}), narrow = torch::empty({3000}, torch::kBFloat16),
           half = torch::empty({3000}, torch::kFloat16);
    const std::int8_t* from = codes.const_data_ptr<std::int8_t>();
    packed::expand_bytes(from, scale, factor, 3000, wide.data_ptr<float>());
    packed::expand_bytes(from, scale, factor, 3000, narrow.data_ptr<at::BFloat16>());
    packed::expand_bytes(from, scale, factor, 3000, half.data_ptr<at::Half>());
    QVERIFY(at::equal(wide, wanted));
    QVERIFY(at::equal(narrow, wanted.to(torch::kBFloat16)));
    QVERIFY(at::equal(half, wanted.to(torch::kFloat16)));
  }
};

QTEST_GUILESS_MAIN(TestPackedLoops)
#include "test_packed_loops.moc"
