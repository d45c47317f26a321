// SPDX-License-Identifier: GPL-3.0-or-later
// What ranks send from card to card: two ranks as threads, each with tensors on the pretended
// device, over a stand-in for NCCL.
#include <dlfcn.h>

#include <cstdlib>
#include <filesystem>
#include <mutex>

#include "engine/base/log.h"
#include "engine/device/cuda_libraries.h"
#include "engine/train/gradient_exchange.h"
#include "tests/pretend/arena.h"
#include "tests/pretend/pretend.h"
#include "tests/ranks/as_threads.h"
#include "tests/ranks/fake_nccl.h"

#include <QtTest>  // after LibTorch: its keyword `slots` is a name there

using namespace luthier;
using luthier::test::by_ranks;
using torch::Tensor;

namespace {

const std::string kNccl = LUTHIER_BINARY_DIR "/tests/libfake_nccl.so";

std::vector<TrainedTensor> some_tensors(torch::Device device) {
  std::vector<TrainedTensor> tensors;
  for (const std::vector<std::int64_t>& sizes :
       std::vector<std::vector<std::int64_t>>{{1200, 1100}, {3, 7}, {129}, {1}}) {
    TrainedTensor each;
    each.tensor = torch::zeros(sizes, device).set_requires_grad(true);
    tensors.push_back(std::move(each));
  }
  return tensors;
}

Tensor gradient(int batch, const Tensor& like) {
  auto generator = at::make_generator<at::CPUGeneratorImpl>(
      static_cast<std::uint64_t>(31 * batch + like.numel()));
  return torch::randn(like.sizes(), generator).to(like.device());
}

/// The sums of four micro-batches as a rank has them, on the CPU; a fault's sentence otherwise.
Result<std::vector<Tensor>> sums_of(const std::shared_ptr<Ranks>& all, torch::Device device,
                                    const std::function<void()>& between = {}) {
  const std::vector<TrainedTensor> tensors = some_tensors(device);
  GradientExchange exchange(tensors, all);
  exchange.begin();
  for (int batch = all->rank(); batch < 4; batch += all->size()) {
    for (const TrainedTensor& each : tensors) {
      const torch::NoGradGuard no_grad;
      each.tensor.mutable_grad() = gradient(batch, each.tensor);
    }
    LUTHIER_TRY(const std::vector<std::string> standing, all->gather(exchange.standing()));
    if (between) between();
    LUTHIER_CHECK(exchange.add(standing));
  }
  LUTHIER_CHECK(exchange.finish(/*one=*/false));
  std::vector<Tensor> sums;
  for (const TrainedTensor& each : tensors) sums.push_back(each.tensor.grad().cpu());
  return sums;
}

}  // namespace

class TestCards : public QObject {
  Q_OBJECT

  test::FailNccl fail_ = nullptr;
  test::SentNccl sent_ = nullptr;
  std::mutex mutex_;
  QStringList told_;

  /// Once two ranks have joined as they can: both have the sums of two that send through memory.
  QString sums_differ(bool linked, const std::string& library = kNccl) {
    std::vector<Tensor> wanted;
    std::string said = by_ranks(2, [&](std::shared_ptr<Ranks> all) -> std::string {
      auto sums = sums_of(all, torch::kCPU);
      if (!sums) return sums.error().sentence();
      if (all->leads()) wanted = sums.take();
      return {};
    });
    said += by_ranks(2, [&](std::shared_ptr<Ranks> all) -> std::string {
      if (const Status joined = all->join_cards(pretend::device(), library); !joined)
        return joined.error().sentence();
      if ((all->line() == pretend::device()) != linked) return "The line is another. ";
      auto sums = sums_of(all, pretend::device());
      if (!sums) return sums.error().sentence();
      for (std::size_t i = 0; i < wanted.size(); ++i)
        if (!(*sums)[i].equal(wanted[i])) return "tensor " + std::to_string(i) + ". ";
      return {};
    });
    return QString::fromStdString(said);
  }

 private slots:
  void initTestCase() {
    pretend::start();
    void* library = dlopen(kNccl.c_str(), RTLD_NOW | RTLD_LOCAL);
    QVERIFY2(library, "the stand-in for NCCL is not built");
    fail_ = reinterpret_cast<test::FailNccl>(dlsym(library, "fake_fail"));
    sent_ = reinterpret_cast<test::SentNccl>(dlsym(library, "fake_sent"));
    reinterpret_cast<test::ReachNccl>(dlsym(library, "fake_reach"))(pretend::readable_address);
    set_log_sink([this](LogLevel level, const std::string& text) {
      const std::lock_guard lock(mutex_);
      if (level != LogLevel::Debug) told_ << QString::fromStdString(text);
    });
  }
  void cleanupTestCase() { set_log_sink({}); }
  void init() {
    fail_("", 0);
    sent_();
    told_.clear();
    pretend::let_finish(true);
    unsetenv("LUTHIER_LINK");
  }

  void gradients_go_from_card_to_card() {
    QCOMPARE(sums_differ(/*linked=*/true), QString());
    QCOMPARE(told_.size(), 1);
    QVERIFY2(told_.front().contains("from card to card"), qPrintable(told_.front()));
    // Each rank's half of two rounds to the other, then the sums of what each owns.
    const long numbers = 1200 * 1100 + 21 + 129 + 1;
    const long sent = sent_();
    QVERIFY2(sent >= 4 * 3 * numbers && sent < 4 * 4 * numbers, qPrintable(QString::number(sent)));
  }

  void nothing_goes_through_the_machine_s_memory() {
    const std::string said = by_ranks(2, [&](std::shared_ptr<Ranks> all) -> std::string {
      if (const Status joined = all->join_cards(pretend::device(), kNccl); !joined)
        return joined.error().sentence();
      const Tensor bytes = torch::full({1000}, all->rank(), torch::kUInt8).to(pretend::device());
      if (!all->gather(std::string("there"))) return "They do not speak. ";
      if (all->leads()) pretend::reset_counts();
      if (!all->gather(std::string("counted"))) return "They do not speak. ";
      const auto gathered = all->gather(bytes);
      const auto exchanged = all->exchange(
          bytes, {600, 400},
          all->leads() ? std::vector<std::int64_t>{600, 600} : std::vector<std::int64_t>{400, 400});
      if (!gathered || !exchanged) return "They do not send. ";
      if (!all->gather(std::string("done"))) return "They do not speak. ";
      if (pretend::counts().down != 0) return "Bytes came down. ";
      if (!all->gather(std::string("looked"))) return "They do not speak. ";
      const Tensor both = gathered->cpu(), came = exchanged->cpu();
      if (both.sum().item<std::int64_t>() != 1000 || both[1].sum().item<std::int64_t>() != 1000)
        return "Other bytes were gathered. ";
      return came.sum().item<std::int64_t>() == came.numel() / 2 ? "" : "Other bytes came. ";
    });
    QCOMPARE(QString::fromStdString(said), QString());
  }

  /// The library that LibTorch's CUDA half comes with has what is taken of it, and its idea of a
  /// meeting is ours; more of it wants a card.
  void the_real_library_is_the_one_we_know() {
    const std::filesystem::path nccl =
        libtorch_folder() / "../../nvidia/nccl/lib" / NcclLine::kLibrary;
    if (!std::filesystem::exists(nccl)) QSKIP("This LibTorch is without NCCL.");
    const auto one = NcclLine::new_meeting(nccl.string()),
               other = NcclLine::new_meeting(nccl.string());
    QVERIFY2(one.ok() && other.ok(), one ? "" : one.error().sentence().c_str());
    QCOMPARE(one->size(), std::size_t(128));
    QVERIFY(*one != *other);
  }

  void without_nccl_they_go_through_memory() {
    QCOMPARE(sums_differ(/*linked=*/false, "libnothing.so.1"), QString());
    QCOMPARE(told_.size(), 1);
    QVERIFY2(told_.front().contains("libnothing.so.1"), qPrintable(told_.front()));
    QCOMPARE(sent_(), 0L);
  }

  void a_person_may_say_so() {
    setenv("LUTHIER_LINK", "gloo", 1);
    QCOMPARE(sums_differ(/*linked=*/false), QString());
    QVERIFY2(told_.front().contains("LUTHIER_LINK"), qPrintable(told_.front()));
  }

  void cards_that_cannot_be_linked_are_told() {
    fail_("ncclCommInitRank", test::kNcclSystemFault);
    QCOMPARE(sums_differ(/*linked=*/false), QString());
    QCOMPARE(told_.size(), 1);
    QVERIFY2(told_.front().contains("unhandled system error"), qPrintable(told_.front()));
  }

  void a_card_s_fault_ends_it_for_all() {
    const std::string said = by_ranks(2, [&](std::shared_ptr<Ranks> all) -> std::string {
      if (const Status joined = all->join_cards(pretend::device(), kNccl); !joined)
        return joined.error().sentence();
      pretend::let_finish(false);
      const auto sums =
          sums_of(all, pretend::device(), [&] { fail_("of a card", test::kNcclSystemFault); });
      return sums ? "Nobody noticed. " : all->fault() ? "" : "No fault stands. ";
    });
    QCOMPARE(QString::fromStdString(said), QString());
  }

  /// Rank 1 ends while rank 0's card waits for it.
  void a_rank_that_is_gone_is_noticed_while_cards_wait() {
    const std::string said = by_ranks(2, [&](std::shared_ptr<Ranks> all) -> std::string {
      if (const Status joined = all->join_cards(pretend::device(), kNccl); !joined)
        return joined.error().sentence();
      if (!all->leads()) {
        all->leave("It lost its card.");
        return {};
      }
      pretend::let_finish(false);
      const Tensor bytes = torch::zeros({0}, torch::kUInt8).to(pretend::device());
      const auto came = all->exchange(bytes, {0, 0}, {0, 0});
      if (came) return "Nobody noticed. ";
      const std::string sentence = came.error().sentence();
      return sentence.find("Rank 1 ended: It lost its card.") == std::string::npos ? sentence : "";
    });
    QCOMPARE(QString::fromStdString(said), QString());
  }
};

QTEST_GUILESS_MAIN(TestCards)
#include "test_cards.moc"
