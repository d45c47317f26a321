// SPDX-License-Identifier: GPL-3.0-or-later
// Moments of eight bits: how blocks are packed, that loops and operations come to the same, and
// that steps stay near AdamW's.
#include "engine/optim/eight_bits.h"

#include <cmath>

#include "engine/config/kinds.h"
#include "engine/device/memory.h"
#include "engine/optim/optimizers.h"

#include <QtTest>  // after LibTorch: its keyword `slots` is a name there

using namespace luthier;
using torch::Tensor;

namespace {

Recipe with(const char* optim) {
  Recipe recipe;
  recipe.training.optim = optim;
  recipe.training.weight_decay = 0.1;
  return recipe;
}

/// The map by its description: seven powers of ten, the k-th cut into 2^k pieces of one sign.
std::vector<double> described_map(bool both) {
  std::vector<double> map{0, 1};
  for (int power = 0; power < 7; ++power) {
    const int count = 1 << (both ? power : power + 1);
    for (int i = 0; i < count; ++i) {
      const double middle = std::pow(10.0, power - 6) * (0.1 + 0.9 * (i + 0.5) / count);
      map.push_back(middle);
      if (both) map.push_back(-middle);
    }
  }
  std::sort(map.begin(), map.end());
  return map;
}

/// One tensor's steps with drawn gradients of this type.
Tensor stepped(const char* optim, std::int64_t size, torch::ScalarType gradients, int steps = 20) {
  torch::manual_seed(11);
  Tensor weight = torch::randn({size}).requires_grad_(true);
  const Tensor drift = torch::randn({size});
  const auto optimizer = make_optimizer({{"w", "", weight, true}}, with(optim));
  for (int step = 0; step < steps; ++step) {
    weight.mutable_grad() = (drift + torch::randn({size})).to(gradients).to(torch::kFloat32);
    optimizer->step(1e-2);
  }
  return weight.detach();
}

}  // namespace

class TestAdamW8bit : public QObject {
  Q_OBJECT

 private slots:
  void maps_are_as_described() {
    for (const MapSign sign : {MapSign::Both, MapSign::Positive}) {
      const std::vector<double> wanted = described_map(sign == MapSign::Both);
      const Tensor& map = dynamic_map(sign);
      QCOMPARE(map.numel(), 256);
      for (std::size_t i = 0; i < wanted.size(); ++i) {
        const double value = map[static_cast<std::int64_t>(i)].item<double>();
        QVERIFY(std::abs(value - wanted[i]) <= 1e-6 * std::abs(wanted[i]));
      }
    }
  }

  void a_block_comes_back_as_near_as_its_map_allows() {
    torch::manual_seed(2);
    for (const MapSign sign : {MapSign::Both, MapSign::Positive}) {
      Tensor numbers = torch::randn({256});
      if (sign == MapSign::Positive) numbers = numbers.square();
      std::vector<std::uint8_t> codes(256);
      std::vector<float> back(256);
      float largest = 0;
      eight_bits::pack_block(numbers.const_data_ptr<float>(), codes.data(), largest, sign, 256);
      eight_bits::unpack_block(codes.data(), largest, sign, back.data(), 256);
      QCOMPARE(largest, numbers.abs().max().item<float>());
      for (std::int64_t i = 0; i < 256; ++i) {
        const float given = numbers[i].item<float>(), got = back[static_cast<std::size_t>(i)];
        // A 64th of the largest decade lies between neighbours, a 32nd of the one below it.
        QVERIFY(std::abs(got - given) <= std::abs(given) / 12 + largest * 1e-3f);
      }
    }
  }

  void nothing_stays_nothing_and_very_little_does_no_harm() {
    std::vector<std::uint8_t> codes(256, 7);
    std::vector<float> back(256, 1);
    for (const float all : {0.0f, 1e-42f}) {
      const std::vector<float> numbers(256, all);
      float largest = 5;
      eight_bits::pack_block(numbers.data(), codes.data(), largest, MapSign::Positive, 256);
      eight_bits::unpack_block(codes.data(), largest, MapSign::Positive, back.data(), 256);
      for (const float each : back) QVERIFY(each >= 0 && each <= 1e-42f);
    }
  }

  /// A card's operations, on the CPU.
  void loops_and_operations_come_to_the_same() {
    torch::manual_seed(4);
    for (const MapSign sign : {MapSign::Both, MapSign::Positive}) {
      Tensor numbers = torch::randn({5, 256});
      if (sign == MapSign::Positive) numbers = numbers.square();
      numbers[3].zero_();
      Tensor codes = torch::empty({5 * 256}, torch::kUInt8), largest = torch::empty({5});
      eight_bits::pack(numbers, codes, largest, sign);
      const Tensor back = eight_bits::unpacked(codes, largest, sign);
      for (std::int64_t block = 0; block < 5; ++block) {
        std::vector<std::uint8_t> own(256);
        std::vector<float> own_back(256);
        float own_largest = 0;
        eight_bits::pack_block(numbers[block].const_data_ptr<float>(), own.data(), own_largest,
                               sign, 256);
        eight_bits::unpack_block(own.data(), own_largest, sign, own_back.data(), 256);
        QCOMPARE(largest[block].item<float>(), own_largest);
        for (std::int64_t i = 0; i < 256; ++i) {
          QCOMPARE(codes[block * 256 + i].item<int>(),
                   static_cast<int>(own[static_cast<std::size_t>(i)]));
          QCOMPARE(back[block][i].item<float>(), own_back[static_cast<std::size_t>(i)]);
        }
      }
    }
  }

  void steps_stay_near_those_of_float32_moments() {
    torch::manual_seed(11);
    for (const auto& [packed, plain] :
         {std::pair("adamw_8bit", "adamw_torch"), {"lion_8bit", "lion_32bit"}}) {
      const std::int64_t size = 4096 + 100;  // the last block is short
      const Tensor start = [&] {
        torch::manual_seed(11);
        return torch::randn({size});
      }();
      const Tensor ours = stepped(packed, size, torch::kFloat32),
                   theirs = stepped(plain, size, torch::kFloat32);
      const double moved = (theirs - start).abs().mean().item<double>(),
                   apart = (ours - theirs).abs().mean().item<double>();
      QVERIFY2(apart > 0, packed);  // or nothing was packed
      QVERIFY2(apart < 0.05 * moved, qPrintable(QString("%1: %2").arg(packed).arg(apart / moved)));
      QVERIFY2(stepped(packed, 4095, torch::kFloat32).equal(stepped(plain, 4095, torch::kFloat32)),
               packed);  // too small to be packed
    }
  }

  void says_what_it_keeps() {
    const StateLayout adamw = state_layout(with("adamw_8bit")),
                      lion = state_layout(with("lion_8bit")),
                      paged = state_layout(with("paged_adamw_8bit")),
                      paged_wide = state_layout(with("paged_adamw_32bit"));
    QCOMPARE(state_bytes(adamw, {{4095}}), 2 * 4 * 4095);
    QCOMPARE(state_bytes(adamw, {{64, 64}}), 2 * (4096 + 4 * 16));
    QCOMPARE(state_bytes(adamw, {{4097}}), 2 * (4097 + 4 * 17));
    QCOMPARE(state_bytes(adamw, {{64, 64}, TensorUse::Embedding}), 2 * 4 * 4096);
    QCOMPARE(state_bytes(lion, {{64, 64}}), 4096 + 4 * 16);
    QCOMPARE(paged_bytes(adamw, {{1000, 1000}}), 0);
    QCOMPARE(paged_bytes(paged, {{99'999}}), 0);
    QCOMPARE(paged_bytes(paged, {{100'000}}), state_bytes(adamw, {{100'000}}));
    QCOMPARE(paged_bytes(paged_wide, {{100'000}}), 8 * 100'000);
  }
};

QTEST_APPLESS_MAIN(TestAdamW8bit)
#include "test_adamw_8bit.moc"
