// SPDX-License-Identifier: GPL-3.0-or-later
// TensorBoard's event files, read back by a reader written from the format's description: framing,
// checksums, fields.
#include <QtTest>

#include <cstring>

#include "engine/io/crc32c.h"
#include "engine/io/files.h"
#include "engine/io/tensorboard.h"

using namespace luthier;
namespace fs = std::filesystem;

namespace {

std::uint64_t little_endian(std::string_view bytes) {
  std::uint64_t value = 0;
  for (std::size_t i = bytes.size(); i-- > 0;)
    value = value << 8 | static_cast<unsigned char>(bytes[i]);
  return value;
}

/// Records whose checksums hold.
std::vector<std::string> records_of(std::string_view bytes, bool& sound) {
  std::vector<std::string> records;
  sound = true;
  while (!bytes.empty()) {
    if (bytes.size() < 16) {
      sound = false;
      break;
    }
    const std::uint64_t length = little_endian(bytes.substr(0, 8));
    if (little_endian(bytes.substr(8, 4)) != masked_crc32c(bytes.substr(0, 8)) ||
        bytes.size() < 16 + length) {
      sound = false;
      break;
    }
    const std::string_view data = bytes.substr(12, length);
    if (little_endian(bytes.substr(12 + length, 4)) != masked_crc32c(data)) {
      sound = false;
      break;
    }
    records.emplace_back(data);
    bytes.remove_prefix(16 + length);
  }
  return records;
}

fs::path only_file(const fs::path& folder) { return fs::directory_iterator(folder)->path(); }

}  // namespace

class TestTensorboard : public QObject {
  Q_OBJECT

 private slots:
  void checksumOfTheStandard() {
    QCOMPARE(crc32c("123456789"), 0xE3069283u);
    QCOMPARE(crc32c(std::string(32, '\0')), 0x8A9136AAu);  // RFC 3720, B.4
    QCOMPARE(crc32c(std::string(32, '\xff')), 0x62A8AB43u);
    QCOMPARE(crc32c(""), 0u);
  }

  void scalars() {
    QTemporaryDir temporary;
    const fs::path folder = fs::path(temporary.path().toStdString()) / "logs";
    {
      auto writer = TensorboardWriter::create(folder);
      QVERIFY(writer.ok());
      QVERIFY(writer->add_scalar("loss", 0.5, 300).ok());
      TensorboardWriter moved = writer.take();
      QVERIFY(moved.add_scalar("eval/loss", -2.0, 0).ok());
      QVERIFY(moved.flush().ok());
    }
    const fs::path file = only_file(folder);
    QVERIFY(file.filename().string().starts_with("events.out.tfevents."));
    bool sound = false;
    const std::vector<std::string> records = records_of(read_file(file).take(), sound);
    QVERIFY(sound);
    QCOMPARE(records.size(), std::size_t(3));
    QCOMPARE(records[0].substr(9), std::string("\x1a\x0d"
                                               "brain.Event:2"));
    QCOMPARE(records[0][0], '\x09');
    // step 300 is the varint ac 02; the summary holds one value: tag, then 0.5 as a float.
    const std::string value("\x0a\x04loss\x15\x00\x00\x00\x3f", 11);
    QCOMPARE(QByteArray::fromStdString(records[1].substr(9)),
             QByteArray("\x10\xac\x02\x2a\x0d\x0a\x0b", 7) + QByteArray::fromStdString(value));
    double time = 0;
    std::memcpy(&time, records[1].data() + 1, 8);
    QVERIFY(time > 1.5e9);
    QVERIFY(records[2].find("eval/loss") != std::string::npos);
  }

  void twoWritersTwoFiles() {
    QTemporaryDir temporary;
    const fs::path folder = temporary.path().toStdString();
    const auto one = TensorboardWriter::create(folder);
    const auto two = TensorboardWriter::create(folder);
    QVERIFY(one.ok() && two.ok());
    QCOMPARE(std::distance(fs::directory_iterator(folder), fs::directory_iterator()),
             std::ptrdiff_t(2));
  }

  void aFileInTheFoldersPlace() {
    QTemporaryDir temporary;
    const fs::path path = fs::path(temporary.path().toStdString()) / "taken";
    QVERIFY(write_file_atomically(path, "x").ok());
    const auto writer = TensorboardWriter::create(path);
    QVERIFY(!writer.ok());
    QVERIFY(writer.error().sentence().find("taken") != std::string::npos);
  }
};

QTEST_APPLESS_MAIN(TestTensorboard)
#include "test_tensorboard.moc"
