// SPDX-License-Identifier: GPL-3.0-or-later
// Rows of two answers: one prompt's tokens in both, pictures kept once and seen once by the tower,
// and the same batch whether features are kept or made anew.
#include <torch/csrc/autograd/autograd.h>

#include "tests/train/watched_run.h"

#include "engine/batches/window_source.h"

using namespace luthier;
using namespace luthier::test;

namespace {

Json pair(const std::string& question, const std::string& chosen, const std::string& rejected,
          bool picture = true) {
  Json row = {{"prompt", (picture ? "<image>" : "") + question},
              {"chosen", chosen},
              {"rejected", rejected}};
  if (picture) row["images"] = {(fixture() / "a.png").string()};
  return row;
}

struct Pairs {
  TinyRun tiny;
  LoadedModel base;
  RowReader reader;

  explicit Pairs(const std::vector<Json>& rows) : base(load(tiny.recipe("run")).take()) {
    std::string text;
    for (const Json& row : rows) text += row.dump() + "\n";
    write_text(tiny.root() / "pairs.jsonl", text);
    reader.dataset = Dataset::open({tiny.root() / "pairs.jsonl"}).take();
    reader.processor = base.processor;
    reader.kind = &preference_rows();
  }
  MicroBatch batch() const {
    MicroBatch batch;
    for (std::size_t row = 0; row < reader.dataset->size(); ++row) {
      batch.rows.push_back(static_cast<std::int64_t>(row));
      batch.encoded.push_back(reader.read(static_cast<std::int64_t>(row)).take());
      batch.cached.emplace_back();
    }
    return batch;
  }
};

/// Of every sequence's every token, wherever it lies: sequence after sequence.
torch::Tensor of_sequences(const Batch& batch, const torch::Tensor& of_tokens) {
  std::vector<std::int64_t> places;
  const std::vector<LyingSequence> lying = lying_sequences(batch);
  for (std::size_t i = 0; i < lying.size(); ++i)
    for (std::int64_t at = 0; at < std::ssize(batch.example(i).input_ids); ++at)
      places.push_back(lying[i].place(at));
  return of_tokens.index_select(0, torch::tensor(places, torch::kInt64));
}

}  // namespace

class TestPairs : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() { at::set_num_threads(1); }

  void both_begin_with_the_prompt() {
    const Pairs pairs(
        std::vector<Json>{pair("What is it?", "A red square.", "Nothing at all, I fear.")});
    const EncodedRow row = pairs.batch().encoded.front();
    QCOMPARE(row.sequences.size(), std::size_t{2});
    QVERIFY(row.shares_pictures);
    QCOMPARE(row.sequences[0].images.size(), std::size_t{1});
    QVERIFY(row.sequences[1].images.empty());
    QCOMPARE(row.pictures_of(1).size(), std::size_t{1});
    const auto prompt_of = [](const Example& example) {
      const auto answer = std::find_if(example.labels.begin(), example.labels.end(),
                                       [](std::int64_t label) { return label != kIgnoreLabel; });
      return std::vector<TokenId>(example.input_ids.begin(),
                                  example.input_ids.begin() + (answer - example.labels.begin()));
    };
    QCOMPARE(prompt_of(row.sequences[0]), prompt_of(row.sequences[1]));
    QVERIFY(!prompt_of(row.sequences[0]).empty());
    for (const Example& example : row.sequences) {
      const std::size_t prompt = prompt_of(example).size();
      for (std::size_t i = prompt; i < example.labels.size(); ++i)
        QCOMPARE(example.labels[i], example.input_ids[i]);
    }
    QVERIFY(row.sequences[0].labels != row.sequences[1].labels);
  }

  void answers_lie_after_one_another() {
    const Pairs pairs({pair("One?", "Yes.", "No, it is two."), pair("Two?", "No.", "Yes.", false)});
    const MicroBatch rows = pairs.batch();
    const BatchMaker maker(pairs.base, true, nullptr);
    const Batch batch = maker.make(rows, preference_rows().order(), BatchMaker::Pass::Evaluation);
    QCOMPARE(batch.sequences.size(), std::size_t{4});
    const std::vector<std::pair<std::size_t, std::size_t>> wanted{{0, 0}, {1, 0}, {0, 1}, {1, 1}};
    std::vector<TokenId> all;
    for (std::size_t i = 0; i < wanted.size(); ++i) {
      QCOMPARE(batch.sequences[i].row, wanted[i].first);
      QCOMPARE(batch.sequences[i].number, wanted[i].second);
      const std::vector<TokenId>& ids = batch.example(i).input_ids;
      all.insert(all.end(), ids.begin(), ids.end());
    }
    QVERIFY(
        at::equal(of_sequences(batch, batch.input.input_ids), torch::tensor(all, torch::kInt64)));
    // The prompts lie there once, with their pictures, and the answers go on from them.
    QCOMPARE(batch.input.trunks, (std::vector<std::int64_t>{-1, -1, 0, 1, 0, 1}));
    QCOMPARE(batch.input.pictures.size(), std::size_t{1});
    QVERIFY(batch.input.input_ids.size(0) < std::ssize(all));
  }

  void shared_pictures_are_as_good_as_their_own() {
    const Pairs pairs({pair("One?", "Yes.", "No, it is two."), pair("Two?", "No.", "Yes.")});
    const MicroBatch rows = pairs.batch();
    MicroBatch apart = rows;
    for (EncodedRow& row : apart.encoded) {
      row.sequences[1].images = row.sequences[0].images;
      row.shares_pictures = false;
    }
    const torch::NoGradGuard no_grad;
    const auto states = [&](const MicroBatch& of, bool fixed) {
      const BatchMaker maker(pairs.base, fixed, nullptr);
      const Batch batch = maker.make(of, SequenceOrder::AnswerByAnswer, BatchMaker::Pass::Training);
      return of_sequences(batch,
                          pairs.base.model->decode(pairs.base.model->embed(batch.input), nullptr));
    };
    const torch::Tensor wanted = states(apart, true);
    QVERIFY(at::allclose(states(rows, true), wanted, 1e-5, 1e-6));
    QVERIFY(at::allclose(states(rows, false), wanted, 1e-5, 1e-6));
    QVERIFY(at::allclose(states(apart, false), wanted, 1e-5, 1e-6));
  }

  void a_tower_that_trains_gets_the_gradient_of_both() {
    const Pairs pairs(std::vector<Json>{pair("One?", "Yes.", "No, it is two.")});
    std::vector<torch::Tensor> tower;
    for (auto& item : pairs.base.model->named_parameters())
      if (pairs.base.model->part_of(item.key()) == kVisionTower)
        tower.push_back(item.value().set_requires_grad(true));
    MicroBatch apart = pairs.batch();
    apart.encoded[0].sequences[1].images = apart.encoded[0].sequences[0].images;
    apart.encoded[0].shares_pictures = false;
    const auto gradients = [&](const MicroBatch& rows) {
      const BatchMaker maker(pairs.base, false, nullptr);
      const Batch batch = maker.make(rows, SequenceOrder::RowByRow, BatchMaker::Pass::Training);
      const torch::Tensor states = of_sequences(
          batch, pairs.base.model->decode(pairs.base.model->embed(batch.input), nullptr));
      return torch::autograd::grad({states.pow(2).sum()}, tower, {}, {}, false, true);
    };
    const MicroBatch shared = pairs.batch();
    const auto mine = gradients(shared), wanted = gradients(apart);
    int compared = 0;
    for (std::size_t i = 0; i < tower.size(); ++i) {
      QCOMPARE(mine[i].defined(), wanted[i].defined());
      if (!mine[i].defined()) continue;
      const double scale = std::max(1e-3, wanted[i].abs().max().item<double>());
      QVERIFY((mine[i] - wanted[i]).abs().max().item<double>() < 1e-4 * scale);
      ++compared;
    }
    QVERIFY(compared > 0);
  }

  void kept_features_change_no_bit() {
    const Pairs pairs({pair("One?", "Yes.", "No, it is two."), pair("Two?", "No.", "Yes.", false)});
    const auto cache = std::make_shared<RowCache>(1 << 20);
    const BatchMaker maker(pairs.base, true, cache);
    const MicroBatch rows = pairs.batch();
    const Batch first = maker.make(rows, SequenceOrder::AnswerByAnswer, BatchMaker::Pass::Training);
    MicroBatch again;
    for (std::int64_t row = 0; row < 2; ++row) {
      const auto kept = cache->find(row);
      QVERIFY(kept != nullptr);
      for (const Example& example : kept->encoded.sequences)
        for (const PixelValues& picture : example.images) QVERIFY(picture.values.empty());
      again.rows.push_back(row);
      again.encoded.push_back(kept->encoded);
      again.cached.push_back(kept);
    }
    const Batch second =
        maker.make(again, SequenceOrder::AnswerByAnswer, BatchMaker::Pass::Training);
    QVERIFY(first.input.input_ids.equal(second.input.input_ids));
    QVERIFY(first.input.labels.equal(second.input.labels));
    QVERIFY(first.input.tower_features.equal(second.input.tower_features));
    QCOMPARE(first.input.lengths, second.input.lengths);
  }

  void noise_goes_by_the_place() {
    const Pairs pairs({pair("One?", "Yes.", "No."), pair("Two?", "No.", "Yes.")});
    class Noise : public RowKind {
     public:
      mutable std::vector<std::uint64_t> seen;
      const char* name() const override { return "noise"; }
      Result<EncodedRow> encode(const Conversation&, const ChatProcessor&, const RowEncoding& how,
                                const std::string&, RowFault*) const override {
        seen.push_back(how.noise);
        return EncodedRow{};
      }
    } kind;
    RowReader reader = pairs.reader;
    reader.kind = &kind;
    reader.seed = 7;
    for (const std::int64_t epoch : {0, 1})
      for (const std::int64_t row : {0, 1}) QVERIFY(reader.read(row, epoch).ok());
    QVERIFY(reader.read(0, 0).ok());
    reader.seed = 8;
    QVERIFY(reader.read(0, 0).ok());
    QCOMPARE(kind.seen[4], kind.seen[0]);
    const std::set<std::uint64_t> different{kind.seen[0], kind.seen[1], kind.seen[2], kind.seen[3],
                                            kind.seen[5]};
    QCOMPARE(different.size(), std::size_t{5});
  }
};

QTEST_GUILESS_MAIN(TestPairs)
#include "test_pairs.moc"
