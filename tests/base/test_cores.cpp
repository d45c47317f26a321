// SPDX-License-Identifier: GPL-3.0-or-later
// The machine's counters read from files that the test writes, and the number of threads that
// follows: on idle, busy and crowded machines, and where it comes to rest when our own threads and
// the others push each other about.
#include <QtTest>

#include <cmath>
#include <filesystem>
#include <fstream>
#include <string>

#include "engine/base/cores.h"

using namespace luthier;
namespace fs = std::filesystem;

namespace {

void write(const fs::path& file, const std::string& text) {
  fs::create_directories(file.parent_path());
  std::ofstream(file) << text;
}

/// A machine of many cores, each `busy` hundredths of a second in use and `idle` without work.
std::string stat_text(long busy, long idle, int running) {
  std::string text = "cpu  1 2 3 4 5 6 7 8 0 0\n";
  for (int core = 0; core < 1024; ++core) {
    text += "cpu" + std::to_string(core) + " " + std::to_string(busy) + " 0 0 " +
            std::to_string(idle) + " 7 0 0 0 0 0\n";
  }
  return text + "ctxt 1\nprocs_running " + std::to_string(running) + "\n";
}

/// Threads after some looks at a machine whose scheduler shares its cores equally among n of ours
/// and k others.
int rest(int cores, int others, int start) {
  int threads = start;
  for (int look = 0; look < 12; ++look) {
    const double share = std::min(1.0, static_cast<double>(cores) / (threads + others));
    threads =
        threads_for({0.5, others * share, static_cast<double>(threads + others)}, cores, threads);
  }
  return threads;
}

}  // namespace

class TestCores : public QObject {
  Q_OBJECT

 private slots:
  void quota_of_the_control_group() {
    const int all = usable_cores("/no/such/folder");
    QVERIFY(all >= 1);
    QTemporaryDir folder;
    const fs::path root = folder.path().toStdString();
    write(root / "sys/fs/cgroup/cpu.max", "100000 100000\n");
    QCOMPARE(usable_cores(root), 1);
    write(root / "sys/fs/cgroup/cpu.max", "20000 100000\n");
    QCOMPARE(usable_cores(root), 1);
    write(root / "sys/fs/cgroup/cpu.max", "max 100000\n");
    QCOMPARE(usable_cores(root), all);
    fs::remove(root / "sys/fs/cgroup/cpu.max");
    write(root / "sys/fs/cgroup/cpu/cpu.cfs_quota_us", "100000\n");
    write(root / "sys/fs/cgroup/cpu/cpu.cfs_period_us", "100000\n");
    QCOMPARE(usable_cores(root), 1);
    write(root / "sys/fs/cgroup/cpu/cpu.cfs_quota_us", "-1\n");
    QCOMPARE(usable_cores(root), all);
  }

  void counters() {
    QTemporaryDir folder;
    const fs::path root = folder.path().toStdString(), stat = root / "proc/stat";
    CoreMeter meter(root);
    QVERIFY(!meter.look());  // nothing to read
    write(stat, stat_text(100, 900, 3));
    QVERIFY(!meter.look());  // the first look
    QTest::qSleep(50);
    write(stat, stat_text(100, 1000, 3));
    auto use = meter.look();
    QVERIFY(use);
    QCOMPARE(use->others, 0.0);
    QCOMPARE(use->waiting, 3.0);
    QTest::qSleep(50);
    write(stat, stat_text(1'000'000, 1000, 3));
    use = meter.look();
    QVERIFY(use &&
            use->others > 100);  // 9,999 s of each of our cores in some hundredths of a second
    write(stat, "nothing that is known\n");
    QVERIFY(!meter.look());
    fs::remove(stat);
    QVERIFY(!meter.look());
  }

  void threads_on_two_cores() {
    QCOMPARE(threads_for({0.5, 0.0, 2}, 2, 2), 2);
    QCOMPARE(threads_for({0.5, 0.3, 3}, 2, 2), 2);  // something small beside us
    QCOMPARE(threads_for({0.5, 0.67, 3}, 2, 2),
             1);  // one busy program that shares with two spinning threads
    QCOMPARE(threads_for({0.5, 1.0, 2}, 2, 1), 1);
    QCOMPARE(threads_for({0.5, 0.02, 1}, 2, 1), 2);  // it has gone
    QCOMPARE(threads_for({0.5, 2.0, 40}, 2, 1), 1);
  }

  void comes_to_rest() {
    for (const int start : {1, 2}) {
      QCOMPARE(rest(2, 0, start), 2);
      QCOMPARE(rest(2, 1, start), 1);
      QCOMPARE(rest(2, 4, start), 1);
    }
    for (const int start : {1, 8, 16}) {
      QCOMPARE(rest(16, 0, start), 16);
      QCOMPARE(rest(16, 1, start), 15);
      QCOMPARE(rest(16, 16, start), 8);  // half of a crowded machine, not one thread
    }
  }
};

QTEST_GUILESS_MAIN(TestCores)
#include "test_cores.moc"
