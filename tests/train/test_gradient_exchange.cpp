// SPDX-License-Identifier: GPL-3.0-or-later
// Ranks as threads of one process, each with its own connections over the loopback: the sums that
// they come to are, to the bit, those that one adds up in the order of the micro-batches.
#include "engine/train/gradient_exchange.h"

#include <arpa/inet.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmath>
#include <functional>
#include <thread>

#include "engine/ranks/owners.h"
#include "engine/ranks/shared_work.h"

#include <QtTest>  // after LibTorch: its keyword `slots` is a name there

using namespace luthier;

namespace {

int free_port() {
  const int number = socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in place{};
  place.sin_family = AF_INET;
  place.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof place;
  bind(number, reinterpret_cast<sockaddr*>(&place), sizeof place);
  getsockname(number, reinterpret_cast<sockaddr*>(&place), &size);
  close(number);
  return ntohs(place.sin_port);
}

/// `work` of each rank; what it returns is said where it is not empty.
std::string by_ranks(int size, const std::function<std::string(std::shared_ptr<Ranks>)>& work) {
  const int port = free_port();
  std::vector<std::string> said(static_cast<std::size_t>(size));
  std::vector<std::thread> threads;
  for (int rank = 0; rank < size; ++rank) {
    threads.emplace_back([&, rank] {
      RankPlace place;
      place.rank = place.local_rank = rank;
      place.size = place.local_size = size;
      place.address = "127.0.0.1";
      place.port = port;
      auto met = Ranks::meet(place);
      std::string& mine = said[static_cast<std::size_t>(rank)];
      mine = met ? work(*met) : met.error().sentence();
      if (!met) return;
      if (rank > 0 && mine.empty()) (void)(*met)->next_order();  // that it is over
      (*met)->leave(mine);
    });
  }
  for (std::thread& each : threads) each.join();
  std::string all;
  for (const std::string& each : said) all += each;
  return all;
}

/// Of micro-batch i a gradient of tensor t, or none.
torch::Tensor gradient(std::int64_t i, std::int64_t t, const torch::Tensor& tensor,
                       torch::ScalarType type) {
  if ((i + t) % 5 == 3) return {};
  auto generator = at::make_generator<at::CPUGeneratorImpl>(static_cast<std::uint64_t>(17 * i + t));
  return torch::randn(tensor.sizes(), generator).to(type);
}

std::vector<TrainedTensor> some_tensors(torch::ScalarType type) {
  std::vector<TrainedTensor> tensors;
  // One of more numbers than go over the line at once, and some that share a bucket.
  for (const std::vector<std::int64_t>& sizes :
       std::vector<std::vector<std::int64_t>>{{5'000'011}, {3, 7}, {129}, {1}, {64, 33}}) {
    TrainedTensor each;
    each.tensor = torch::zeros(sizes, type).set_requires_grad(true);
    tensors.push_back(std::move(each));
  }
  return tensors;
}

/// As one process adds up micro-batches: the first as it is, in float32 from the second on.
std::vector<torch::Tensor> added_by_one(const std::vector<TrainedTensor>& tensors,
                                        std::int64_t batches, torch::ScalarType type) {
  std::vector<torch::Tensor> sums(tensors.size());
  for (std::int64_t i = 0; i < batches; ++i) {
    for (std::size_t t = 0; t < tensors.size(); ++t) {
      const torch::Tensor made =
          gradient(i, static_cast<std::int64_t>(t), tensors[t].tensor, type);
      if (!made.defined()) continue;
      if (sums[t].defined())
        sums[t].add_(made);
      else
        sums[t] = made.to(torch::kFloat32, /*non_blocking=*/false, /*copy=*/true);
    }
  }
  return sums;
}

}  // namespace

class TestGradientExchange : public QObject {
  Q_OBJECT

 private slots:
  void sums_are_those_of_one_process_data() {
    QTest::addColumn<int>("ranks");
    QTest::addColumn<int>("batches");
    QTest::addColumn<int>("type");
    for (const int ranks : {2, 3, 4})
      for (const int batches : {1, 2, 3, 7})
        for (const torch::ScalarType type : {torch::kFloat32, torch::kBFloat16})
          QTest::addRow("%d ranks, %d batches, %s", ranks, batches, c10::toString(type))
              << ranks << batches << static_cast<int>(type);
  }
  void sums_are_those_of_one_process() {
    QFETCH(int, ranks);
    QFETCH(int, batches);
    QFETCH(int, type);
    const auto scalar = static_cast<torch::ScalarType>(type);
    const std::string said = by_ranks(ranks, [&](std::shared_ptr<Ranks> all) -> std::string {
      const std::vector<TrainedTensor> tensors = some_tensors(scalar);
      GradientExchange exchange(tensors, all);
      exchange.begin();
      for (int first = 0; first < batches; first += ranks) {
        const int mine = first + all->rank();
        for (std::size_t t = 0; mine < batches && t < tensors.size(); ++t)
          tensors[t].tensor.mutable_grad() =
              gradient(mine, static_cast<std::int64_t>(t), tensors[t].tensor, scalar);
        auto standing = all->gather(exchange.standing());
        if (!standing) return standing.error().sentence();
        if (const Status added = exchange.add(*standing); !added) return added.error().sentence();
      }
      if (const Status done = exchange.finish(/*one=*/false); !done) return done.error().sentence();
      const std::vector<torch::Tensor> wanted = added_by_one(tensors, batches, scalar);
      for (std::size_t t = 0; t < tensors.size(); ++t) {
        const torch::Tensor& got = tensors[t].tensor.grad();
        if (got.defined() != wanted[t].defined()) return "tensor " + std::to_string(t) + " lacks. ";
        if (got.defined() && !got.equal(wanted[t])) return "tensor " + std::to_string(t) + ". ";
      }
      return {};
    });
    QCOMPARE(QString::fromStdString(said), QString());
  }

  void texts_of_any_length_come_from_all() {
    const std::string said = by_ranks(3, [](std::shared_ptr<Ranks> all) -> std::string {
      for (const std::size_t length : {0, 1, 1015, 1016, 1017, 5000}) {
        const auto text = [&](int rank) {
          return std::string(length + static_cast<std::size_t>(rank), static_cast<char>('a' + rank));
        };
        auto texts = all->gather(text(all->rank()));
        if (!texts) return texts.error().sentence();
        for (int rank = 0; rank < 3; ++rank)
          if ((*texts)[static_cast<std::size_t>(rank)] != text(rank)) return "another text. ";
      }
      return {};
    });
    QCOMPARE(QString::fromStdString(said), QString());
  }

  void facts_that_differ_are_named() {
    const std::string said = by_ranks(2, [](std::shared_ptr<Ranks> all) -> std::string {
      const Status same = all->agree({{"dataset", "abc"}});
      if (!same) return same.error().sentence();
      const Status other = all->agree({{"dataset", all->leads() ? "abc" : "xyz"}});
      if (other) return "it was not noticed. ";
      const std::string sentence = other.error().sentence();
      return sentence.find("Rank 1 has another dataset than rank 0: xyz beside abc.") ==
                     std::string::npos
                 ? sentence
                 : "";
    });
    QCOMPARE(QString::fromStdString(said), QString());
  }

  /// Each piece by one rank, from whichever on; all have all, in order and to the bit.
  void pieces_come_from_whoever_made_them() {
    const std::string said = by_ranks(3, [](std::shared_ptr<Ranks> all) -> std::string {
      const SharedWork work(all);
      const torch::Tensor numbers = torch::tensor({0.1f, -0.0f, NAN, INFINITY});
      for (const std::int64_t first : {0, 2, 7}) {
        std::size_t made = 0;
        const auto pieces = work.each(
            7,
            [&](std::size_t piece) -> Result<Json> {
              ++made;
              return Json{{"of", all->rank()},
                          {"number", 0.1 * static_cast<double>(piece)},
                          {"none", NAN},
                          {"tensor", tensor_json(numbers.to(piece % 2 ? torch::kFloat32
                                                                      : torch::kBFloat16))}};
            },
            first);
        if (!pieces) return pieces.error().sentence();
        if (made < 2 || made > 3) return "a rank made too much or too little. ";
        for (std::size_t i = 0; i < 7; ++i) {
          const Json& piece = (*pieces)[i];
          if (piece["of"].get<std::int64_t>() != (first + static_cast<std::int64_t>(i)) % 3)
            return "another rank's turn. ";
          if (piece["number"].get<double>() != 0.1 * static_cast<double>(i)) return "a number. ";
          if (!std::isnan(piece["none"].get<double>())) return "what is no number. ";
          const torch::Tensor wanted = numbers.to(i % 2 ? torch::kFloat32 : torch::kBFloat16);
          const torch::Tensor got = tensor_of(piece["tensor"]);
          if (got.scalar_type() != wanted.scalar_type() ||
              !got.view(torch::kUInt8).equal(wanted.view(torch::kUInt8)))
            return "a tensor. ";
        }
      }
      return {};
    });
    QCOMPARE(QString::fromStdString(said), QString());
  }

  void a_piece_that_cannot_be_made_ends_it_for_all() {
    const std::string said = by_ranks(3, [](std::shared_ptr<Ranks> all) -> std::string {
      const SharedWork work(all);
      const auto fails = [&](const Error& error) {
        return work.each(3, [&](std::size_t piece) -> Result<Json> {
          if (piece == 1) return error;
          return Json(1);
        });
      };
      const auto broken = fails(input_error("The row is broken.", "rows.jsonl: row 3"));
      if (broken) return "nobody noticed. ";
      if (broken.error().sentence().find("row 3") == std::string::npos ||
          (all->rank() != 1 && broken.error().sentence().find("Rank 1") == std::string::npos))
        return broken.error().sentence();
      const auto stopped = fails(interrupted_error());
      if (stopped || stopped.error().code != ErrorCode::Interrupted) return "it was not stopped. ";
      try {
        const auto thrown = work.each(3, [&](std::size_t piece) -> Result<Json> {
          if (piece == 1) throw std::runtime_error("no memory");
          return Json(1);
        });
        if (all->rank() == 1 || thrown ||
            thrown.error().sentence().find("Rank 1: no memory") == std::string::npos)
          return "the exception was lost. ";
      } catch (const std::runtime_error&) {
        if (all->rank() != 1) return "another rank's exception. ";
      }
      const auto again =
          work.each(3, [](std::size_t piece) -> Result<Json> { return Json(piece); });
      return again && (*again)[2] == Json(2) ? "" : "they do not go on. ";
    });
    QCOMPARE(QString::fromStdString(said), QString());
  }

  void the_end_comes_with_its_reason() {
    const std::string ended = by_ranks(2, [](std::shared_ptr<Ranks> all) -> std::string {
      if (all->leads()) {
        all->leave("Its disk is full.");
        return {};
      }
      const auto order = all->next_order();
      if (order) return "it came back with " + *order;
      return order.error().sentence().find("Its disk is full.") == std::string::npos
                 ? order.error().sentence()
                 : "";
    });
    QCOMPARE(QString::fromStdString(ended), QString());
  }

  void each_tensor_has_one_owner_and_loads_are_even() {
    const std::vector<int> owners = tensor_owners({8, 1, 5, 4, 2}, 2);
    QCOMPARE(owners, (std::vector<int>{0, 1, 1, 1, 0}));
    QCOMPARE(tensor_owners({3}, 4), std::vector<int>{0});
  }
};

QTEST_GUILESS_MAIN(TestGradientExchange)
#include "test_gradient_exchange.moc"
