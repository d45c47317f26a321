// SPDX-License-Identifier: GPL-3.0-or-later
// The stream's values are part of what a seed means: a change would change every seeded run.
#include <QtTest>

#include <set>

#include "engine/base/random_stream.h"

using namespace luthier;

class TestRandomStream : public QObject {
  Q_OBJECT

 private slots:
  void values_stay() {
    // SplitMix64 from the seed 0, as its authors' program prints it.
    QCOMPARE(mixed_bits(kGoldenStep), 0xe220a8397b1dcdafull);
    QCOMPARE(mixed_bits(2 * kGoldenStep), 0x6e789e6aa1b965f4ull);
    RandomStream stream(1, 2, 3);
    QCOMPARE(stream.next(), 0x4fa938fc47bb1daeull);
    QCOMPARE(stream.next(), 0x6925b6c4fc84e3e6ull);
  }

  void streams_are_keyed() {
    RandomStream a(1, 2, 3), again(1, 2, 3), other(1, 2, 4);
    const std::uint64_t first = a.next();
    QCOMPARE(first, again.next());
    QVERIFY(first != other.next());
  }

  void numbers_keep_to_their_range() {
    RandomStream random(5, 5);
    std::set<int> seen;
    for (int i = 0; i < 1000; ++i) {
      const int value = random.between(-2, 3);
      QVERIFY(value >= -2 && value <= 3);
      seen.insert(value);
    }
    QCOMPARE(seen.size(), std::size_t{6});
    QCOMPARE(unit_from_bits(0), 0.0);
    QVERIFY(unit_from_bits(~0ull) < 1.0);
  }
};

QTEST_APPLESS_MAIN(TestRandomStream)
#include "test_random_stream.moc"
