// SPDX-License-Identifier: GPL-3.0-or-later
// What LibTorch is asked for while a run on CUDA lasts, and that all of it is put back. The
// settings are the process's, so they can be looked at without a card; that they do what they say
// is LibTorch's promise.
#include "engine/device/exact_math.h"

#include <QtTest>

#include "engine/device/cuda_libraries.h"

using namespace luthier;

namespace {

constexpr const char* kWorkspaces = "CUBLAS_WORKSPACE_CONFIG";

struct Settings {
  bool deterministic, warn_only, fill, cudnn_attention, benchmark, flash, efficient;
  bool operator==(const Settings&) const = default;
};

Settings settings() {
  at::Context& context = at::globalContext();
  return {context.deterministicAlgorithms(),
          context.deterministicAlgorithmsWarnOnly(),
          context.deterministicFillUninitializedMemory(),
          context.userEnabledCuDNNSDP(),
          context.benchmarkCuDNN(),
          context.userEnabledFlashSDP(),
          context.userEnabledMemEfficientSDP()};
}

}  // namespace

class TestExactMath : public QObject {
  Q_OBJECT

 private slots:
  void init() { qputenv(kWorkspaces, ":4096:8"); }

  void in_earnest_for_as_long_as_it_lives_data() {
    QTest::addColumn<bool>("others");
    QTest::newRow("from the defaults") << false;
    QTest::newRow("from a host's own settings") << true;
  }
  void in_earnest_for_as_long_as_it_lives() {
    QFETCH(bool, others);
    at::Context& context = at::globalContext();
    context.setDeterministicAlgorithms(others, others);
    context.setSDPUseCuDNN(!others);
    context.setBenchmarkCuDNN(others);
    const Settings before = settings();
    {
      const ExactMath exact(torch::kCUDA);
      QVERIFY(exact.note().empty());
      const Settings now = settings();
      QVERIFY(now.deterministic);
      // With warn_only the fused attentions' backwards stay as they are.
      QVERIFY(!now.warn_only);
      QVERIFY(!now.fill && !now.cudnn_attention && !now.benchmark);
      // Both have a backward that adds in one order, and are taken still.
      QVERIFY(now.flash && now.efficient);
    }
    QVERIFY(settings() == before);
    context.setDeterministicAlgorithms(false, false);
    context.setSDPUseCuDNN(true);
    context.setBenchmarkCuDNN(false);
  }

  void the_cpu_needs_nothing() {
    const Settings before = settings();
    const ExactMath exact(torch::kCPU);
    QVERIFY(settings() == before);
    QVERIFY(exact.note().empty());
  }

  void a_failure_puts_all_back_too() {
    const Settings before = settings();
    try {
      const ExactMath exact(torch::kCUDA);
      throw std::runtime_error("in mid-run");
    } catch (const std::runtime_error&) {}
    QVERIFY(settings() == before);
  }

  void workspaces_that_a_person_chose_data() {
    QTest::addColumn<QString>("value");
    QTest::addColumn<bool>("exact");
    QTest::newRow("ours") << ":4096:8" << true;
    QTest::newRow("the small ones") << ":16:8" << true;
    QTest::newRow("another") << ":4096:2:16:8" << false;
    QTest::newRow("none") << ":0:0" << false;
  }
  void workspaces_that_a_person_chose() {
    QFETCH(QString, value);
    QFETCH(bool, exact);
    qputenv(kWorkspaces, value.toUtf8());
    fix_cublas_workspaces();  // theirs wins
    QCOMPARE(QString::fromStdString(cublas_workspaces()), value);
    QCOMPARE(cublas_workspaces_are_fixed(), exact);
    const ExactMath guard(torch::kCUDA);
    QCOMPARE(guard.note().empty(), exact);
    // LibTorch would refuse every product there: the run goes on, and says what it cannot promise.
    QCOMPARE(settings().warn_only, !exact);
    if (!exact) QVERIFY(guard.note().find(value.toStdString()) != std::string::npos);
  }

  void short_factors_are_told() {
    at::Context& context = at::globalContext();
    QVERIFY(ExactMath(torch::kCUDA).note().empty());
    context.setFloat32MatmulPrecision("high");
    const std::string note = ExactMath(torch::kCUDA).note();
    QVERIFY2(note.find("TORCH_ALLOW_TF32_CUBLAS_OVERRIDE") != std::string::npos, note.c_str());
    QVERIFY(ExactMath(torch::kCPU).note().empty());
    context.setFloat32MatmulPrecision("highest");
  }

  void workspaces_are_fixed_where_nobody_chose() {
    qunsetenv(kWorkspaces);
    QVERIFY(!cublas_workspaces_are_fixed());
    fix_cublas_workspaces();
    QVERIFY(cublas_workspaces_are_fixed());
  }

  // What LibTorch refuses under such a guard is refused on the CPU too, where it has no other way.
  void an_operation_without_an_ordered_way_is_an_error() {
    const ExactMath exact(torch::kCUDA);
    QVERIFY_THROWS_EXCEPTION(c10::Error,
                             at::Context::alertNotDeterministic("a kernel that adds as it comes"));
  }
};

QTEST_GUILESS_MAIN(TestExactMath)
#include "test_exact_math.moc"
