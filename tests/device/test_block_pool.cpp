// SPDX-License-Identifier: GPL-3.0-or-later
// The pool of large blocks: requests of changing sizes get memory of their own each, freed pages
// are used again whatever the next size, and hardly more is mapped than was ever in use at once.
#include "engine/device/block_pool.h"

#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <vector>

#include <QtTest>

#include "engine/base/random_stream.h"

using luthier::BlockPool;

namespace {

constexpr std::size_t kUnit = 64u << 10;

struct Held {
  unsigned char* start;
  std::size_t size;
  unsigned char mark;
};

long faults() {
  rusage use{};
  getrusage(RUSAGE_SELF, &use);
  return use.ru_minflt;
}

long resident_pages() {
  std::ifstream file("/proc/self/statm");
  long total = 0, resident = 0;
  file >> total >> resident;
  return resident;
}

bool whole(const Held& held) {
  for (std::size_t i = 0; i < held.size; i += 4096)
    if (held.start[i] != held.mark) return false;
  return held.start[held.size - 1] == held.mark;
}

}  // namespace

class TestBlockPool : public QObject {
  Q_OBJECT

 private slots:
  void blocks_do_not_overlap() {
    BlockPool pool;
    std::vector<Held> held;
    std::uint64_t state = 5;
    const auto draw = [&](std::uint64_t most) {
      return luthier::mixed_bits(state += luthier::kGoldenStep) % most;
    };
    for (int turn = 0; turn < 3000; ++turn) {
      if (held.size() > 20 || (!held.empty() && draw(2) == 0)) {
        const std::size_t which = draw(held.size());
        QVERIFY(whole(held[which]));
        QCOMPARE(pool.give(held[which].start), held[which].size);
        held.erase(held.begin() + static_cast<std::ptrdiff_t>(which));
        continue;
      }
      const std::size_t bytes = BlockPool::kSmallest + draw(40 * kUnit);
      std::size_t size = 0;
      auto* const start = static_cast<unsigned char*>(pool.take(bytes, size));
      QVERIFY(start && size >= bytes && size < bytes + kUnit);
      QVERIFY(reinterpret_cast<std::uintptr_t>(start) % 4096 == 0);
      const auto mark = static_cast<unsigned char>(turn % 251);
      std::memset(start, mark, size);
      held.push_back({start, size, mark});
    }
    for (const Held& each : held) QVERIFY(whole(each));
    QCOMPARE(pool.give(&state), std::size_t(0));  // none of ours
    for (const Held& each : held) pool.give(each.start);
    pool.trim();
  }

  void other_sizes_use_the_same_pages() {
    BlockPool pool;
    const auto touch = [&](std::size_t units) {
      std::size_t size = 0;
      void* const block = pool.take(units * kUnit, size);
      std::memset(block, 1, size);
      return block;
    };
    std::vector<void*> blocks;
    for (int i = 0; i < 8; ++i) blocks.push_back(touch(64));
    for (void* block : blocks) pool.give(block);
    blocks.clear();
    const long before = faults();
    for (const std::size_t units : {30, 100, 17, 90, 41, 120, 55, 59})
      blocks.push_back(touch(units));
    // As many bytes as before, in what became one piece again.
    QVERIFY2(faults() - before < 64, qPrintable(QString::number(faults() - before)));
    for (void* block : blocks) pool.give(block);
    pool.trim();
  }

  void holes_are_few() {
    BlockPool pool;
    std::vector<unsigned char*> held;
    std::size_t in_use = 0, most = 0;
    std::uint64_t state = 11;
    const auto draw = [&](std::uint64_t below) {
      return luthier::mixed_bits(state += luthier::kGoldenStep) % below;
    };
    const long before = resident_pages();
    for (int turn = 0; turn < 2000; ++turn) {
      if (in_use > 600 * kUnit) {
        const std::size_t which = draw(held.size());
        in_use -= pool.give(held[which]);
        held.erase(held.begin() + static_cast<std::ptrdiff_t>(which));
        continue;
      }
      std::size_t size = 0;
      auto* const start =
          static_cast<unsigned char*>(pool.take(BlockPool::kSmallest + draw(60 * kUnit), size));
      std::memset(start, 1, size);
      held.push_back(start);
      most = std::max(most, in_use += size);
    }
    // The last huge page that was begun is resident whole.
    const auto page = static_cast<std::size_t>(sysconf(_SC_PAGESIZE));
    const std::size_t resident = static_cast<std::size_t>(resident_pages() - before) * page;
    QVERIFY2(resident <= most + most / 32 + (4u << 20),
             qPrintable(QString("%1 of %2").arg(resident).arg(most)));
    for (unsigned char* block : held) pool.give(block);
    pool.trim();
  }

  void what_waits_goes_back() {
    BlockPool pool;
    std::size_t size = 0;
    void* const block = pool.take(64 * kUnit, size);
    std::memset(block, 1, size);
    pool.give(block);
    unsigned char there = 0;
    QCOMPARE(mincore(block, 4096, &there), 0);
    pool.trim();
    QVERIFY(mincore(block, 4096, &there) != 0);  // no memory of this process any more
  }
};

QTEST_APPLESS_MAIN(TestBlockPool)
#include "test_block_pool.moc"
