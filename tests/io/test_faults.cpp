// SPDX-License-Identifier: GPL-3.0-or-later
// The n-th system call that writes fails, for n = 1, 2, ... until a pass is clean: what was there
// stays whole each time and the error says why. This program puts its own write, fsync, rename ...
// in front of the C library's; the same record shows in which order things reach the disk.
#include <QtTest>

#include <fcntl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>

#include "engine/io/files.h"
#include "engine/io/safetensors.h"

namespace fs = std::filesystem;

namespace {

struct Call {
  std::string name, path;
};

bool watching = false;
long failing_call = 0;  ///< counted from 1; 0: none
int failing_code = ENOSPC;
long calls = 0;
std::vector<Call> record;

std::string path_of(int fd) {
  char path[4096];
  const ssize_t length =
      ::readlink(("/proc/self/fd/" + std::to_string(fd)).c_str(), path, sizeof path);
  return length > 0 ? std::string(path, static_cast<std::size_t>(length)) : std::string();
}

/// Notes the call; true when it is the one to fail.
bool fails(const char* name, const std::string& path) {
  if (!watching) return false;
  record.push_back({name, path});
  if (++calls != failing_call) return false;
  errno = failing_code;
  return true;
}

}  // namespace

extern "C" ssize_t write(int fd, const void* data, size_t bytes) {
  if (watching && fd > 2 && fails("write", path_of(fd))) {
    syscall(SYS_write, fd, data, bytes / 2);  // half of it reached the disk
    errno = failing_code;
    return -1;
  }
  return syscall(SYS_write, fd, data, bytes);
}
extern "C" int fsync(int fd) {
  return watching && fails("fsync", path_of(fd)) ? -1 : static_cast<int>(syscall(SYS_fsync, fd));
}
extern "C" int rename(const char* from, const char* to) noexcept {
  return fails("rename", to)
             ? -1
             : static_cast<int>(syscall(SYS_renameat2, AT_FDCWD, from, AT_FDCWD, to, 0));
}
extern "C" int renameat2(int at, const char* from, int at2, const char* to,
                         unsigned flags) noexcept {
  return fails("rename", to) ? -1
                             : static_cast<int>(syscall(SYS_renameat2, at, from, at2, to, flags));
}

using namespace luthier;

namespace {

/// Runs `work` with the n-th call failing, n = 1, 2, ..., until it succeeds untouched. `check`
/// looks at what a failure left.
template <class Work, class Check>
long fail_each(Work work, Check check, int code = ENOSPC) {
  for (long n = 1; n < 1000; ++n) {
    failing_call = n;
    failing_code = code;
    calls = 0;
    record.clear();
    watching = true;
    const Status done = work();
    watching = false;
    if (calls < n) return done.ok() ? n - 1 : -1;
    if (!check(done)) return -1;
  }
  return -1;
}

bool is_machine_fault(const Status& done, const char* reason) {
  return !done.ok() && done.error().exit_status() == 3 &&
         done.error().sentence().find(reason) != std::string::npos;
}

std::size_t entries(const fs::path& folder) {
  return static_cast<std::size_t>(
      std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

Status save_folder(const fs::path& place, const std::string& bytes) {
  LUTHIER_TRY(FolderWriter writer, FolderWriter::begin(place, FolderReplace::Whole));
  LUTHIER_CHECK(write_safetensors(writer.path() / "w.safetensors",
                                  {{"w",
                                    DType::U8,
                                    {static_cast<std::int64_t>(bytes.size())},
                                    std::as_bytes(std::span(bytes.data(), bytes.size()))}}));
  LUTHIER_CHECK(write_file_atomically(writer.path() / "state.json", bytes));
  return writer.commit();
}

}  // namespace

class TestFaults : public QObject {
  Q_OBJECT

 private slots:
  void init() {
    temporary_ = std::make_unique<QTemporaryDir>();
    root_ = temporary_->path().toStdString();
  }

  void atomicFile() {
    const fs::path path = root_ / "run.json";
    QVERIFY(write_file_atomically(path, "before").ok());
    for (const int code : {ENOSPC, EIO}) {
      const long points = fail_each(
          [&] { return write_file_atomically(path, "after!"); },
          [&](const Status& done) {
            // Once renamed the new contents are there, though the folder's own sync failed and is
            // reported.
            const std::string now = read_file(path).take();
            const bool renamed =
                record.back().name == "fsync" && record.back().path == root_.string();
            const bool fits = now == (renamed ? "after!" : "before") && entries(root_) == 1;
            if (renamed && !write_file_atomically(path, "before")) return false;
            return fits &&
                   is_machine_fault(done, code == ENOSPC ? "No space left" : "Input/output error");
          },
          code);
      QVERIFY2(points >= 4, std::to_string(points).c_str());
      QCOMPARE(*read_file(path), std::string("after!"));
      QVERIFY(write_file_atomically(path, "before").ok());
    }
  }

  void halfALineIsTakenBack() {
    const fs::path path = root_ / "metrics.jsonl";
    QVERIFY(append_line(path, "first").ok());
    const long points =
        fail_each([&] { return append_line(path, "second line"); },
                  [&](const Status& done) {
                    return *read_file(path) == "first\n" && is_machine_fault(done, "No space left");
                  });
    QVERIFY(points >= 1);
    QCOMPARE(*read_file(path), std::string("first\nsecond line\n"));
  }

  void wholeFolder() {
    const fs::path place = root_ / "checkpoints" / "step-000001";
    QVERIFY(save_folder(place, "before").ok());
    const long points = fail_each([&] { return save_folder(place, "after!"); },
                                  [&](const Status& done) {
                                    if (!verify_folder(place) || entries(place.parent_path()) != 1)
                                      return false;
                                    const std::string now = read_file(place / "state.json").take();
                                    return (now == "before" || now == "after!") &&
                                           is_machine_fault(done, "No space left");
                                  });
    QVERIFY2(points >= 10, std::to_string(points).c_str());
    QCOMPARE(*read_file(place / "state.json"), std::string("after!"));
    QVERIFY(verify_folder(place).ok());
  }

  void newFolder() {
    const long points =
        fail_each([&] { return save_folder(root_ / "new", "x"); },
                  [&](const Status& done) {
                    const bool there = fs::exists(root_ / "new");
                    if (there && (!verify_folder(root_ / "new") || record.back().name != "fsync"))
                      return false;
                    fs::remove_all(root_ / "new");
                    return entries(root_) == 0 && is_machine_fault(done, "No space left");
                  });
    QVERIFY2(points >= 10, std::to_string(points).c_str());
  }

  /// What a power cut may undo is only what was not synced: each file is synced after its last
  /// write and before the manifest is there, the manifest before the folder's rename, and the
  /// parent after it.
  void orderOfThings() {
    failing_call = 0;
    record.clear();
    watching = true;
    const Status saved = save_folder(root_ / "step", "bytes");
    watching = false;
    QVERIFY(saved.ok());
    const std::string partial = (root_ / ".step.partial").string();
    const auto last = [&](const char* name, const auto& fits) {
      long found = -1;
      for (std::size_t i = 0; i < record.size(); ++i) {
        if (record[i].name == name && fits(record[i].path)) found = static_cast<long>(i);
      }
      return found;
    };
    const auto is = [](const std::string& wanted) {
      return [wanted](const std::string& path) { return path == wanted; };
    };
    const auto begins = [](const std::string& start) {
      return [start](const std::string& path) { return path.starts_with(start); };
    };
    const long manifest = last("rename", is(partial + "/manifest.json"));
    const long place = last("rename", is((root_ / "step").string()));
    QVERIFY(manifest >= 0 && place > manifest);
    for (const char* name : {"/w.safetensors", "/state.json"}) {
      const long synced = last("fsync", is(partial + name));
      QVERIFY2(synced > last("write", is(partial + name)) && synced >= 0 && synced < manifest,
               name);
    }
    const long manifest_synced = last("fsync", begins(partial + "/.manifest.json"));
    QVERIFY(manifest_synced > last("write", begins(partial + "/.manifest.json")) &&
            manifest_synced < manifest);
    const long folder_synced = last("fsync", is(partial));
    QVERIFY(folder_synced > manifest && folder_synced < place);
    QVERIFY(last("fsync", is(root_.string())) > place);
    QVERIFY(last("write", begins("/")) < place);
  }

 private:
  std::unique_ptr<QTemporaryDir> temporary_;
  fs::path root_;
};

QTEST_APPLESS_MAIN(TestFaults)
#include "test_faults.moc"
