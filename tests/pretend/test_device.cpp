// SPDX-License-Identifier: GPL-3.0-or-later
// The pretended device itself: it computes what the CPU computes, and it catches what it is there
// for.
#include <sys/wait.h>
#include <unistd.h>

#include "engine/device/brief_tensors.h"
#include "engine/device/memory.h"
#include "engine/nn/dense_run.h"
#include "tests/pretend/pretend.h"

// After LibTorch, whose names Qt's keywords would break.
#include <QtTest>

using namespace luthier;
using torch::Tensor;

namespace {

constexpr std::int64_t kRows = 2, kTokens = 8, kHeads = 4, kHead = 16, kWidth = kHeads * kHead;

Tensor heads_of(const Tensor& x, const Tensor& weight) {
  return at::linear(x, weight).view({kRows, kTokens, kHeads, kHead}).transpose(1, 2);
}

Tensor layer_loss(const Tensor& x, const std::vector<Tensor>& weights) {
  const Tensor mixed = at::scaled_dot_product_attention(
      heads_of(x, weights[0]), heads_of(x, weights[1]), heads_of(x, weights[2]), {}, 0.0,
      /*is_causal=*/true);
  const Tensor joined = mixed.transpose(1, 2).reshape({kRows * kTokens, kWidth});
  return at::linear(joined, weights[3]).pow(2).mean();
}

/// Weights, moments and the loss after three steps of AdamW over a layer with attention.
std::vector<Tensor> trained(torch::Device device) {
  std::vector<Tensor> weights, first, second;
  for (int i = 0; i < 4; ++i) {
    const Tensor drawn =
        torch::arange(kWidth * kWidth, torch::kFloat32).remainder(17 + i).view({kWidth, kWidth});
    weights.push_back((drawn / 100).to(device).set_requires_grad(true));
    first.push_back(torch::zeros_like(weights.back()).detach());
    second.push_back(first.back().clone());
  }
  const Tensor x = (torch::arange(kRows * kTokens * kWidth, torch::kFloat32).remainder(11) / 10)
                       .view({kRows, kTokens, kWidth})
                       .to(device);
  Tensor loss;
  for (int step = 1; step <= 3; ++step) {
    pretend::reset_counts();
    loss = layer_loss(x, weights);
    loss.backward();
    const torch::NoGradGuard no_grad;
    std::vector<Tensor> moved, gradients;
    for (Tensor& weight : weights) {
      moved.push_back(weight.detach());
      gradients.push_back(weight.grad());
    }
    const std::vector<Tensor> counts(
        4, torch::full({}, step, torch::TensorOptions().device(device).dtype(torch::kFloat32)));
    at::_fused_adamw_(moved, gradients, first, second, {}, counts, 1e-3, 0.9, 0.999, 0.01, 1e-8,
                      false, false);
    for (Tensor& weight : weights) weight.mutable_grad().reset();
  }
  std::vector<Tensor> all{loss.detach().cpu()};
  for (const auto* list : {&weights, &first, &second})
    for (const Tensor& tensor : *list) all.push_back(tensor.detach().cpu());
  return all;
}

Tensor on_device(std::vector<std::int64_t> shape) {
  return torch::ones(shape, torch::TensorOptions().device(pretend::device()));
}

/// How a child process that does this ends: the signal that ended it, or 0.
template <class Work>
int signal_of(const Work& work) {
  const pid_t child = fork();
  if (child == 0) {
    close(2);
    work();
    _exit(0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

}  // namespace

class TestDevice : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() {
    at::set_num_threads(1);
    pretend::start();
  }

  void host_code_that_reads_its_memory_dies() {
    const Tensor tensor = on_device({4});
    QCOMPARE(signal_of([&] {
               volatile float value = tensor.const_data_ptr<float>()[0];
               (void)value;
             }),
             SIGSEGV);
    QCOMPARE(signal_of([&] { tensor.mutable_data_ptr<float>()[0] = 1; }), SIGSEGV);
    const Tensor own = torch::ones({4});
    QCOMPARE(signal_of([&] { own.mutable_data_ptr<float>()[0] = 1; }), 0);
  }

  /// The same kernels over the same numbers, so the same bits.
  void a_layer_trains_to_the_bits_of_the_cpu() {
    const auto there = trained(pretend::device()), here = trained(torch::kCPU);
    for (std::size_t i = 0; i < here.size(); ++i) QVERIFY(at::equal(there[i], here[i]));
  }

  void tensors_of_the_host_are_refused() {
    QVERIFY_THROWS_EXCEPTION(c10::Error,
                             at::index_select(on_device({4, 4}), 0, torch::tensor({1, 2})));
    QVERIFY_THROWS_EXCEPTION(c10::Error, on_device({4}) + torch::ones({4}));
    QVERIFY_THROWS_EXCEPTION(c10::Error, torch::ones({4}).add_(on_device({4})));
  }

  void what_is_asked_is_counted() {
    const Tensor own = torch::ones({8, 8});
    pretend::reset_counts();
    Tensor there = own.to(pretend::device());
    QCOMPARE(pretend::counts().up, 1);
    QCOMPARE(pretend::counts().up_bytes, 256);
    there = at::mm(there, there);
    QCOMPARE(pretend::counts().kernels, 1);
    QCOMPARE(pretend::counts().flops, 2.0 * 8 * 8 * 8);
    QCOMPARE(there.sum().item<double>(), 512.0);
    QCOMPARE(pretend::counts().waits, 1);
    QCOMPARE(pretend::counts().down, 0);
    QVERIFY(at::equal(there.cpu(), torch::full({8, 8}, 8.0)));
    QCOMPARE(pretend::counts().down, 1);
    const std::int64_t before = pretend::counts().waits;
    QCOMPARE(there.gt(3).nonzero().size(0), 64);
    QCOMPARE(pretend::counts().waits, before + 1);
  }

  void the_engine_reads_its_memory() {
    const torch::Device device = pretend::device();
    const MemoryUse before = memory_use(device);
    reset_memory_peak(device);
    {
      const Tensor large = on_device({1 << 20});
      QCOMPARE(memory_use(device).allocated, before.allocated + (4 << 20));
    }
    QCOMPARE(memory_use(device).allocated, before.allocated);
    QCOMPARE(memory_use(device).peak, before.allocated + (4 << 20));
    QVERIFY(available_memory(device) > 0);
  }

  /// A packed weight is made dense there, of what is there, within what a forecast counts for it.
  void what_came_for_a_moment_gives_its_memory_back() {
    const std::int64_t before = pretend::live_bytes();
    const Tensor places = torch::arange(100), pixels = torch::rand({1 << 18});
    Tensor lasting = places, brief = pixels, nothing;
    pretend::reset_counts();
    move_with_brief({&lasting, &nothing}, {&brief}, pretend::device());
    QCOMPARE(pretend::counts().up, 1);
    QVERIFY(lasting.cpu().equal(places) && brief.cpu().equal(pixels) && !nothing.defined());
    QVERIFY(pretend::live_bytes() - before > (1 << 20));
    brief = Tensor();
    QVERIFY(pretend::live_bytes() - before < (1 << 13));
    QVERIFY(lasting.cpu().equal(places));
  }

  void a_packed_weight_asks_the_host_for_nothing_data() {
    QTest::addColumn<bool>("twice");
    QTest::newRow("plain scales") << false;
    QTest::newRow("packed scales") << true;
  }
  void a_packed_weight_asks_the_host_for_nothing() {
    QFETCH(bool, twice);
    constexpr std::int64_t kOut = 512, kIn = 1024, kCount = 3;
    const Json how{{"load_in_4bit", true},
                   {"bnb_4bit_quant_type", "nf4"},
                   {"bnb_4bit_use_double_quant", twice},
                   {"bnb_4bit_compute_dtype", "float32"}};
    const auto kind = find_weight_kind(how, "here");
    const PackedPointer own =
        weight_packing(**kind)->pack(torch::randn({kOut, kIn}), how, "here").take();
    const Weight here(own), there(own->to(pretend::device()));
    const Tensor x = torch::randn({kCount, kIn}), lying = x.to(pretend::device());
    pretend::reset_counts();
    pretend::reset_peak();
    const std::int64_t before = pretend::live_bytes();
    const Tensor y = there.product(lying, {}), back = there.product_back(y);
    QCOMPARE(pretend::counts().up + pretend::counts().down + pretend::counts().waits, 0);
    const std::int64_t taken = pretend::peak_bytes() - before,
                       counted = dense_run_bytes(kOut * kIn, 4, /*cpu=*/false);
    qInfo("%lld bytes were taken, %lld are counted", (long long)taken, (long long)counted);
    QVERIFY(taken <= counted + counted / 10);
    QVERIFY(at::allclose(y.cpu(), here.product(x, {}), 1e-4, 1e-4));
    QVERIFY(at::allclose(back.cpu(), here.product_back(y.cpu()), 1e-4, 1e-3));
  }

  void memory_runs_out_where_it_is_told_to() {
    pretend::fail_above(pretend::live_bytes() + 1000);
    QVERIFY_THROWS_EXCEPTION(c10::OutOfMemoryError, on_device({1000}));
    pretend::fail_above(0);
    pretend::fail_after(1);
    const Tensor first = on_device({10});
    try {
      on_device({10});
      QFAIL("the second allocation did not fail");
    } catch (const std::exception& failure) {
      QVERIFY(is_out_of_memory(failure));
    }
    QCOMPARE(on_device({10}).sum().item<double>(), 10.0);
  }

  void a_dry_step_does_no_large_work_and_counts_it() {
    const Tensor large = on_device({512, 512});
    const auto work = [&] { return at::mm(large, large).add_(1).sum(); };
    pretend::reset_counts();
    QCOMPARE(work().item<double>(), 513.0 * 512 * 512);
    const pretend::Counts real = pretend::counts();
    pretend::reset_counts();
    {
      const pretend::Dry dry;
      work();
      QCOMPARE(at::mm(large, large).sizes(), large.sizes());
    }
    const pretend::Counts dry = pretend::counts();
    QCOMPARE(dry.kernels, real.kernels + 1);
    QCOMPARE(dry.flops, 2 * real.flops);
    QVERIFY(real.seconds > 0 && dry.seconds > real.seconds);
  }
};

QTEST_GUILESS_MAIN(TestDevice)
#include "test_device.moc"
