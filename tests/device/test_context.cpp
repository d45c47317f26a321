// SPDX-License-Identifier: GPL-3.0-or-later
// What this process has of a card: nothing while the card was only chosen, its context and its
// tensors once there is one. The driver is a stand-in, and so is LibTorch's CUDA half: the hooks
// that it registers under this name, and an allocator.
#include <set>

#include <ATen/detail/CUDAHooksInterface.h>
#include <c10/core/CachingDeviceAllocator.h>

#include "engine/device/cuda_libraries.h"
#include "engine/device/device.h"
#include "engine/device/device_facts.h"
#include "engine/forecast/card_room.h"
#include "tests/device/fake_driver.h"
#include "tests/device/fake_driver_files.h"

#include <QtTest>  // after LibTorch: its keyword `slots` is a name there

namespace {

constexpr std::int64_t kTotal = 24'000'000'000, kFree = 23'500'000'000, kHeld = 3'000'000'000;
std::set<int> contexts;  // cards that have one

}  // namespace

namespace at {

struct CUDAHooks : CUDAHooksInterface {
  explicit CUDAHooks(CUDAHooksArgs) {}
  void init() const override {}
  bool hasCUDART() const override { return true; }
  long versionCUDART() const override { return 13000; }
  DeviceIndex deviceCount() const override { return 2; }
  bool hasPrimaryContext(DeviceIndex card) const override { return contexts.contains(card); }
};
REGISTER_CUDA_HOOKS(CUDAHooks)

}  // namespace at

using namespace luthier;
using namespace luthier::test;

namespace {

class Held : public c10::DeviceAllocator {
 public:
  c10::DataPtr allocate(std::size_t) override { throw std::bad_alloc(); }
  c10::DeleterFnPtr raw_deleter() const override { return nullptr; }
  void copy_data(void*, const void*, std::size_t) const override {}
  bool initialized() override { return true; }
  void emptyCache(c10::MempoolId_t) override {}
  void recordStream(const c10::DataPtr&, c10::Stream) override {}
  c10::CachingDeviceAllocator::DeviceStats getDeviceStats(c10::DeviceIndex) override {
    c10::CachingDeviceAllocator::DeviceStats stats;
    stats.reserved_bytes[0].current = kHeld;
    return stats;
  }
  void resetAccumulatedStats(c10::DeviceIndex) override {}
  void resetPeakStats(c10::DeviceIndex) override {}
};

std::string card_with(std::int64_t free) {
  return "NVIDIA GeForce RTX 4090|8|9|" + std::to_string(kTotal) + "|" + std::to_string(free);
}

}  // namespace

class TestContext : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() {
    if (has_nvidia_node()) QSKIP("this machine has a driver of its own");
    const std::string missing = load_fake_driver();
    QVERIFY2(missing.empty(), missing.c_str());
    qputenv(kFakeCudaVersion, "13000");
    qunsetenv("CUDA_VISIBLE_DEVICES");
    static Held allocator;
    c10::SetAllocator(c10::DeviceType::CUDA, &allocator);
  }

  void a_chosen_card_has_none_yet() {
    qputenv(kFakeCards, card_with(kFree).c_str());
    for (int i = 0; i < 2; ++i) {
      const auto device = choose_device("cuda");
      QVERIFY2(device.ok(), device.ok() ? "" : device.error().sentence().c_str());
      QCOMPARE(device->str(), std::string("cuda:0"));
      const auto card = card_of(*device);
      QVERIFY(card && !card->context);
      QCOMPARE(card->held, 0);
      // So a forecast counts what one will likely take, and nothing of it is this process's yet.
      QCOMPARE(context_bytes(*card), kLikelyContext);
      QCOMPARE(available_on(*card), kFree);
    }
  }

  void one_that_is_worked_on_has() {
    constexpr std::int64_t kContext = 450'000'000;
    contexts = {0};
    qputenv(kFakeCards, card_with(kTotal - kHeld - kContext).c_str());
    const auto card = card_of(torch::Device(torch::kCUDA, 0));
    QVERIFY(card && card->context);
    QCOMPARE(card->held, kHeld);
    QCOMPARE(context_bytes(*card), kContext);
    QCOMPARE(available_on(*card), kTotal);
  }

  /// Looked at is not taken: a model stays where it stands, whatever card was asked about last.
  void it_stays_so_while_another_is_looked_at() {
    contexts = {0};
    qputenv(kFakeCards, (card_with(kTotal / 4) + ";" + card_with(kFree)).c_str());
    QCOMPARE(choose_device("cuda:1")->str(), std::string("cuda:1"));
    QCOMPARE(card_of(torch::Device(torch::kCUDA, 0))->held, kHeld);
    QCOMPARE(card_of(torch::Device(torch::kCUDA, 1))->held, 0);
    QCOMPARE(choose_device("auto")->str(), std::string("cuda:0"));
  }
};

QTEST_GUILESS_MAIN(TestContext)
#include "test_context.moc"
