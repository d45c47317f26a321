// SPDX-License-Identifier: GPL-3.0-or-later
// How a small model's micro-batch is divided among threads: evenly, or not at all.
#include "engine/batches/parts.h"

#include <numeric>

#include <QtTest>

using namespace luthier;

class TestParts : public QObject {
  Q_OBJECT

 private slots:
  void parts_are_even() {
    std::vector<std::int64_t> tokens;
    for (std::int64_t row = 0; row < 16; ++row) tokens.push_back(18 + row * 7 % 13);
    const std::int64_t all = std::accumulate(tokens.begin(), tokens.end(), std::int64_t{0});
    for (const int threads : {2, 3, 4, 64}) {
      const std::vector<std::size_t> part_of = parts_of_rows(tokens, 192, threads);
      QCOMPARE(part_of.size(), tokens.size());
      const std::size_t parts = count_parts(part_of);
      QVERIFY(parts > 1 && parts <= static_cast<std::size_t>(threads));
      QVERIFY(threads > 4 || parts == static_cast<std::size_t>(threads));
      QVERIFY(static_cast<std::int64_t>(parts) * 64 <= all);
      std::vector<std::int64_t> sums(parts);
      for (std::size_t row = 0; row < tokens.size(); ++row) sums.at(part_of[row]) += tokens[row];
      for (const std::int64_t sum : sums)
        QVERIFY(sum * static_cast<std::int64_t>(parts) * 10 <= all * 11);
      QCOMPARE(parts_of_rows(tokens, 192, threads), part_of);
    }
  }

  void rows_stay_together_data() {
    QTest::addColumn<QList<int>>("tokens");
    QTest::addColumn<int>("width");
    QTest::addColumn<int>("threads");
    QTest::newRow("one thread") << QList<int>{100, 100} << 192 << 1;
    QTest::newRow("one row") << QList<int>{200} << 192 << 2;
    QTest::newRow("no row") << QList<int>{} << 192 << 2;
    QTest::newRow("short rows") << QList<int>{60, 60} << 192 << 2;
    QTest::newRow("one far longer than the others") << QList<int>{200, 50, 50} << 192 << 2;
    QTest::newRow("wide layers") << QList<int>{300, 300} << 4096 << 2;
    QTest::newRow("many tokens") << QList<int>{8000, 8000} << 192 << 2;
  }
  void rows_stay_together() {
    QFETCH(QList<int>, tokens);
    QFETCH(int, width);
    QFETCH(int, threads);
    const std::vector<std::size_t> part_of =
        parts_of_rows({tokens.begin(), tokens.end()}, width, threads);
    QVERIFY(part_of.empty());
    QCOMPARE(count_parts(part_of), std::size_t(1));
  }
};

QTEST_GUILESS_MAIN(TestParts)
#include "test_parts.moc"
