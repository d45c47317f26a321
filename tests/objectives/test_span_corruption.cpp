// SPDX-License-Identifier: GPL-3.0-or-later
// What span corruption makes of a text: how much is cut out and in how many spans, that nothing is
// lost between what is read and what is written, what is refused, and that a run goes on to the
// same bytes. The numbers of the loss are held against transformers in tests/parity.
#include "tests/train/watched_run.h"

#include <cmath>

#include "engine/objectives/objective.h"
#include "tests/models/tiny_t5.h"

using namespace luthier;
using namespace luthier::test;

namespace {

/// Rows of so many letters each, as the text's row kind has them.
MicroBatch rows_of(const std::vector<int>& lengths) {
  MicroBatch rows;
  for (const int length : lengths) {
    Example example;
    for (int i = 0; i < length; ++i) example.input_ids.push_back(kFirstLetter + i % kLetters);
    example.input_ids.push_back(1);
    example.labels.assign(example.input_ids.size(), 7);
    EncodedRow row;
    row.sequences.push_back(std::move(example));
    rows.rows.push_back(static_cast<std::int64_t>(rows.rows.size()));
    rows.encoded.push_back(std::move(row));
    rows.cached.emplace_back();
  }
  return rows;
}

bool is_sentinel(TokenId id) { return id > kFirstSentinel - kSentinels && id <= kFirstSentinel; }

/// Puts each span back in its sentinel's place.
std::vector<TokenId> restored(const Example& example) {
  std::vector<TokenId> text;
  for (const TokenId id : example.source_ids) {
    if (!is_sentinel(id)) {
      text.push_back(id);
      continue;
    }
    auto at = std::find(example.labels.begin(), example.labels.end(), id) + 1;
    while (at != example.labels.end() && !is_sentinel(*at) && *at != 1) text.push_back(*at++);
  }
  return text;
}

}  // namespace

class TestSpanCorruption : public QObject {
  Q_OBJECT

 private slots:
  void initTestCase() {
    at::set_num_threads(1);
    base_ = std::make_unique<LoadedModel>(*load(tiny_.recipe("run")));
  }

  void nothing_is_lost() {
    const std::vector<int> lengths{2, 3, 7, 20, 21, 33, 64, 100};
    for (const auto& [density, mean] :
         {std::pair{0.15, 3.0}, {0.5, 2.0}, {0.9, 1.0}, {0.01, 8.0}}) {
      const MicroBatch before = rows_of(lengths);
      const MicroBatch rows = corrupted(before, density, mean, 5);
      for (std::size_t i = 0; i < lengths.size(); ++i) {
        const Example& example = rows.encoded[i].sequences[0];
        QCOMPARE(restored(example), before.encoded[i].sequences[0].input_ids);
        const double length = lengths[i];
        const double noise = std::clamp(std::nearbyint(density * length), 1.0, length - 1);
        const double wanted = std::max(1.0, std::nearbyint(noise / mean));
        const double spans = std::min({wanted, noise, length - noise, double(kSentinels)});
        QCOMPARE(double(example.labels.size()), noise + spans + 1);
        QCOMPARE(double(example.source_ids.size()), length - noise + spans + 1);
        QVERIFY(!is_sentinel(example.source_ids.front()));
        QCOMPARE(example.labels.front(), std::int64_t{kFirstSentinel});
        TokenId next = kFirstSentinel;
        for (const TokenId id : example.source_ids)
          if (is_sentinel(id)) QCOMPARE(id, next--);
        QCOMPARE(double(kFirstSentinel - next), spans);
        // The decoder gets what it is to write, one token later.
        QCOMPARE(example.input_ids.size(), example.labels.size());
        QCOMPARE(example.input_ids.front(), TokenId{0});
        for (std::size_t at = 1; at < example.labels.size(); ++at)
          QCOMPARE(example.input_ids[at], example.labels[at - 1]);
        QCOMPARE(example.labels.back(), std::int64_t{1});
      }
    }
  }

  void texts_too_short_to_cut_from() {
    const MicroBatch rows = corrupted(rows_of({0, 1}), 0.15, 3, 5);
    const Example &none = rows.encoded[0].sequences[0], &one = rows.encoded[1].sequences[0];
    QCOMPARE(none.source_ids, (std::vector<TokenId>{1}));
    QCOMPARE(none.labels, (std::vector<std::int64_t>{1}));
    QCOMPARE(one.source_ids, (std::vector<TokenId>{kFirstLetter, 1}));
    QCOMPARE(one.labels, (std::vector<std::int64_t>{kFirstSentinel, 1}));
  }

  void places_are_drawn_evenly() {
    // 4 of 12 tokens in 2 spans: where the first begins, over many seeds.
    std::map<std::size_t, int> begins;
    for (std::uint64_t seed = 0; seed < 700; ++seed) {
      const MicroBatch rows = corrupted(rows_of({12}), 0.33, 2, seed);
      const auto& ids = rows.encoded[0].sequences[0].source_ids;
      ++begins[static_cast<std::size_t>(std::find_if(ids.begin(), ids.end(), is_sentinel) -
                                        ids.begin())];
    }
    QCOMPARE(begins.size(), std::size_t(7));  // eight tokens are left, in two parts
    for (const auto& [place, count] : begins)
      QVERIFY2(count > 60 && count < 140,
               qPrintable(QString("%1 times at %2").arg(count).arg(place)));
  }

  void draws_go_by_seed_and_place() {
    const auto read = [&](std::uint64_t seed) {
      std::vector<std::vector<TokenId>> found;
      for (const EncodedRow& row : corrupted(rows_of({40, 40}), 0.15, 3, seed).encoded)
        found.push_back(row.sequences[0].source_ids);
      return found;
    };
    QCOMPARE(read(3), read(3));
    QVERIFY(read(3) != read(4));
    QVERIFY(read(3)[0] != read(3)[1]);
  }

  void what_does_not_fit_is_refused() {
    const auto objective = make(0.15, 3);
    QVERIFY(objective->fits(*base_).ok());
    TinyRun other;
    const auto causal = load(other.recipe("run"));
    QVERIFY(causal.ok());
    const Status refused = objective->fits(*causal);
    QVERIFY(!refused && refused.error().what.find("llava") != std::string::npos);
    const fs::path bare = tiny_.root() / "bare";
    Json config = t5_config();
    write_t5(bare, config, /*sentinels=*/0);
    LoadedModel without = *base_;
    without.processor = load_processor(bare, {}).take();
    const Status lacks = objective->fits(without);
    QVERIFY(!lacks && lacks.error().what.find("<extra_id_0>") != std::string::npos);
  }

  void goes_on_to_the_same_bytes_data() {
    QTest::addColumn<QString>("strategy");
    QTest::newRow("full") << "full";
    QTest::newRow("lora") << "lora";
  }
  void goes_on_to_the_same_bytes() {
    QFETCH(QString, strategy);
    const TinyT5 tiny;
    const std::vector<std::string> settings{"strategy=" + strategy.toStdString(),
                                            "eval_dataset=" + (tiny.root() / "rows.jsonl").string(),
                                            "training.eval_steps=2"};
    VERIFY_OK(run(tiny.recipe("whole", settings)));
    const Recipe recipe = tiny.recipe("cut", settings);
    VERIFY_OK(run(recipe, {}, [](Watcher& watcher, TrainControl& control, LoadedModel&) {
      watcher.at_step = [&](std::int64_t step) {
        if (step == 4) control.stop(true);
      };
    }));
    VERIFY_OK(run(recipe, tiny.root() / "cut"));
    QVERIFY2(differences(tiny.root() / "cut", tiny.root() / "whole").isEmpty(),
             qPrintable(differences(tiny.root() / "cut", tiny.root() / "whole")));
  }

 private:
  std::unique_ptr<Objective> make(double density, double mean) const {
    return make_objective(
               tiny_.recipe("run",
                            {"span_corruption.noise_density=" + std::to_string(density),
                             "span_corruption.mean_noise_span_length=" + std::to_string(mean)}))
        .take();
  }
  MicroBatch corrupted(MicroBatch rows, double density, double mean, std::uint64_t seed) {
    Policy policy(*base_, nullptr, true, nullptr);
    if (!make(density, mean)->roll_out(policy, rows, seed)) qFatal("not rolled out");
    return rows;
  }

  TinyT5 tiny_;
  std::unique_ptr<LoadedModel> base_;
};

QTEST_GUILESS_MAIN(TestSpanCorruption)
#include "test_span_corruption.moc"
