// SPDX-License-Identifier: GPL-3.0-or-later
// The room for open files is raised as far as it may be, and never made smaller.
#include <QtTest>

#include <sys/resource.h>

#include "engine/base/open_files.h"

using namespace luthier;

class TestOpenFiles : public QObject {
  Q_OBJECT

 private slots:
  void the_limit_is_raised() {
    struct rlimit before {};
    QCOMPARE(::getrlimit(RLIMIT_NOFILE, &before), 0);
    struct rlimit low = before;
    low.rlim_cur = std::min<rlim_t>(64, before.rlim_max);
    QCOMPARE(::setrlimit(RLIMIT_NOFILE, &low), 0);
    allow_many_open_files();
    struct rlimit raised {};
    QCOMPARE(::getrlimit(RLIMIT_NOFILE, &raised), 0);
    QVERIFY(raised.rlim_max == before.rlim_max &&
            raised.rlim_cur == std::min<rlim_t>(before.rlim_max, 1u << 20));
    allow_many_open_files();
    struct rlimit again {};
    QCOMPARE(::getrlimit(RLIMIT_NOFILE, &again), 0);
    QCOMPARE(again.rlim_cur, raised.rlim_cur);
  }
};

QTEST_GUILESS_MAIN(TestOpenFiles)
#include "test_open_files.moc"
