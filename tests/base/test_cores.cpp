// SPDX-License-Identifier: GPL-3.0-or-later
// The machine's counters read from files that the test writes, and what follows from them.
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
std::string stat_text(long busy, long idle) {
  std::string text = "cpu  1 2 3 4 5 6 7 8 0 0\n";
  for (int core = 0; core < 1024; ++core) {
    text += "cpu" + std::to_string(core) + " " + std::to_string(busy) + " 0 0 " +
            std::to_string(idle) + " 7 0 0 0 0 0\n";
  }
  return text + "ctxt 1\nprocs_running 3\n";
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
    write(stat, stat_text(100, 900));
    QVERIFY(!meter.look());  // the first look
    QTest::qSleep(50);
    write(stat, stat_text(100, 1000));
    auto use = meter.look();
    QVERIFY(use);
    QCOMPARE(use->others, 0.0);
    QTest::qSleep(50);
    write(stat, stat_text(1'000'000, 1000));
    use = meter.look();
    QVERIFY(use &&
            use->others > 100);  // 9,999 s of each of our cores in some hundredths of a second
    write(stat, "nothing that is known\n");
    QVERIFY(!meter.look());
    fs::remove(stat);
    QVERIFY(!meter.look());
  }

  void who_wants_our_cores() {
    QVERIFY(!others_want_cores({0.5, 0.0}, false));
    QVERIFY(!others_want_cores({0.5, 0.2}, false));  // something small
    QVERIFY(others_want_cores({0.5, 0.67}, false));  // shares with two threads of ours that spin
    QVERIFY(others_want_cores({0.5, 1.0}, true));
    QVERIFY(others_want_cores({0.5, 0.3}, true));  // not twice a second to and fro
    QVERIFY(!others_want_cores({0.5, 0.1}, true));
  }
};

QTEST_GUILESS_MAIN(TestCores)
#include "test_cores.moc"
