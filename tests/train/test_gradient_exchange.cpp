// SPDX-License-Identifier: GPL-3.0-or-later
// Ranks as threads of one process, each with its own connections over the loopback: the sums that
// they come to are, to the bit, those that one adds up in the order of the micro-batches.
#include "engine/train/gradient_exchange.h"

#include <cmath>
#include <filesystem>
#include <set>

#include "engine/models/sharded_layers.h"
#include "engine/ranks/owners.h"
#include "engine/ranks/shared_work.h"

#include "tests/ranks/as_threads.h"
#include "tests/train/tiny_weights.h"

#include <QTemporaryDir>
#include <QtTest>  // after LibTorch: its keyword `slots` is a name there

using namespace luthier;
using luthier::test::by_ranks;
namespace fs = std::filesystem;

namespace {

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
      const torch::Tensor made = gradient(i, static_cast<std::int64_t>(t), tensors[t].tensor, type);
      if (!made.defined()) continue;
      if (sums[t].defined())
        sums[t].add_(made);
      else
        sums[t] = made.to(torch::kFloat32, /*non_blocking=*/false, /*copy=*/true);
    }
  }
  return sums;
}

/// What a decoder makes of some tokens, and of a gradient for it.
struct Computed {
  torch::Tensor states, gradient;
  int layers_there = 0;  ///< whose weights have memory while the graph stands
};
Computed computed_by(LoadedModel& loaded, bool again) {
  Model& model = *loaded.model;
  model.set_gradient_checkpointing(again);
  ModelInput input;
  input.input_ids = torch::arange(4, 15);
  input.lengths = {7, 4};
  TokenSequence sequence = model.causal()->embed(input);
  sequence.embeddings = sequence.embeddings.detach().set_requires_grad(true);
  Computed made;
  made.states = model.causal()->decode(sequence, nullptr);
  for (const auto& item : model.named_parameters()) {
    if (item.key().find("layers.") == std::string::npos ||
        item.key().find("q_proj.weight") == std::string::npos ||
        item.key().find("vision") != std::string::npos)
      continue;
    made.layers_there += item.value().storage().nbytes() > 0;
  }
  made.states.sum().backward();
  made.gradient = sequence.embeddings.grad();
  return made;
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
          return std::string(length + static_cast<std::size_t>(rank),
                             static_cast<char>('a' + rank));
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

  void pieces_come_to_whoever_asks_and_whenever() {
    const std::string said = by_ranks(3, [](std::shared_ptr<Ranks> all) -> std::string {
      const auto piece = [](int rank, int which) {
        return torch::full({70'000 * which + 512}, 10 * rank + which, torch::kUInt8);
      };
      const Status kept = all->keep({piece(all->rank(), 0), piece(all->rank(), 1)});
      if (!kept) return kept.error().sentence();
      // As often as no other rank.
      for (int time = 0; time < 3 * all->rank() + 1; ++time) {
        const int which = time % 2;
        const std::int64_t bytes = piece(0, which).numel();
        const torch::Tensor whole = torch::zeros({3 * bytes}, torch::kUInt8);
        Status came = all->ask(static_cast<std::size_t>(which), whole);
        if (came) came = all->arrived();
        if (!came) return came.error().sentence();
        for (int rank = 0; rank < 3; ++rank)
          if (!whole.narrow(0, rank * bytes, bytes).equal(piece(rank, which)))
            return "another piece of rank " + std::to_string(rank) + ". ";
      }
      const auto done = all->gather(std::string("done"));  // until then all are answered
      return done ? "" : done.error().sentence();
    });
    QCOMPARE(QString::fromStdString(said), QString());
  }

  void who_keeps_a_piece_and_is_gone_is_named() {
    const std::string why = "It lost its card.";
    const std::string said = by_ranks(2, [&](std::shared_ptr<Ranks> all) -> std::string {
      const Status kept = all->keep({torch::zeros({1024}, torch::kUInt8)});
      if (!kept) return kept.error().sentence();
      if (!all->leads()) return why;
      const torch::Tensor whole = torch::zeros({2048}, torch::kUInt8);
      for (;;) {
        Status came = all->ask(0, whole);
        if (came) came = all->arrived();
        if (came) continue;
        if (!all->fault()) return "no fault stands. ";
        const std::string sentence = came.error().sentence();
        return sentence.find("Rank 1 ended: " + why) == std::string::npos ? sentence : "";
      }
    });
    QCOMPARE(QString::fromStdString(said), QString::fromStdString(why));
  }

  void layers_of_all_ranks_compute_the_same_bits_data() {
    QTest::addColumn<int>("ranks");
    QTest::addColumn<QString>("type");
    QTest::addColumn<bool>("again");
    for (const int ranks : {2, 3})
      for (const char* type : {"float32", "bfloat16"})
        for (const bool again : {false, true})
          QTest::addRow("%d ranks, %s, %s", ranks, type, again ? "made again" : "kept")
              << ranks << type << again;
  }
  void layers_of_all_ranks_compute_the_same_bits() {
    QFETCH(int, ranks);
    QFETCH(QString, type);
    QFETCH(bool, again);
    QTemporaryDir root;
    const fs::path folder = fs::path(root.path().toStdString()) / "model";
    test::TinyModel size;
    size.layers = 3;
    test::write_model(folder, size, 5);
    LoadOptions options;
    options.device = "cpu", options.dtype = type.toStdString();
    auto whole = load_model(folder, options);
    QVERIFY(whole.ok());
    const Computed wanted = computed_by(*whole, again);
    const std::string said = by_ranks(ranks, [&](std::shared_ptr<Ranks> all) -> std::string {
      const auto nothing = [](const Model&) { return std::set<std::string>(); };
      auto loaded = load_sharded(folder, options, {all, nothing});
      if (!loaded) return loaded.error().sentence();
      // Not as often as the others: nobody goes along.
      for (int time = 0; time <= all->rank(); ++time) {
        const Computed got = computed_by(*loaded, again);
        if (!got.states.equal(wanted.states)) return "other states. ";
        if (!got.gradient.equal(wanted.gradient)) return "another gradient. ";
        if (got.layers_there > 1) return "a layer stayed. ";
      }
      const auto done = all->gather(std::string("done"));
      return done ? "" : done.error().sentence();
    });
    QCOMPARE(QString::fromStdString(said), QString());
  }

  void a_layer_goes_in_equal_pieces() {
    const LayerSizes sizes = layer_sizes({512, 100, 1}, 3);
    QCOMPARE(sizes.piece, std::int64_t{512});
    QCOMPARE(sizes.whole, std::int64_t{3 * 512});
    QCOMPARE(layer_sizes({4096}, 3).piece, std::int64_t{1536});
  }

  void each_tensor_has_one_owner_and_loads_are_even() {
    const std::vector<int> owners = tensor_owners({8, 1, 5, 4, 2}, 2);
    QCOMPARE(owners, (std::vector<int>{0, 1, 1, 1, 0}));
    QCOMPARE(tensor_owners({3}, 4), std::vector<int>{0});
  }
};

QTEST_GUILESS_MAIN(TestGradientExchange)
#include "test_gradient_exchange.moc"
