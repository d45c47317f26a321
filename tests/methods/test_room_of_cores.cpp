// SPDX-License-Identifier: GPL-3.0-or-later
// What LoHa and LoKr say that they make again in the backward of a convolution's product, of cores
// and without, beside what the counting allocator saw: of ranks at which the matrix decides, and of
// such at which what is made on the way to it does.
#include <torch/csrc/autograd/autograd.h>

#include "engine/device/memory.h"
#include "engine/methods/ports.h"
#include "engine/nn/module_cost.h"
#include "tests/methods/method_base.h"

using namespace luthier;
using namespace luthier::test;
using torch::Tensor;

namespace {

class WidePatches : public PatchProduct {
 public:
  WidePatches(std::int64_t out, std::int64_t channels, std::int64_t side) {
    add_parameter("weight", weight_, {out, channels, side, side}, torch::TensorOptions());
    const torch::NoGradGuard no_grad;
    weight_.normal_(0, 0.1);
    weight_.set_requires_grad(false);
  }
  std::string type_name() const override { return "Conv2d"; }
};

}  // namespace

class TestRoomOfCores : public QObject {
  Q_OBJECT

  std::unique_ptr<MethodBase> base_;

 private slots:
  void initTestCase() {
    install_counting_allocator();
    at::set_num_threads(1);
    base_ = std::make_unique<MethodBase>();
  }

  void as_the_allocator_counts_data() {
    QTest::addColumn<QString>("strategy");
    QTest::addColumn<QStringList>("settings");
    QTest::addColumn<int>("rank");
    const auto row = [](const char* name, const char* strategy, const QStringList& settings,
                        int rank) {
      QTest::addRow("%s of rank %d", name, rank) << strategy << settings << rank;
    };
    const QStringList apart{"adapter.use_effective_conv2d=true"};
    for (const int rank : {2, 8, 32}) {
      row("loha", "loha", {}, rank);
      row("loha of cores", "loha", apart, rank);
    }
    for (const int rank : {2, 6}) {
      row("lokr", "lokr", {}, rank);
      row("lokr of a core", "lokr", apart, rank);
      row("lokr of a core, both low", "lokr", QStringList(apart) << "adapter.decompose_both=true",
          rank);
    }
    row("lokr of a core, one large factor", "lokr",
        QStringList(apart) << "adapter.decompose_factor=1", 32);
  }
  void as_the_allocator_counts() {
    QFETCH(QString, strategy);
    QFETCH(QStringList, settings);
    QFETCH(int, rank);
    // Whole blocks of the allocator, so that what it rounds up to is not measured with them.
    constexpr std::int64_t kOut = 256, kChannels = 3, kSide = 16, kWindows = 4;
    std::vector<std::string> all{"adapter.target_modules=[patches]",
                                 "adapter.r=" + std::to_string(rank)};
    for (const QString& each : settings) all.push_back(each.toStdString());
    const Recipe recipe = base_->recipe(strategy.toStdString(), all);
    const ModuleMethod& method = *find_method(strategy.toStdString()).value()->of_modules;

    const auto patches = std::make_shared<WidePatches>(kOut, kChannels, kSide);
    Ports ports;
    ports.patches["patches"] = patches.get();
    const ModelModule module{"patches", "Conv2d", {kOut, kChannels, kSide, kSide}};
    const ModuleScale scale{rank, 1.0 * rank, 1};
    const std::vector<Tensor> none;
    const ModuleToHang to{module, scale, recipe.adapter, 1, true, none};
    std::vector<Tensor> trained;
    TrainedShare share;
    share.trains = true;
    for (const TensorSize& size : method.sizes(module, scale, recipe.adapter)) {
      trained.push_back(torch::randn(size.shape).set_requires_grad(true));
      trained.back().mutable_grad() = torch::zeros(size.shape);
      share.parameters += trained.back().numel();
    }
    method.keep(share, module, scale, recipe.adapter);
    StepTerms terms;
    terms.trained[patches.get()] = share;
    const std::int64_t numbers = kWindows * kChannels * kSide * kSide;
    const ProductsCost cost = patches_cost(terms, *patches, numbers);

    const Adapter::Hung hung = method.hang(ports, to, trained);
    hung.set(true);
    const Tensor x = torch::randn({kWindows, kChannels * kSide * kSide});
    const std::int64_t empty = memory_use(torch::kCPU).allocated;
    const Tensor y = patches->product(x), dy = torch::ones({kWindows, kOut});
    const std::int64_t kept = memory_use(torch::kCPU).allocated - empty;
    QVERIFY2(kept <= cost.input + cost.numbers + 4 * y.numel() * 4, "more is kept than is said");
    reset_memory_peak(torch::kCPU);
    const std::int64_t before = memory_use(torch::kCPU).allocated;
    torch::autograd::backward({y}, {dy});
    const std::int64_t seen = memory_use(torch::kCPU).peak - before;
    const double off = static_cast<double>(cost.work) / static_cast<double>(seen) - 1;
    QVERIFY2(std::abs(off) < 0.05,
             qPrintable(QString("said %1, seen %2 (%3 of the matrix): %4 %")
                            .arg(cost.work)
                            .arg(seen)
                            .arg(double(seen) / (4.0 * kOut * kChannels * kSide * kSide))
                            .arg(100 * off)));
    hung.set(false);
  }
};

QTEST_GUILESS_MAIN(TestRoomOfCores)
#include "test_room_of_cores.moc"
