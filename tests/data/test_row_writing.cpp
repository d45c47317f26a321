// SPDX-License-Identifier: GPL-3.0-or-later
// Rows into files of other folders: they read back equal, and lead to the same pictures.
#include <QtTest>

#include <filesystem>
#include <fstream>

#include "engine/data/dataset.h"
#include "engine/data/row_writing.h"
#include "engine/io/files.h"

using namespace luthier;
namespace fs = std::filesystem;

class TestRowWriting : public QObject {
  Q_OBJECT

 private slots:
  void init() {
    root_ = fs::path(folder_.path().toStdString()) / std::to_string(++count_);
    fs::create_directories(root_ / "rows/pictures");
    fs::create_directories(root_ / "other");
    std::ofstream(root_ / "rows/pictures/a.png") << "x";
  }

  void a_row_reads_back_equal() {
    const Json row = {{"messages",
                       {{{"role", "system"}, {"content", "Be brief."}},
                        {{"role", "user"},
                         {"content",
                          {{{"type", "image"}, {"path", "pictures/a.png"}},
                           {{"type", "text"}, {"text", "What is it? \xF0\x9F\x90\x9F"}}}}},
                        {{"role", "assistant"}, {"content", "A fish."}}}}};
    const auto read = read_conversation(row, root_ / "rows", "row 1");
    QVERIFY(read.ok());
    const Json written = row_json(*read, root_ / "other");
    QCOMPARE(written["messages"][1]["content"][0]["path"].get<std::string>(),
             std::string("../rows/pictures/a.png"));
    const auto again = read_conversation(written, root_ / "other", "row 1");
    QVERIFY(again.ok());
    QCOMPARE(again->messages.size(), read->messages.size());
    for (std::size_t i = 0; i < 3; ++i) {
      QCOMPARE(again->messages[i].role, read->messages[i].role);
      QCOMPARE(again->messages[i].content.size(), read->messages[i].content.size());
    }
    QCOMPARE(again->messages[1].content[1].text, read->messages[1].content[1].text);
    QVERIFY(
        fs::equivalent(again->messages[1].content[0].image, read->messages[1].content[0].image));
  }

  void a_moved_row_leads_to_the_same_pictures() {
    const Json row = {
        {"prompt", "pictures/a.png is a text here"},
        {"images", {"pictures/a.png", "pictures/missing.png", "data:image/png;base64,AA"}},
        {"messages", {{{"path", "pictures/a.png"}, {"text", "path"}}}},
        {"image", {{"path", "/absolute/b.png"}}}};
    const Json moved = moved_row(row, root_ / "rows", root_ / "other");
    QCOMPARE(moved["images"][0].get<std::string>(), std::string("../rows/pictures/a.png"));
    QCOMPARE(moved["images"][1], row["images"][1]);  // not there: left as it is, and named later
    QCOMPARE(moved["images"][2], row["images"][2]);
    QCOMPARE(moved["messages"][0]["path"].get<std::string>(),
             std::string("../rows/pictures/a.png"));
    QCOMPARE(moved["image"], row["image"]);
    QCOMPARE(moved["prompt"], row["prompt"]);
    QCOMPARE(moved_row(row, root_ / "rows", root_ / "rows"), row);
  }

  void nothing_is_written_over() {
    const fs::path file = root_ / "other/rows.jsonl";
    QVERIFY(write_rows({{{"a", 1}}, {{"b", "\xFF"}}}, file).ok());
    const auto text = read_file(file);
    QVERIFY(text.ok());
    QVERIFY(text->starts_with("{\"a\":1}\n{\"b\":"));
    const Status again = write_rows({{{"a", 2}}}, file);
    QVERIFY(!again.ok());
    QVERIFY(again.error().sentence().find("rows.jsonl") != std::string::npos);
    QCOMPARE(*read_file(file), *text);
  }

 private:
  QTemporaryDir folder_;
  fs::path root_;
  int count_ = 0;
};

QTEST_APPLESS_MAIN(TestRowWriting)
#include "test_row_writing.moc"
