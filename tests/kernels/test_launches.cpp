// SPDX-License-Identifier: GPL-3.0-or-later
// Launching, against a library that stands in for the driver: what is asked of it and in which
// order, and that whatever fails is told once, leaves the work to ATen and is not tried again.
#include <dlfcn.h>

#include "engine/base/log.h"
#include "engine/kernels/cuda_driver.h"
#include "engine/nn/layers.h"
#include "engine/nn/rms_norm.h"
#include "tests/kernels/fake_launches.h"
#include "tests/kernels/kernel_cases.h"

#include <QtTest>  // after LibTorch: its keyword `slots` is a name there

using namespace luthier;

namespace {

const std::string kLibrary = LUTHIER_BINARY_DIR "/tests/libfake_launches.so";
constexpr Kernel kGated{"gated.cu", "gated_forward_float"},
    kGatedBack{"gated.cu", "gated_backward_float"}, kNorm{"rms_norm.cu", "rms_norm_forward_float"};

Result<std::string> made(const KernelSource& source, int capability) {
  return "a binary of " + std::string(source.name) + " for " + std::to_string(capability);
}

bool launch(DriverKernels& driver, const Kernel& kernel) {
  int value = 42;
  void* arguments[] = {&value};
  return driver.launch({kernel, 3, 2, 64, arguments, 0}, 0, reinterpret_cast<void*>(7));
}

/// The driver behind the door that all functions go through.
struct OfDriver : Launcher {
  DriverKernels driver;
  explicit OfDriver(KernelMaker maker) : driver(std::move(maker), kLibrary) {}
  bool launch(const Launch& asked, int device) override {
    return driver.launch(asked, device, nullptr);
  }
};

}  // namespace

class TestLaunches : public QObject {
  Q_OBJECT

  test::FailFake fail_ = nullptr;
  test::ForgetFake forget_ = nullptr;
  test::HearFake hear_ = nullptr;
  QStringList told_;

  int heard(const char* words) const { return QString(hear_()).count(words); }

 private slots:
  void initTestCase() {
    void* library = dlopen(kLibrary.c_str(), RTLD_NOW | RTLD_LOCAL);
    QVERIFY2(library, "the stand-in for the driver is not built");
    fail_ = reinterpret_cast<test::FailFake>(dlsym(library, "fake_fail"));
    forget_ = reinterpret_cast<test::ForgetFake>(dlsym(library, "fake_forget"));
    hear_ = reinterpret_cast<test::HearFake>(dlsym(library, "fake_hear"));
    QVERIFY(fail_ && forget_ && hear_);
    set_log_sink([this](LogLevel level, const std::string& line) {
      if (level == LogLevel::Warning) told_ += QString::fromStdString(line);
    });
  }
  void init() { fail_("", 0), forget_(), told_.clear(); }
  void cleanupTestCase() { set_log_sink({}); }

  void a_source_is_loaded_once_and_an_entry_found_once() {
    DriverKernels driver(made, kLibrary);
    QCOMPARE(QString(hear_()), QString());  // nothing before the first launch
    for (int i = 0; i < 2; ++i)
      for (const Kernel& kernel : {kGated, kGatedBack, kNorm}) QVERIFY(launch(driver, kernel));
    QCOMPARE(heard("cuInit"), 1);
    QCOMPARE(heard("cuDevicePrimaryCtxRetain 100"), 1);
    QCOMPARE(heard("cuModuleLoadData a binary of gated.cu for 90"), 1);
    QCOMPARE(heard("cuModuleLoadData a binary of rms_norm.cu for 90"), 1);
    QCOMPARE(heard("cuModuleGetFunction gated_forward_float"), 1);
    QCOMPARE(heard("cuLaunchKernel gated_forward_float 3x2 blocks of 64, stream 7, 42"), 2);
    QCOMPARE(heard("cuLaunchKernel"), 6);
    // No context was current: each launch brings LibTorch's and takes it away again.
    QCOMPARE(heard("cuCtxPushCurrent"), 6);
    QCOMPARE(heard("cuCtxPopCurrent"), 6);
    QVERIFY(told_.isEmpty());
  }

  void each_call_failing_is_told_once_data() {
    QTest::addColumn<QString>("call");
    for (const char* call :
         {"cuInit", "cuDeviceGet", "cuDeviceGetAttribute", "cuDevicePrimaryCtxRetain",
          "cuCtxPushCurrent", "cuModuleLoadData", "cuModuleGetFunction", "cuLaunchKernel"})
      QTest::newRow(call) << call;
  }
  void each_call_failing_is_told_once() {
    QFETCH(QString, call);
    fail_(qPrintable(call), test::kFakeFault);
    const torch::Tensor x = torch::randn({4, 8}), weight = torch::ones({8});
    const torch::Tensor norm = rms_norm(x, weight, 1e-6, false),
                        gate = gated(x, x, Activation::Silu);
    OfDriver launcher(made);
    const test::Launching launching(&launcher);
    for (int i = 0; i < 3; ++i) {
      QVERIFY(rms_norm(x, weight, 1e-6, false).equal(norm));
      QVERIFY(gated(x, x, Activation::Silu).equal(gate));
    }
    QCOMPARE(told_.size(), 1);
    QVERIFY2(told_.front().contains(call) && told_.front().contains("700"),
             qPrintable(told_.front()));
    QVERIFY(told_.front().contains("illegal memory access"));
    QVERIFY(heard(qPrintable(call)) <= 2 * 3);  // a kernel that failed is not asked for again
    if (call == "cuLaunchKernel") QCOMPARE(heard("cuLaunchKernel"), 2);
  }

  void one_kernel_s_failure_is_its_own() {
    DriverKernels driver(made, kLibrary);
    QVERIFY(launch(driver, kGated));
    fail_("cuLaunchKernel", test::kFakeFault);
    QVERIFY(!launch(driver, kGatedBack));
    fail_("", 0);
    QVERIFY(!launch(driver, kGatedBack));
    QVERIFY(launch(driver, kGated));
    QVERIFY(launch(driver, kNorm));
    QCOMPARE(told_.size(), 1);
  }

  /// A run on a card that is full for a moment has its kernels back in the next step: with others'
  /// its numbers would have other last bits from then on.
  void a_full_card_is_asked_again_data() {
    QTest::addColumn<QString>("call");
    for (const char* call :
         {"cuDevicePrimaryCtxRetain", "cuModuleLoadData", "cuModuleGetFunction", "cuLaunchKernel"})
      QTest::newRow(call) << call;
  }
  void a_full_card_is_asked_again() {
    QFETCH(QString, call);
    DriverKernels driver(made, kLibrary);
    fail_(qPrintable(call), test::kFakeFull);
    for (int i = 0; i < 2; ++i) QVERIFY(!launch(driver, kGated));
    QCOMPARE(told_.size(), 1);
    QVERIFY2(told_.front().contains(call) && told_.front().contains("out of memory"),
             qPrintable(told_.front()));
    fail_("", 0);
    QVERIFY(launch(driver, kGated));
  }

  void what_cannot_be_made_is_told_with_the_compiler_s_words() {
    int asked = 0;
    DriverKernels driver(
        [&asked](const KernelSource&, int) -> Result<std::string> {
          ++asked;
          return machine_error("line 3: nothing is declared");
        },
        kLibrary);
    for (int i = 0; i < 3; ++i) QVERIFY(!launch(driver, kGated));
    QCOMPARE(asked, 1);
    QCOMPARE(told_.size(), 1);
    QVERIFY(told_.front().contains("line 3"));
  }

  void what_was_made_ahead_for_other_cards_is_made_here() {
    constexpr int kNoBinary = 209;
    int asked = 0;
    DriverKernels driver(
        [&asked](const KernelSource& source, int) -> Result<std::string> {
          return std::string(++asked == 1 ? "ahead" : source.ahead.empty() ? "own" : "again");
        },
        kLibrary);
    fail_("cuModuleLoadData ahead", kNoBinary);
    QVERIFY(launch(driver, kGated));
    QCOMPARE(heard("cuModuleLoadData own"), 1);
    QCOMPARE(asked, 2);
    QVERIFY(told_.isEmpty());
    // Where that has nothing either it is told, as any other failure is.
    fail_("cuModuleLoadData", kNoBinary);
    QVERIFY(!launch(driver, kNorm));
    QCOMPARE(told_.size(), 1);
  }

  void no_driver_is_told_once() {
    DriverKernels driver(made, "libnothing.so.1");
    for (int i = 0; i < 3; ++i) QVERIFY(!launch(driver, kGated));
    QCOMPARE(told_.size(), 1);
    QVERIFY(told_.front().contains("libnothing.so.1"));
  }

  void turned_off_means_nobody() {
    QVERIFY(!kernels::launcher_for(c10::DeviceType::CPU));
    qputenv("LUTHIER_KERNELS", "off");
    QVERIFY(!kernels::launcher_for(c10::DeviceType::CUDA));
  }
};

QTEST_GUILESS_MAIN(TestLaunches)
#include "test_launches.moc"
