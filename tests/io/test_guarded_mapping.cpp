// SPDX-License-Identifier: GPL-3.0-or-later
// A mapped file that is cut short under its reader: zeros and a sentence, where the process would
// have ended.
#include <QtTest>

#include <fcntl.h>

#include <algorithm>
#include <fstream>

#include "engine/io/guarded_mapping.h"
#include "engine/io/system_error.h"

using namespace luthier;
namespace fs = std::filesystem;

namespace {

/// Bytes of mapped files that stand in memory for this process.
std::int64_t resident_of_files() {
  std::ifstream status("/proc/self/status");
  std::string name;
  std::int64_t kibibytes = 0;
  while (status >> name)
    if (name == "RssFile:") status >> kibibytes;
  return kibibytes * 1024;
}

}  // namespace

class TestGuardedMapping : public QObject {
  Q_OBJECT

 private slots:
  void what_is_there_is_read() {
    put("some text");
    const Descriptor file(::open(path().c_str(), O_RDONLY));
    const auto mapping = GuardedMapping::open(file.get(), 9, path());
    QVERIFY(mapping.ok());
    QVERIFY(mapping->text() == "some text" && mapping->check().ok());
    const auto empty = GuardedMapping::open(file.get(), 0, path());
    QVERIFY(empty.ok() && empty->text().empty() && empty->check().ok());
    QVERIFY(!GuardedMapping::open(-1, 9, path()).ok());
  }

  /// What was gone through leaves memory, and is read again where it is looked at again.
  void what_is_let_go() {
    constexpr std::size_t kBytes = std::size_t{64} << 20;
    std::string content(kBytes, 'x');
    content.front() = 'a';
    put(content);
    const Descriptor file(::open(path().c_str(), O_RDONLY));
    const auto mapping = GuardedMapping::open(file.get(), kBytes, path());
    QVERIFY(mapping.ok());
    const std::string_view text = mapping->text();
    const std::int64_t before = resident_of_files();
    QCOMPARE(std::count(text.begin(), text.end(), 'x'), static_cast<std::ptrdiff_t>(kBytes) - 1);
    QVERIFY(resident_of_files() >= before + (std::int64_t{60} << 20));
    mapping->let_go(1000);  // too little to be worth it
    mapping->let_go(kBytes / 2 + 1000);
    QVERIFY(resident_of_files() <= before + (std::int64_t{36} << 20));
    mapping->let_go(kBytes);
    QVERIFY(resident_of_files() <= before + (std::int64_t{4} << 20));
    QVERIFY(text.front() == 'a' && text.back() == 'x' && mapping->check().ok());
  }

  void a_file_cut_short() {
    for (int turn = 0; turn < 200; ++turn) {  // more than there are slots: each is given back
      put(std::string(5 << 20, 'x'));
      const Descriptor file(::open(path().c_str(), O_RDONLY));
      const auto mapping = GuardedMapping::open(file.get(), 5 << 20, path());
      QVERIFY(mapping.ok());
      const std::string_view text = mapping->text();
      QVERIFY(text[1 << 20] == 'x' && mapping->check().ok());
      fs::resize_file(path(), (2 << 20) + 100);
      QCOMPARE(std::count(text.begin(), text.end(), 'x'), (2 << 20) + 100);
      const Status status = mapping->check();
      QVERIFY(!status.ok() && status.error().exit_status() == 2);
      QVERIFY(status.error().sentence().find("changed while being read") != std::string::npos);
      QVERIFY(status.error().where == path().string());
      if (turn > 1) turn += 19;
    }
  }

  void several_at_once() {
    put(std::string(1 << 20, 'x'));
    const Descriptor file(::open(path().c_str(), O_RDONLY));
    std::vector<GuardedMapping> held;
    while (held.size() < 100) {
      auto mapping = GuardedMapping::open(file.get(), 1 << 20, path());
      if (!mapping) break;
      held.push_back(mapping.take());
    }
    QCOMPARE(held.size(), std::size_t(64));
    held.pop_back();
    QVERIFY(GuardedMapping::open(file.get(), 1 << 20, path()).ok());
    fs::resize_file(path(), 10);
    QCOMPARE(held[7].text().back(), '\0');
    QVERIFY(!held[7].check().ok() && held[8].check().ok());  // each for itself
  }

 private:
  fs::path path() const { return fs::path(folder_.path().toStdString()) / "file"; }
  void put(const std::string& text) const { std::ofstream(path(), std::ios::binary) << text; }
  QTemporaryDir folder_;
};

QTEST_APPLESS_MAIN(TestGuardedMapping)
#include "test_guarded_mapping.moc"
