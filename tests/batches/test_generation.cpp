// SPDX-License-Identifier: GPL-3.0-or-later
// How a generation's samples are cut into micro-batches.
#include <set>

#include "engine/batches/generation.h"

#include <QtTest>  // after LibTorch: its keyword `slots` is a name there

using namespace luthier;

namespace {

/// Each sample's one token says which it is; each row has a picture.
Generation of_rows(int rows, int samples, int slices) {
  Generation made;
  made.slices = slices;
  made.seed = 7;
  for (int row = 0; row < rows; ++row) {
    EncodedRow encoded;
    encoded.shares_pictures = true;
    for (int i = 0; i < samples; ++i) {
      encoded.samples.push_back({{row * 10 + i}, {1.0}, {}, 0});
      Example example;
      example.input_ids = {1, row * 10 + i};
      example.labels = {kIgnoreLabel, row * 10 + i};
      encoded.sequences.push_back(example);
    }
    encoded.sequences.front().images.resize(1);
    encoded.sequences.front().images.front().shape = {1, 3, 2, 2};
    made.rows.rows.push_back(100 + row);
    made.rows.cached.emplace_back();
    made.rows.encoded.push_back(std::move(encoded));
  }
  return made;
}

std::vector<int> ids_of(const MicroBatch& batch) {
  std::vector<int> ids;
  for (const EncodedRow& row : batch.encoded)
    for (const Example& example : row.sequences)
      ids.push_back(static_cast<int>(example.input_ids.back()));
  return ids;
}

}  // namespace

class TestGeneration : public QObject {
  Q_OBJECT

 private slots:
  /// Of three pairs in two micro-batches, where a fourth was left out, none is parted.
  void answers_that_are_compared_stay_together() {
    Generation generation = of_rows(3, 2, 2);
    generation.learned = 2;
    QCOMPARE(ids_of(slice_of(generation, 0)), (std::vector<int>{0, 1, 10, 11}));
    QCOMPARE(ids_of(slice_of(generation, 1)), (std::vector<int>{20, 21}));
    generation.slices = 4;
    for (int slice = 0; slice < 3; ++slice)
      QCOMPARE(slice_of(generation, slice).encoded.size(), std::size_t{1});
    QVERIFY(slice_of(generation, 3).empty());
  }

  void slices_are_in_the_order_of_the_rows() {
    const Generation generation = of_rows(3, 2, 3);
    QCOMPARE(generation.samples(), std::int64_t{6});
    QCOMPARE(ids_of(slice_of(generation, 1)), (std::vector<int>{10, 11}));
    const Generation uneven = of_rows(2, 3, 3);
    const MicroBatch middle = slice_of(uneven, 1);  // the first one's last, the second one's first
    QCOMPARE(ids_of(middle), (std::vector<int>{2, 10}));
    QCOMPARE(middle.rows, (std::vector<std::int64_t>{100, 101}));
    for (const EncodedRow& row : middle.encoded) {
      QVERIFY(row.shares_pictures);
      QCOMPARE(row.sequences.front().images.size(), std::size_t{1});
      QCOMPARE(row.samples.size(), std::size_t{1});
    }
  }

  /// Each sample once, a prompt's beside one another and its picture once, and always the same.
  void shuffled_samples_stay_whole() {
    Generation generation = of_rows(4, 4, 2);
    generation.shuffles = true;
    std::set<int> all;
    bool moved = false;
    for (const int slice : {0, 1}) {
      const MicroBatch batch = slice_of(generation, slice);
      const std::vector<int> ids = ids_of(batch);
      QCOMPARE(ids.size(), std::size_t{8});
      QCOMPARE(ids, ids_of(slice_of(generation, slice)));
      all.insert(ids.begin(), ids.end());
      QCOMPARE(std::set<std::int64_t>(batch.rows.begin(), batch.rows.end()).size(),
               batch.rows.size());
      moved = moved || batch.rows.size() > 2;
      const std::vector<SamplePlace> places = places_of(generation, slice);
      for (std::size_t i = 0; i < ids.size(); ++i)
        QCOMPARE(ids[i], static_cast<int>(places[i].row * 10 + places[i].sample));
      for (const EncodedRow& row : batch.encoded)
        for (std::size_t i = 0; i < row.sequences.size(); ++i)
          QCOMPARE(row.sequences[i].images.size(), std::size_t{i == 0 ? 1u : 0u});
    }
    QCOMPARE(all.size(), std::size_t{16});
    QVERIFY(moved);
  }

  /// Rows that were left out leave smaller micro-batches.
  /// Slices of later uses count on, and each use has all samples once, in an order of its own.
  void each_use_may_have_an_order_of_its_own() {
    Generation generation = of_rows(4, 4, 2);
    generation.shuffles = true;
    const auto of_use = [&](int use) {
      std::vector<int> ids;
      for (const int slice : {2 * use, 2 * use + 1})
        for (const int id : ids_of(slice_of(generation, slice))) ids.push_back(id);
      return ids;
    };
    const std::vector<int> first = of_use(0);
    generation.reshuffles = true;
    QCOMPARE(of_use(0), first);
    const std::vector<int> second = of_use(1);
    QVERIFY(second != first);
    QCOMPARE(std::set<int>(second.begin(), second.end()),
             std::set<int>(first.begin(), first.end()));
    QCOMPARE(second.size(), first.size());
  }

  void fewer_samples_make_smaller_slices() {
    const Generation generation = of_rows(1, 2, 4);
    std::vector<int> all;
    for (int slice = 0; slice < 4; ++slice) {
      const std::vector<int> ids = ids_of(slice_of(generation, slice));
      all.insert(all.end(), ids.begin(), ids.end());
    }
    QCOMPARE(all, (std::vector<int>{0, 1}));
    QVERIFY(slice_of(generation, 3).empty());
  }
};

QTEST_APPLESS_MAIN(TestGeneration)
#include "test_generation.moc"
