// SPDX-License-Identifier: GPL-3.0-or-later
// Files that were given in place of text are called what they are, and so is text in another
// encoding than UTF-8.
#include <QtTest>

#include <fstream>

#include "engine/io/file_kind.h"
#include "engine/io/json.h"
#include "engine/io/yaml.h"

using namespace luthier;
using namespace std::string_literals;

namespace {

const std::string kKorean =
    "\xb1\xd7\xb8\xb2\xc0\xbb \xbc\xb3\xb8\xed\xc7\xd8 \xc1\xd6\xbc\xbc\xbf\xe4";  // EUC-KR
const std::string kRare =
    "\x8c\x63\xb9\xe6\xb0\xa2\xc7\xcf \xb1\xd7\xb8\xb2";  // a syllable of CP949 alone
const std::string kChinese =
    "\xcd\xbc\xc6\xac\xd6\xd0\xd3\xd0\xca\xb2\xc3\xb4\xa3\xbf\xce\xd2\xd4\xda\xd5\xe2";  // GBK
const std::string kJapanese =
    "\x82\xb1\x82\xea\x82\xcd\x89\xbd\x82\xc5\x82\xb7\x82\xa9";  // Shift-JIS

std::string utf16(const std::string& ascii, bool big) {
  std::string text;
  for (const char c : ascii) text += big ? std::string{'\0', c} : std::string{c, '\0'};
  return text;
}

}  // namespace

class TestFileKind : public QObject {
  Q_OBJECT

 private slots:
  void kinds_data() {
    QTest::addColumn<QByteArray>("start");
    QTest::addColumn<QString>("name");
    const auto add = [](const std::string& start, const char* name) {
      QTest::newRow(name) << QByteArray::fromStdString(start) << QString(name);
    };
    add("PAR1\x15\x04", "a Parquet file");
    add("ARROW1\0\0"s, "an Arrow file");
    add("PK\x03\x04", "a ZIP archive");
    add("\x1f\x8b\x08", "a gzip archive");
    add("GIF89a", "a GIF picture");
    add("RIFF\1\2\3\4WEBP", "a WebP picture");
    add("RIFF\1\2\3\4WAVE", "a WAV sound file");
    add("\0\0\0\x20"s + "ftypavif", "an AVIF picture");
    add("\0\0\0\x20"s + "ftypisom", "an MP4 video");
    add("version https://git-lfs.github.com/spec/v1", "a Git LFS pointer and not the file itself");
    add(" \n<!DOCTYPE html>", "a web page (HTML)");
    add("SQLite format 3\0"s, "an SQLite database");
  }
  void kinds() {
    QFETCH(QByteArray, start);
    QFETCH(QString, name);
    const FileKind kind = file_kind(start.toStdString());
    QVERIFY(kind.known());
    QCOMPARE(QString::fromStdString(kind.name), name);
  }

  void textsHaveNoKind() {
    for (const char* text : {"{\"prompt\": \"WAVE\"}", "[{\"a\": 1}]", "model: a\n", "", "hello"})
      QVERIFY2(!file_kind(text).known(), text);
    QCOMPARE(file_kind_by_name("a/b.CSV").name, std::string("a CSV table"));
    QCOMPARE(file_kind_by_name("b.mp4").family, FileFamily::Video);
    QVERIFY(!file_kind_by_name("b.jsonl").known() && !file_kind_by_name("b").known());
  }

  void encodings() {
    const std::string json = "{\"prompt\": \"a\"}";
    QCOMPARE(foreign_encoding("\xff\xfe" + utf16(json, false)), std::string("UTF-16"));
    QCOMPARE(foreign_encoding("\xfe\xff" + utf16(json, true)), std::string("UTF-16"));
    QCOMPARE(foreign_encoding(utf16(json, false)), std::string("UTF-16LE"));
    QCOMPARE(foreign_encoding(utf16(json, true)), std::string("UTF-16BE"));
    QCOMPARE(foreign_encoding("\xff\xfe\0\0{\0\0\0"s), std::string("UTF-32"));
    QCOMPARE(foreign_encoding("{\"prompt\": \"" + kKorean + "\"}"), std::string("CP949 (EUC-KR)"));
    QVERIFY(foreign_encoding(kRare).starts_with("CP949"));
    QVERIFY(foreign_encoding(kRare) != foreign_encoding(kKorean));
    for (const std::string& text :
         {kChinese, kJapanese, "caf\xe9 cr\xe8me"s, json, "\xef\xbb\xbf{}"s, "그림"s, ""s})
      QVERIFY2(foreign_encoding(text).empty(), text.c_str());
  }

  void readersSayIt() {
    QTemporaryDir folder;
    const std::filesystem::path path =
        std::filesystem::path(folder.path().toStdString()) / "a.json";
    const auto sentence = [&](const std::string& bytes) {
      std::ofstream(path, std::ios::binary) << bytes;
      const auto json = read_json_file(path);
      return json ? QString() : QString::fromStdString(json.error().sentence());
    };
    QVERIFY(sentence("\xff\xfe" + utf16("{}", false)).contains("UTF-16"));
    QVERIFY(sentence("{\"a\": \"" + kKorean + "\"}").contains("CP949"));
    QVERIFY(sentence("PK\x03\x04zip").contains("a ZIP archive, not JSON"));
    QVERIFY(sentence("{\"a\": }").contains("line 1, column"));
    QVERIFY(parse_yaml("\xff\xfe" + utf16("a: 1\n", false), "r.yaml").error().what.find("UTF-16") !=
            std::string::npos);
    QVERIFY(parse_yaml("model: " + kKorean, "r.yaml").error().what.find("CP949") !=
            std::string::npos);
  }
};

QTEST_APPLESS_MAIN(TestFileKind)
#include "test_file_kind.moc"
