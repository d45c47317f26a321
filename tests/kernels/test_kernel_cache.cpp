// SPDX-License-Identifier: GPL-3.0-or-later
// Compiled kernels on disk: what is there is whole or as if it were not there, whoever wrote it and
// however it broke.
#include <sys/wait.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include <QTemporaryDir>
#include <QtTest>

#include "engine/base/log.h"
#include "engine/io/files.h"
#include "engine/kernels/kernel_cache.h"

using namespace luthier;

namespace {

namespace fs = std::filesystem;

const std::string kBinary = std::string("\177ELF\0 of a kernel", 17);
const KernelSource kSource{"a.cu", "text", {}};

}  // namespace

class TestKernelCache : public QObject {
  Q_OBJECT

 private slots:
  void keeps_and_finds() {
    const QTemporaryDir folder;
    KernelCache cache(fs::path(folder.path().toStdString()) / "luthier" / "kernels");
    const std::string key = KernelCache::key(kSource, "sm_90", "13.0");
    QVERIFY(!cache.find(key));
    cache.keep(key, kBinary);
    QCOMPARE(cache.find(key).value(), kBinary);
    QCOMPARE(KernelCache(cache.path_of(key).parent_path()).find(key).value(), kBinary);
  }

  void the_key_is_all_that_the_binary_depends_on() {
    const std::string key = KernelCache::key(kSource, "sm_90", "13.0");
    QCOMPARE(key.size(), std::size_t{64});
    QCOMPARE(KernelCache::key(kSource, "sm_90", "13.0"), key);
    QVERIFY(KernelCache::key(kSource, "sm_80", "13.0") != key);
    QVERIFY(KernelCache::key(kSource, "sm_90", "13.1") != key);
    QVERIFY(KernelCache::key({"a.cu", "text ", {}}, "sm_90", "13.0") != key);
    QVERIFY(KernelCache::key({"b.cu", "text", {}}, "sm_90", "13.0") != key);
  }

  void a_broken_entry_is_as_if_it_were_not_there() {
    const QTemporaryDir folder;
    KernelCache cache(folder.path().toStdString());
    const std::string key = KernelCache::key(kSource, "sm_90", "13.0");
    cache.keep(key, kBinary);
    const std::string whole = read_file(cache.path_of(key)).take();
    const auto write = [&](const std::string& text) {
      std::ofstream(cache.path_of(key), std::ios::binary) << text;
    };
    for (std::size_t length = 0; length < whole.size(); ++length) {
      write(whole.substr(0, length));
      QVERIFY2(!cache.find(key), std::to_string(length).c_str());
    }
    for (std::size_t place = 0; place < whole.size(); ++place) {
      std::string changed = whole;
      changed[place] = static_cast<char>(changed[place] ^ 0x20);
      write(changed);
      QVERIFY2(!cache.find(key), std::to_string(place).c_str());
    }
    write(whole + "x");
    QVERIFY(!cache.find(key));
    cache.keep(key, kBinary);  // and is replaced
    QCOMPARE(cache.find(key).value(), kBinary);
  }

  void a_folder_that_cannot_be_written_is_told_once() {
    const QTemporaryDir folder;
    const fs::path file = fs::path(folder.path().toStdString()) / "file";
    std::ofstream(file) << "no folder";
    int told = 0;
    set_log_sink(
        [&told](LogLevel level, const std::string&) { told += level == LogLevel::Warning; });
    KernelCache cache(file / "kernels");
    const std::string key = KernelCache::key(kSource, "sm_90", "13.0");
    cache.keep(key, kBinary);
    cache.keep(key, kBinary);
    set_log_sink({});
    QCOMPARE(told, 1);
    QVERIFY(!cache.find(key));
    KernelCache none{fs::path()};  // no home at all
    none.keep(key, kBinary);
    QVERIFY(!none.find(key));
  }

  void several_processes_share_it() {
    constexpr int kProcesses = 3, kRounds = 60;
    const QTemporaryDir folder;
    KernelCache cache(folder.path().toStdString());
    const std::string key = KernelCache::key(kSource, "sm_90", "13.0"), large(200'000, 'k');
    std::vector<pid_t> children;
    for (int i = 0; i < kProcesses; ++i) {
      const pid_t child = fork();
      if (child == 0) {
        int faults = 0;
        for (int round = 0; round < kRounds; ++round) {
          cache.keep(key, large);
          const auto found = cache.find(key);
          faults += !found || *found != large;
        }
        _exit(faults != 0);
      }
      children.push_back(child);
    }
    bool whole = true;
    for (int round = 0; round < kRounds; ++round) {
      const auto found = cache.find(key);
      whole = whole && (!found || *found == large);
    }
    for (const pid_t child : children) {
      int status = -1;
      QCOMPARE(waitpid(child, &status, 0), child);
      QCOMPARE(status, 0);
    }
    QVERIFY(whole);
    int files = 0;  // nothing temporary stays
    for ([[maybe_unused]] const auto& each : fs::directory_iterator(folder.path().toStdString()))
      ++files;
    QCOMPARE(files, 1);
  }

  void its_place_follows_the_environment() {
    const QByteArray cache = qgetenv("XDG_CACHE_HOME"), home = qgetenv("HOME");
    qputenv("HOME", "/home/somebody");
    qunsetenv("XDG_CACHE_HOME");
    QCOMPARE(KernelCache::usual_folder(), fs::path("/home/somebody/.cache/luthier/kernels"));
    qputenv("XDG_CACHE_HOME", "/caches");
    QCOMPARE(KernelCache::usual_folder(), fs::path("/caches/luthier/kernels"));
    qputenv("XDG_CACHE_HOME", "not/absolute");
    QCOMPARE(KernelCache::usual_folder(), fs::path("/home/somebody/.cache/luthier/kernels"));
    qunsetenv("HOME");
    QVERIFY(KernelCache::usual_folder().empty());
    qputenv("HOME", home);
    cache.isNull() ? qunsetenv("XDG_CACHE_HOME") : qputenv("XDG_CACHE_HOME", cache);
  }
};

QTEST_APPLESS_MAIN(TestKernelCache)
#include "test_kernel_cache.moc"
