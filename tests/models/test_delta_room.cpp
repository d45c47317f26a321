// SPDX-License-Identifier: GPL-3.0-or-later
// What a layer by the gated delta rule says that it keeps, and that its backward needs, beside what
// the counting allocator saw: of rows of one length and of several, shorter than a chunk, of whole
// chunks and of a broken one, of small heads and of those that real checkpoints have; by loops of
// our own and, where these do not take the heads' sizes, by LibTorch.
#include <torch/csrc/autograd/autograd.h>

#include "engine/device/memory.h"
#include "engine/models/cost.h"
#include "engine/models/decoder.h"
#include "engine/models/delta_net.h"
#include "engine/nn/float_loops.h"

// After LibTorch, whose names Qt's keywords would break.
#include <QtTest>

using namespace luthier;
using torch::Tensor;

namespace {

using Lengths = std::vector<std::int64_t>;

double off(std::int64_t said, std::int64_t seen) {
  return static_cast<double>(said) / static_cast<double>(seen) - 1;
}

}  // namespace

class TestDeltaRoom : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() {
    install_counting_allocator();
    at::set_num_threads(1);
  }

  void as_the_allocator_counts_data() {
    QTest::addColumn<Lengths>("lengths");
    QTest::addColumn<std::vector<int>>("sizes");  // heads of keys and of values, their sizes
    QTest::addColumn<bool>("narrow");
    // No tensor is of a size that the pool of large blocks (device/block_pool.h) serves, which
    // gives up to an eighth more than it is asked for.
    const std::vector<int> small{1, 2, 32, 32}, real{1, 2, 128, 48}, alone{2, 2, 24, 48},
        odd{1, 2, 36, 28}, wide{1, 2, 136, 40};
    const auto row = [](const char* name, const Lengths& lengths, const std::vector<int>& sizes,
                        bool narrow = false) { QTest::newRow(name) << lengths << sizes << narrow; };
    row("a broken chunk", {150, 150}, small);
    row("whole chunks", {192, 192}, small);
    row("less than a chunk", {40, 40, 40, 40}, small);
    row("rows of several lengths", {90, 110, 100}, small);
    row("large heads", {128}, real);
    row("large heads, a broken chunk", {100}, real);
    row("large heads, less than a chunk", {60}, real);
    row("a value's head has a key's to itself", {128, 128}, alone);
    row("by LibTorch, a broken chunk", {150, 150}, odd);
    row("by LibTorch, whole chunks", {192, 192}, odd);
    row("by LibTorch, less than a chunk", {40, 40, 40, 40}, odd);
    row("by LibTorch, rows of several lengths", {90, 110, 100}, odd);
    row("by LibTorch, large heads", {128}, wide);
    row("by LibTorch, large heads, less than a chunk", {60}, wide);
    row("bfloat16", {192, 192}, small, true);
    row("bfloat16, a broken chunk", {100}, real, true);
  }
  void as_the_allocator_counts() {
    QFETCH(Lengths, lengths);
    QFETCH(std::vector<int>, sizes);
    QFETCH(bool, narrow);
    DeltaOptions options;
    options.sizes = {sizes[0], sizes[1], sizes[2], sizes[3]};
    constexpr std::int64_t kHidden = 192;
    const auto tensors = torch::TensorOptions().dtype(narrow ? torch::kBFloat16 : torch::kFloat32);
    GatedDeltaNet layer(options, 0, kHidden, 1e-6, Activation::Silu, tensors);
    StepTerms terms;
    terms.element = narrow ? 2 : 4;
    terms.own_loops = floats::available();
    torch::manual_seed(3);
    for (auto& each : layer->named_modules()) {
      if (const auto* module = dynamic_cast<const ParameterModule*>(each.value().get()))
        terms.trained[module] = TrainedShare{true, true, 1};
    }
    for (Tensor& each : layer->parameters()) {
      const torch::NoGradGuard no_grad;
      each.normal_(0, 0.1);
      each.set_requires_grad(true);
      each.mutable_grad() = torch::zeros_like(each);
    }
    TokenSequence sequence;
    sequence.rows = RowLayout(lengths);
    const std::int64_t tokens = sequence.rows.tokens();
    const auto cost = layer->cost(terms, rows_shape(lengths, true), tokens, tokens, true);

    const Tensor x = torch::randn({tokens, kHidden}).to(tensors.dtype()).set_requires_grad(true);
    // Gathers of rows, and what libraries keep for themselves.
    layer->forward(x, sequence, RotaryTable(), nullptr).sum().backward();
    x.mutable_grad() = torch::zeros_like(x);
    const std::int64_t empty = memory_use(torch::kCPU).allocated;
    Tensor y = layer->forward(x, sequence, RotaryTable(), nullptr);
    const Tensor dy = torch::ones_like(y);
    const std::int64_t result = 2 * terms.block(y.numel());
    const std::int64_t kept = memory_use(torch::kCPU).allocated - empty - result;
    reset_memory_peak(torch::kCPU);
    torch::autograd::backward({y}, {dy});
    const std::int64_t seen = memory_use(torch::kCPU).peak - empty - result;
    // x, which the products keep, stood there before.
    const std::int64_t input = terms.block(x.numel());
    const double kept_off = off(cost.kept - input, kept),
                 work_off = off(cost.kept - input + cost.core.work, seen);
    QVERIFY2(std::abs(kept_off) < 0.02 && std::abs(work_off) < 0.02,
             qPrintable(QString("kept: said %1, seen %2, %3 %; at most: said %4, seen %5, %6 %")
                            .arg(cost.kept - input)
                            .arg(kept)
                            .arg(100 * kept_off)
                            .arg(cost.kept - input + cost.core.work)
                            .arg(seen)
                            .arg(100 * work_off)));
  }
};

QTEST_GUILESS_MAIN(TestDeltaRoom)
#include "test_delta_room.moc"
