// SPDX-License-Identifier: GPL-3.0-or-later
// Launches that fail, as a card's may at any moment: whichever of a step's kernels does, every
// time, once or every other time, ATen's operators do its work and the step is the same. A mask
// above all, which a forward draws and its backward draws again: it is the same whoever draws it.
#include "engine/nn/dropout.h"
#include "tests/pretend/own_kernels.h"
#include "tests/pretend/pretend.h"
#include "tests/pretend/tuned.h"
#include "tests/rounds.h"

// After LibTorch, whose names Qt's keywords would break.
#include <QtTest>

using namespace luthier;
using torch::Tensor;

namespace {

struct Stepped {
  double loss = 0;
  std::vector<Tensor> gradients;  ///< on the CPU; undefined: none
  std::map<std::string, int> launches;
  int failed = 0;
};

/// Which launches of an entry fail.
enum class When { Always, First, EveryOther };

bool is_due(When when, int count) {
  return when == When::Always || (when == When::First ? count == 0 : count % 2 == 1);
}

/// `entry`: the one whose launches fail; empty: none.
Stepped stepped(const TinyModel& model, const std::vector<std::string>& settings,
                const std::string& entry = "", When when = When::Always) {
  Stepped made;
  pretend::OwnKernels own;
  int asked = 0;
  own.fail_where([&](const Launch& launch) {
    const bool fails = launch.kernel.entry == entry && is_due(when, asked++);
    made.failed += fails;
    return fails;
  });
  const auto tuning = pretend::tuned(model, pretend::device(), settings);
  tuning->draw_adapter(torch::kFloat32);
  made.loss = tuning->micro_batch(tiny_rows(model), 3);
  for (const TrainedTensor& each : tuning->trainables().tensors)
    made.gradients.push_back(each.tensor.grad().defined() ? each.tensor.grad().cpu() : Tensor());
  made.launches = own.launches();
  return made;
}

/// How far apart, beside what the gradients are; 2: one has a gradient that the other lacks.
double apart(const Stepped& a, const Stepped& b) {
  double far = std::abs(a.loss / b.loss - 1);
  for (std::size_t i = 0; i < a.gradients.size(); ++i) {
    if (a.gradients[i].defined() != b.gradients[i].defined()) return 2;
    if (!a.gradients[i].defined()) continue;
    const double size = b.gradients[i].norm().item<double>();
    far = std::max(far,
                   (a.gradients[i] - b.gradients[i]).norm().item<double>() / std::max(size, 1e-4));
  }
  return far;
}

}  // namespace

class TestFailedLaunches : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() {
    at::set_num_threads(1);
    pretend::start();
  }

  void a_step_is_the_same_whatever_fails_data() {
    QTest::addColumn<QString>("name");
    QTest::addColumn<QStringList>("settings");
    const QString kept = "training.gradient_checkpointing=false",
                  again = "training.gradient_checkpointing=true";
    const QStringList lora{"strategy=lora", "adapter.r=4", "adapter.lora_dropout=0.3"};
    QTest::newRow("LoRA, recomputed") << "qwen2" << lora + QStringList{again};
    QTest::newRow("full") << "qwen2" << QStringList{"strategy=full", kept};
    if (!test::all_cases()) return;
    QTest::newRow("LoRA") << "qwen2" << lora + QStringList{kept};
    QTest::newRow("DoRA") << "qwen2" << lora + QStringList{kept, "adapter.use_dora=true"};
    QTest::newRow("VeRA") << "llama"
                          << QStringList{"strategy=vera", "adapter.vera_dropout=0.3", kept};
  }
  void a_step_is_the_same_whatever_fails() {
    QFETCH(QString, name);
    QFETCH(QStringList, settings);
    std::vector<std::string> list;
    for (const QString& setting : settings) list.push_back(setting.toStdString());
    const TinyModel model = pretend::tiny(name.toStdString());
    const Stepped whole = stepped(model, list);
    QVERIFY(whole.launches.size() > 3);
    const bool drops = !settings.contains("strategy=full");
    QCOMPARE(whole.launches.contains("dropout_float_float"), drops);
    for (const auto& [entry, count] : whole.launches) {
      for (const When when : {When::Always, When::First, When::EveryOther}) {
        const Stepped made = stepped(model, list, entry, when);
        QVERIFY2(made.failed > 0 || (when == When::EveryOther && count == 1), entry.c_str());
        const double far = apart(made, whole);
        QVERIFY2(
            far < 1e-4,
            qPrintable(
                QString("%1, %2: %3").arg(entry.c_str()).arg(static_cast<int>(when)).arg(far)));
      }
    }
  }

  /// Each of dropout's doors draws the mask of the CPU, launched or not.
  void a_mask_is_the_same_whoever_draws_it_data() {
    QTest::addColumn<bool>("narrow");
    QTest::newRow("float32") << false;
    QTest::newRow("bfloat16") << true;
  }
  void a_mask_is_the_same_whoever_draws_it() {
    QFETCH(bool, narrow);
    constexpr double kP = 0.4;
    constexpr std::uint64_t kSeed = 0xfedcba9876543210ull;
    torch::manual_seed(3);
    const auto ones = torch::ones({37, 41}).to(narrow ? torch::kBFloat16 : torch::kFloat32);
    const Tensor stays = dropped_out(ones, kP, kSeed) > 0, there = ones.to(pretend::device());
    for (const bool fails : {false, true}) {
      pretend::OwnKernels own;
      own.fail_where([fails](const Launch&) { return fails; });
      const Tensor dropped = dropped_out(there, kP, kSeed);
      QVERIFY((dropped.cpu() > 0).equal(stays));
      Tensor sum = at::zeros_like(there), other = at::zeros_like(there);
      add_dropped_out(sum, there, kP, kSeed);
      QVERIFY((sum.cpu() > 0).equal(stays));
      const Tensor both = add_and_drop(other, there.clone(), there, kP, kSeed);
      QVERIFY((other.cpu() > 0).equal(stays) && (both.cpu() > 0).equal(stays));
      QCOMPARE(own.launches().empty(), fails);
    }
    // Where nobody launches at all it is a generator's, in both directions.
    const Tensor drawn = dropped_out(there, kP, kSeed);
    QVERIFY(drawn.cpu().equal(dropped_out(there, kP, kSeed).cpu()));
    QVERIFY(!(drawn.cpu() > 0).equal(stays));
  }
};

QTEST_APPLESS_MAIN(TestFailedLaunches)
#include "test_failed_launches.moc"
