// SPDX-License-Identifier: GPL-3.0-or-later
// Files and folders that are whole or absent, and names that cannot leave their root.
#include <QtTest>

#include <sys/stat.h>
#include <unistd.h>

#include <fstream>

#include "engine/io/files.h"

using namespace luthier;
namespace fs = std::filesystem;

namespace {

void put(const fs::path& path, const std::string& bytes) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out << bytes;
}

std::size_t entries(const fs::path& folder) {
  return static_cast<std::size_t>(
      std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

}  // namespace

class TestFiles : public QObject {
  Q_OBJECT

 private slots:
  void init() {
    temporary_ = std::make_unique<QTemporaryDir>();
    root_ = temporary_->path().toStdString();
  }

  void reads() {
    put(root_ / "a", "hello");
    QCOMPARE(*read_file(root_ / "a"), std::string("hello"));
    QCOMPARE(*read_file(root_ / "a", 5), std::string("hello"));
    const auto large = read_file(root_ / "a", 4);
    QVERIFY(!large.ok());
    QVERIFY(large.error().sentence().find("larger than the 4 bytes") != std::string::npos);
    put(root_ / "empty", "");
    QCOMPARE(*read_file(root_ / "empty"), std::string());
    QCOMPARE(read_file(root_ / "absent").error().exit_status(), 2);
    QVERIFY(read_file(root_).error().sentence().find("folder") != std::string::npos);
    QVERIFY(!read_file("/dev/zero", 1000).ok());
    QCOMPARE(::mkfifo((root_ / "pipe").c_str(), 0600), 0);
    QCOMPARE(read_file(root_ / "pipe").value(), std::string());  // and does not hang
    if (::geteuid() != 0) {
      fs::permissions(root_ / "a", fs::perms::none);
      QCOMPARE(read_file(root_ / "a").error().exit_status(), 2);
    }
  }

  void replacesAtomically() {
    QVERIFY(write_file_atomically(root_ / "a", "one").ok());
    QVERIFY(write_file_atomically(root_ / "a", "two").ok());
    QCOMPARE(*read_file(root_ / "a"), std::string("two"));
    QCOMPARE(entries(root_), std::size_t(1));
    QVERIFY(!write_file_atomically(root_ / "no" / "a", "x").ok());
    fs::create_directory(root_ / "folder");
    QVERIFY(!write_file_atomically(root_ / "folder", "x").ok());
    QCOMPARE(entries(root_), std::size_t(2));
  }

  void appends() {
    QVERIFY(append_line(root_ / "l", "one").ok());
    QVERIFY(append_line(root_ / "l", "two").ok());
    QCOMPARE(*read_file(root_ / "l"), std::string("one\ntwo\n"));
  }

  void hashes() {
    const std::string abc = "abc";
    const std::string known = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
    QCOMPARE(sha256_bytes(std::as_bytes(std::span(abc.data(), abc.size()))), known);
    put(root_ / "a", abc);
    QCOMPARE(*sha256_file(root_ / "a"), known);
  }

  void folderAppearsWhole() {
    const fs::path place = root_ / "deep" / "step-000001";
    {
      auto writer = FolderWriter::begin(place);
      QVERIFY(writer.ok());
      put(writer->path() / "a", "one");
      fs::create_directory(writer->path() / "sub");
      put(writer->path() / "sub" / "b", "two");
      QVERIFY(!fs::exists(place));
      QVERIFY(writer->commit().ok());
    }
    QVERIFY(verify_folder(place).ok());
    QVERIFY(check_folder_sizes(place).ok());
    QCOMPARE(*read_file(place / "sub" / "b"), std::string("two"));
    QCOMPARE(entries(place.parent_path()), std::size_t(1));

    put(place / "a", "onE");
    QVERIFY(check_folder_sizes(place).ok());
    QVERIFY(verify_folder(place).error().sentence().find("checksum") != std::string::npos);
    put(place / "a", "on");
    QVERIFY(!check_folder_sizes(place).ok());
    fs::remove(place / "a");
    QVERIFY(verify_folder(place).error().sentence().find("missing") != std::string::npos);
    fs::remove(place / "manifest.json");
    QVERIFY(!verify_folder(place).ok());
  }

  void manifestIsHostileToo() {
    const auto verdict = [&](const std::string& manifest) {
      put(root_ / "manifest.json", manifest);
      return verify_folder(root_).ok();
    };
    QVERIFY(verdict("{\"files\":{}}"));
    for (const char* bad : {"", "[]", "{}", "{\"files\":[]}", "{\"files\":{\"a\":1}}",
                            "{\"files\":{\"a\":{\"size\":-1,\"sha256\":\"\"}}}",
                            "{\"files\":{\"../a\":{\"size\":1,\"sha256\":\"x\"}}}",
                            "{\"files\":{\"/etc/passwd\":{\"size\":1,\"sha256\":\"x\"}}}"}) {
      QVERIFY2(!verdict(bad), bad);
    }
  }

  void droppedWithoutCommit() {
    {
      auto writer = FolderWriter::begin(root_ / "x");
      QVERIFY(writer.ok());
      put(writer->path() / "a", "one");
    }
    QCOMPARE(entries(root_), std::size_t(0));
  }

  void whatMayBeReplaced() {
    const auto save = [&](const fs::path& place, FolderReplace replace, const std::string& text) {
      auto writer = FolderWriter::begin(place, replace);
      if (!writer) return false;
      put(writer->path() / "a", text);
      return writer->commit().ok();
    };
    const fs::path place = root_ / "f";
    fs::create_directory(place);
    QVERIFY(save(place, FolderReplace::Broken, "1"));   // empty
    QVERIFY(!save(place, FolderReplace::Broken, "2"));  // whole
    QVERIFY(!save(place, FolderReplace::Unsealed, "2"));
    QVERIFY(save(place, FolderReplace::Whole, "3"));
    QCOMPARE(*read_file(place / "a"), std::string("3"));
    put(place / "a", "broken");
    QVERIFY(save(place, FolderReplace::Broken, "4"));  // sealed, but broken
    QVERIFY(verify_folder(place).ok());
    fs::remove(place / "manifest.json");
    QVERIFY(!save(place, FolderReplace::Broken, "5"));  // might be anybody's
    QCOMPARE(*read_file(place / "a"), std::string("4"));
    QVERIFY(save(place, FolderReplace::Unsealed, "6"));
    QVERIFY(verify_folder(place).ok());
    put(root_ / "file", "x");
    QVERIFY(!save(root_ / "file", FolderReplace::Whole, "7"));
    fs::create_directory_symlink(place, root_ / "link");
    QVERIFY(!save(root_ / "link", FolderReplace::Whole, "8"));
    QCOMPARE(entries(root_), std::size_t(3));
  }

  void leftoverOfAKilledSaveIsReplaced() {
    fs::create_directories(root_ / ".x.partial" / "sub");
    put(root_ / ".x.partial" / "half", "h");
    auto writer = FolderWriter::begin(root_ / "x");
    QVERIFY(writer.ok());
    QVERIFY(writer->commit().ok());
    QCOMPARE(entries(root_), std::size_t(1));
    QCOMPARE(entries(root_ / "x"), std::size_t(1));
  }

  void namesStayInside() {
    const fs::path model = root_ / "model";
    fs::create_directories(model / "sub");
    put(model / "a", "x");
    put(root_ / "secret", "s");
    QVERIFY(resolve_inside(model, "a").ok());
    QVERIFY(resolve_inside(model, "sub/none").ok());
    QVERIFY(resolve_inside(model, "a..b").ok());
    for (const std::string& bad : {std::string(""), std::string(".."), std::string("../secret"),
                                   std::string("sub/../../secret"), std::string("sub/../a"),
                                   std::string("/etc/passwd"), std::string("a\0b", 3)}) {
      QVERIFY2(!resolve_inside(model, bad).ok(), bad.c_str());
    }
    fs::create_symlink("../secret", model / "out");
    fs::create_symlink("a", model / "in");
    fs::create_directory_symlink(root_, model / "up");
    fs::create_symlink("loop", model / "loop");
    QVERIFY(resolve_inside(model, "in").ok());
    QVERIFY(!resolve_inside(model, "out").ok());
    QVERIFY(!resolve_inside(model, "up/secret").ok());
    QVERIFY(!resolve_inside(model, "loop").ok());
    fs::create_directory_symlink(model, root_ / "alias");  // the root itself may be a link
    QVERIFY(resolve_inside(root_ / "alias", "a").ok());
  }

  void hubCacheSnapshotsAreLinksToBlobs() {
    const fs::path hub = root_ / "hub", repository = hub / "models--o--n",
                   snapshot = repository / "snapshots" / "0123";
    fs::create_directories(snapshot);
    fs::create_directories(repository / "blobs");
    fs::create_directories(hub / "models--o--other" / "blobs");
    put(repository / "blobs" / "b1", "x");
    put(hub / "models--o--other" / "blobs" / "b2", "y");
    put(root_ / "secret", "s");
    fs::create_symlink("../../blobs/b1", snapshot / "model.safetensors");
    fs::create_symlink("../../../models--o--other/blobs/b2", snapshot / "foreign");
    fs::create_symlink(root_ / "secret", snapshot / "out");
    QVERIFY(resolve_inside(snapshot, "model.safetensors").ok());
    QVERIFY(!resolve_inside(snapshot, "foreign").ok());
    QVERIFY(!resolve_inside(snapshot, "out").ok());
  }

 private:
  std::unique_ptr<QTemporaryDir> temporary_;
  fs::path root_;
};

QTEST_APPLESS_MAIN(TestFiles)
#include "test_files.moc"
