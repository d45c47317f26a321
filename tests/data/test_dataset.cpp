// SPDX-License-Identifier: GPL-3.0-or-later
// Datasets of every layout open to the same rows; the check finds each kind of fault and names its
// row.
#include "tests/data/chat_fixture.h"

#include <fstream>

#include "engine/base/base64.h"
#include "engine/data/dataset.h"
#include "engine/data/row_kind.h"
#include "engine/data/sources/arrow_library.h"
#include "engine/io/files.h"

using namespace luthier;
using namespace luthier::test;

namespace {

std::string row_of(const std::string& prompt, const std::string& answer,
                   const std::string& more = "") {
  return R"({"prompt": ")" + prompt + R"(", "completion": ")" + answer + "\"" + more + "}";
}

class Folder {
 public:
  Folder() {
    for (const char* name : {"a.png", "b.jpg"})
      std::filesystem::copy_file(data_room() / name, path() / name);
  }
  std::filesystem::path path() const { return temporary_.path().toStdString(); }
  std::filesystem::path write(const std::string& name, const std::string& text) const {
    std::ofstream(path() / name, std::ios::binary) << text;
    return path() / name;
  }

 private:
  QTemporaryDir temporary_;
};

std::string first_text(const Conversation& conversation) {
  return conversation.messages[0].content.back().text;
}

}  // namespace

class TestDataset : public QObject {
  Q_OBJECT

 private slots:
  void layouts_data() {
    QTest::addColumn<QString>("name");
    QTest::addColumn<QString>("text");
    const QString a = QString::fromStdString(row_of("one", "1")),
                  b = QString::fromStdString(row_of("two \\\"]}{", "2"));
    QTest::newRow("lines") << "t.jsonl" << a + "\n" + b + "\n";
    QTest::newRow("lines without an end") << "t.jsonl" << a + "\n" + b;
    QTest::newRow("lines, CRLF, blank, BOM")
        << "t.jsonl"
        << "\xef\xbb\xbf\r\n" + a + "\r\n  \r\n\r\n" + b + " \r\n\r\n";
    QTest::newRow("lines named json") << "t.json" << a + "\n" + b + "\n";
    QTest::newRow("list") << "t.json"
                          << "[" + a + "," + b + "]";
    QTest::newRow("list over lines") << "t.json"
                                     << "\xef\xbb\xbf [\n  " + a + " ,\n\n " + b + "\n]\n";
    QTest::newRow("data") << "t.json"
                          << "{\"version\": [1, {\"data\": 2}], \"data\": [" + a + ",\n" + b +
                                 "], \"more\": \"x\"}";
    QTest::newRow("data last") << "t.json"
                               << "{\"n\": 2, \"data\": [" + a + "," + b + "]}";
  }
  void layouts() {
    QFETCH(QString, name);
    QFETCH(QString, text);
    const Folder folder;
    // QString took the bytes of the mark for Latin-1
    QByteArray bytes = text.toUtf8();
    bytes.replace(QString::fromLatin1("\xef\xbb\xbf").toUtf8(), "\xef\xbb\xbf");
    const auto dataset = Dataset::open({folder.write(name.toStdString(), bytes.toStdString())});
    QVERIFY2(dataset.ok(), dataset ? "" : dataset.error().sentence().c_str());
    QCOMPARE((*dataset)->size(), std::size_t{2});
    QCOMPARE(first_text(*(*dataset)->read(0)), std::string("one"));
    QCOMPARE(first_text(*(*dataset)->read(1)), std::string("two \"]}{"));
    QVERIFY(!(*dataset)->read(2).ok());
  }

  void oneObjectIsOneRow() {
    const Folder folder;
    const auto dataset = Dataset::open(
        {folder.write("t.json", "{\n \"prompt\": \"one\",\n \"completion\": \"1\"\n}\n")});
    QVERIFY(dataset.ok());
    QCOMPARE((*dataset)->size(), std::size_t{1});
  }

  void severalFilesAndTheirNames() {
    const Folder folder;
    const auto first =
        folder.write("a.jsonl", row_of("a1", "x") + "\n\n" + row_of("a2", "x") + "\n");
    std::filesystem::create_directory(folder.path() / "sub");
    const auto second =
        folder.write("sub/b.json", "[" + row_of("b1", "x", R"(, "image": "p.png")") + "]");
    const auto dataset = Dataset::open({first, second});
    QVERIFY(dataset.ok());
    QCOMPARE((*dataset)->size(), std::size_t{3});
    QCOMPARE((*dataset)->where(0), first.string() + ": row 1");
    QCOMPARE((*dataset)->where(1), first.string() + ": row 2 (line 3)");
    QCOMPARE((*dataset)->where(2), second.string() + ": row 1");
    QVERIFY((*dataset)->read(2)->messages[0].content[0].image == folder.path() / "sub/p.png");
    const auto again = Dataset::open({first, second}), other = Dataset::open({second, first});
    QVERIFY((*dataset)->fingerprint().size() == 64 &&
            (*dataset)->fingerprint() == (*again)->fingerprint());
    QVERIFY((*dataset)->fingerprint() != (*other)->fingerprint());
  }

  void filesThatAreNoDatasets() {
    const Folder folder;
    QVERIFY(!Dataset::open({}).ok());
    for (const std::string text :
         {"", "  \n", "hello", "[", "[{\"a\": 1}", "[{\"a\": 1} {\"a\": 2}]", "[]", "{\"a\": \"b",
          "[{\"a\": \"b]", "[1] 2", "{\"data\": []}"}) {
      const auto dataset = Dataset::open({folder.write("t.json", text)});
      QVERIFY2(!dataset.ok(), text.c_str());
      QVERIFY(dataset.error().where.ends_with("t.json"));
      QCOMPARE(dataset.error().exit_status(), 2);
    }
    QVERIFY(!Dataset::open({folder.write("t.jsonl", "hello\nworld\n")}).ok());
    QVERIFY(!Dataset::open({folder.path() / "missing.jsonl"}).ok());
    std::filesystem::create_directory(folder.path() / "empty");
    QVERIFY(!Dataset::open({folder.path() / "empty"}).ok());
  }

  // What was given is named, and what to do with it.
  void otherFilesAreNamed_data() {
    QTest::addColumn<QString>("name");
    QTest::addColumn<QByteArray>("bytes");
    QTest::addColumn<QString>("part");
    const auto add = [](const char* name, const QByteArray& bytes, const char* part) {
      QTest::newRow(part) << QString(name) << bytes << QString(part);
    };
    add("t.parquet", "PAR1....", "Parquet");
    add("t.jsonl", "PK\x03\x04....", "a ZIP archive");
    add("t.txt", "prompt,completion\na,b\n", "looks like a table");
    add("t.jsonl", "GIF89a......", "a GIF picture");
    add("t.json", "version https:\x2f/git-lfs.github.com/spec/v1\n", "git lfs pull");
    const QString row =
        QString::fromUtf8(R"({"prompt": "그림을 설명해 주세요", "completion": "빨간 원"})") + "\n";
    QByteArray utf16;
    for (const QChar c : row + row)
      utf16.append(static_cast<char>(c.unicode() & 255))
          .append(static_cast<char>(c.unicode() >> 8));
    add("utf16.jsonl", "\xff\xfe" + utf16, "UTF-16");
    add("unmarked.json", utf16, "iconv -f UTF-16");
    add("korean.jsonl",
        "{\"prompt\": \"\xb1\xd7\xb8\xb2\xc0\xbb\", \"completion\": \"\xbb\xa1\xb0\xa3 "
        "\xbf\xf8\"}\n",
        "CP949");
    add("list.json", "[{\"prompt\": \"\xb1\xd7\xb8\xb2\xc0\xbb\", \"completion\": \"b\"}]",
        "iconv -f CP949");
  }
  void otherFilesAreNamed() {
    QFETCH(QString, name);
    QFETCH(QByteArray, bytes);
    QFETCH(QString, part);
    const Folder folder;
    const auto dataset = Dataset::open({folder.write(name.toStdString(), bytes.toStdString())});
    QVERIFY(!dataset.ok());
    const QString sentence = QString::fromStdString(dataset.error().sentence());
    QVERIFY2(sentence.contains(part), qPrintable(sentence));
    // Where Apache Arrow is not here, that is the machine's fault.
    const bool lacks = name.endsWith(QLatin1String(".parquet")) && !detail::arrow_library();
    QCOMPARE(dataset.error().exit_status(), lacks ? 3 : 2);
  }

  void foldersAreNotMissing() {
    const Folder folder;
    for (const char* name : {"train.jsonl", "first.jsonl", "second.jsonl"})
      folder.write(name, row_of("a", "b"));
    QVERIFY(Dataset::open({folder.path()}).ok());  // the training's
    std::filesystem::rename(folder.path() / "train.jsonl", folder.path() / "third.jsonl");
    const auto given = Dataset::open({folder.path()});
    QVERIFY(given.error().what.find("folder") != std::string::npos &&
            given.error().hint.find("third.jsonl") != std::string::npos);
    folder.write("train.jsonl", row_of("a", "b"));
    const auto file = Dataset::open({folder.path() / "train.jsonl"}, folder.path() / "train.jsonl");
    QVERIFY(file.error().what.find("no folder") != std::string::npos);
    const auto nothing = Dataset::open({folder.path() / "train.jsonl"}, folder.path() / "none");
    QVERIFY(nothing.error().what.find("missing") != std::string::npos);
  }

  void aRowInAnotherEncodingIsItsOwnFault() {
    const Folder folder;
    const auto dataset =
        Dataset::open({folder.write("t.jsonl", row_of("\xea\xb7\xb8\xeb\xa6\xbc", "b") + "\n" +
                                                   row_of("\xb1\xd7\xb8\xb2", "b") + "\n")});
    QVERIFY(dataset.ok() && (*dataset)->read(0).ok());
    QVERIFY((*dataset)->read(1).error().what.find("CP949") != std::string::npos);
  }

  void picturesStartAtTheirFolder() {
    const Folder folder;
    std::filesystem::create_directories(folder.path() / "pictures/sub");
    std::filesystem::copy_file(data_room() / "a.png", folder.path() / "pictures/sub/c.png");
    const std::vector<std::filesystem::path> files{
        folder.write("t.jsonl", row_of("<image>What?", "Three.", R"(, "image": "sub/c.png")"))};
    const auto processor = load_chat(data_room() / "chatml");
    const auto beside = Dataset::open(files),
               rooted = Dataset::open(files, folder.path() / "pictures");
    QVERIFY((*rooted)->read(0)->messages[0].content[0].image ==
            folder.path() / "pictures/sub/c.png");
    QCOMPARE(check_dataset(**beside, **processor, LossOn::Completion, 0)->usable, std::size_t{0});
    QCOMPARE(check_dataset(**rooted, **processor, LossOn::Completion, 0)->usable, std::size_t{1});
  }

  // The check of a whole dataset decodes each picture once; the one before a run decodes none and
  // still finds what is missing.
  void decodingIsCounted() {
    const Folder folder;
    const auto bytes = read_file(folder.path() / "a.png");
    const std::string inside =
        ", \"image\": {\"bytes\": \"" + encode_base64(std::as_bytes(std::span(*bytes))) + "\"}";
    std::string text;
    for (int i = 0; i < 9; ++i)
      text += row_of("<image>Number " + std::to_string(i), "Three.",
                     i % 2 ? R"(, "image": "a.png")" : R"(, "image": "b.jpg")") +
              "\n";
    text += row_of("<image>Inside", "Three.", inside) + "\n" +
            row_of("<image>Gone", "Three.", R"(, "image": "gone.png")") + "\n";
    const auto dataset = Dataset::open({folder.write("t.jsonl", text)});
    const auto processor = load_chat(data_room() / "chatml");
    DatasetCheck how;
    how.decode = false;
    std::uint64_t before = decoded_pictures();
    const auto light = check_dataset(**dataset, **processor, how);
    QCOMPARE(decoded_pictures(), before);
    how.decode = true;
    const auto full = check_dataset(**dataset, **processor, how);
    QCOMPARE(decoded_pictures(), before + 3);
    for (const auto* report : {&*light, &*full}) {
      QCOMPARE(report->usable, std::size_t{10});
      QCOMPARE(report->findings.size(), std::size_t{1});
      QCOMPARE(report->findings[0].kind, std::string("missing_image"));
    }
    QCOMPARE(light->longest_tokens, full->longest_tokens);
  }

  void newKindsOfFindings() {
    const Folder folder;
    const std::string rows[] = {
        row_of("Who?", "Me.", R"(, "videos": ["a.mp4"])"),  // 1 unsupported_media
        std::string(R"({"messages": [{"role": "user", "content": "a"}, )") +
            R"({"role": "tool", "content": "b"}, {"role": "assistant", "content": "c"}]})",  // 2
        row_of("Who?", "Me.", R"(, "image_file": "a.png")"),  // 3 unknown_key, a lost picture
        row_of("How?", "So.", R"(, "Images": [])"),           // 4 unknown_key, usable
        row_of("Why?", "So.", R"(, "Images": [])"),           // said once
        row_of("<image>What?", "Three.",
               ", \"image\": \"" + std::string(5000, 'A') + "\""),  // 6 broken_image
    };
    std::string text;
    for (const std::string& row : rows) text += row + "\n";
    const auto dataset = Dataset::open({folder.write("t.jsonl", text)});
    const auto processor = load_chat(data_room() / "chatml");
    const auto report = check_dataset(**dataset, **processor, LossOn::Completion, 0);
    QVERIFY(report.ok());
    QString found;
    for (const Finding& finding : report->findings) {
      found += QString("%1 %2 %3\n")
                   .arg(finding.row + 1)
                   .arg(QString::fromStdString(finding.kind))
                   .arg(finding.usable);
      QVERIFY(finding.message.size() < 400);
    }
    QCOMPARE(found, QString("1 unsupported_media 0\n2 unsupported_tools 0\n3 unknown_key 0\n4 "
                            "unknown_key 1\n6 broken_image 0\n"));
    QCOMPARE(report->usable, std::size_t{2});
    DatasetCheck how;
    how.kind = &answer_rows();
    const auto pairs = Dataset::open(
        {folder.write("p.jsonl", R"({"prompt": "Who?", "chosen": "Me.", "rejected": "You."})")});
    QCOMPARE(check_dataset(**pairs, **processor, how)->usable, std::size_t{0});
    how.kind = &preference_rows();
    QCOMPARE(check_dataset(**pairs, **processor, how)->usable, std::size_t{1});
  }

  // Where the template knows tools, it gets them as transformers gives them.
  void toolsReachTheTemplate() {
    const Folder folder;
    for (const char* name : {"tokenizer.json", "tokenizer_config.json", "processor_config.json"})
      std::filesystem::copy_file(data_room() / "chatml" / name, folder.path() / name);
    folder.write("chat_template.jinja",
                 "{%- if tools %}{{ tools | tojson }}|{% endif %}"
                 "{%- for m in messages %}{{ m.role }}:"
                 "{%- for part in m.content %}{{ part.text }}{% endfor %}"
                 "{%- if m.tool_calls %}{%- for c in m.tool_calls %}"
                 "{{ c.function.name }}{{ c.function.arguments | tojson }}{% endfor %}{% endif %}"
                 "{%- if m.role == 'tool' %}({{ m.tool_call_id }}){% endif %}|{% endfor %}"
                 "{%- if add_generation_prompt %}assistant:{% endif %}");
    const auto row = Json::parse(R"({"tools": [{"name": "f"}], "messages": [
        {"role": "user", "content": "a"},
        {"role": "assistant", "tool_calls": [{"function": {"name": "f", "arguments": {"x": 1}}}]},
        {"role": "tool", "tool_call_id": "7", "content": "b"},
        {"role": "assistant", "content": "c"}]})");
    const auto conversation = read_conversation(row, folder.path(), "row 1");
    QVERIFY2(conversation.ok(), conversation ? "" : conversation.error().sentence().c_str());
    const auto processor = load_chat(folder.path());
    const auto example =
        (*processor)->encode_training(*conversation, LossOn::Completion, 0, "row 1");
    QVERIFY2(example.ok(), example ? "" : example.error().sentence().c_str());
    const std::string text = R"([{"name": "f"}]|user:a|assistant:f{"x": 1}|tool:b(7)|assistant:c|)";
    QVERIFY(example->input_ids == (*processor)->tokenizer().encode(text, true)->ids);
  }

  void badRowsDoNotStopTheOthers() {
    const Folder folder;
    const auto dataset = Dataset::open(
        {folder.write("t.jsonl", "{\"prompt\": \n" + row_of("good", "x") + "\n\xff\xfe\n")});
    QVERIFY(dataset.ok());
    QCOMPARE((*dataset)->size(), std::size_t{3});
    QVERIFY(!(*dataset)->read(0).ok());
    QVERIFY((*dataset)->read(0).error().where.find("row 1") != std::string::npos);
    QVERIFY((*dataset)->read(1).ok());
    QVERIFY(!(*dataset)->read(2).ok());
  }

  void checkFindsEveryKind() {
    const Folder folder;
    folder.write("broken.png", "\x89PNG\r\n\x1a\n nothing more");
    std::string long_text;
    for (int i = 0; i < 60; ++i) long_text += "many words ";
    const std::string rows[] = {
        row_of("<image>What?", "Three.", R"(, "image": "a.png")"),         // 1 good
        "{not json",                                                       // 2 bad_row
        row_of("<image>What?", "Three.", R"(, "image": "missing.png")"),   // 3 missing_image
        row_of("<image>What?", "Three.", R"(, "image": "broken.png")"),    // 4 broken_image
        row_of("<image><image>What?", "Three.", R"(, "image": "a.png")"),  // 5 image_marks
        row_of("What?", " "),                                              // 6 empty_answer
        R"({"messages": [{"role": "user", "content": "no answer"}]})",     // 7 no_labels
        row_of("What?", long_text),                                 // 8 too_long, its answer cut
        row_of(long_text, "Three."),                                // 9 too_long, nothing left
        row_of("<image>What?", "Three.", R"(, "image": "a.png")"),  // 10 duplicate
        R"({"prompt": "Who?", "chosen": "Me.", "rejected": ""})",   // 11 empty_answer
        row_of("<image>What?", "Four.", R"(, "image": "b.jpg")"),   // 12 good
    };
    std::string text;
    for (const std::string& row : rows) text += row + "\n";
    const auto dataset = Dataset::open({folder.write("t.jsonl", text)});
    const auto processor = load_chat(data_room() / "chatml");
    std::size_t last_done = 0, last_total = 0;
    const auto report = check_dataset(**dataset, **processor, LossOn::Completion, 64,
                                      [&](std::size_t done, std::size_t total) {
                                        last_done = done;
                                        last_total = total;
                                        return true;
                                      });
    QVERIFY(report.ok());
    std::string found;
    for (const Finding& finding : report->findings) {
      found += std::to_string(finding.row + 1) + " " + finding.kind + "\n";
      QVERIFY2(finding.message.find("t.jsonl: row " + std::to_string(finding.row + 1)) !=
                   std::string::npos,
               finding.message.c_str());
    }
    QCOMPARE(QString::fromStdString(found),
             QString("2 bad_row\n3 missing_image\n4 broken_image\n5 image_marks\n6 empty_answer\n7 "
                     "no_labels\n8 too_long\n9 too_long\n10 duplicate\n11 empty_answer\n"));
    QCOMPARE(report->rows, std::size_t{12});
    QCOMPARE(report->usable, std::size_t{4});
    QCOMPARE(report->longest_tokens, std::int64_t{64});
    QCOMPARE(last_done, last_total);
    const auto cancelled = check_dataset(**dataset, **processor, LossOn::Completion, 64,
                                         [](std::size_t, std::size_t) { return false; });
    QVERIFY(!cancelled.ok());
    QCOMPARE(cancelled.error().exit_status(), 130);
  }

  void templateFaultsAreFindings() {
    const Folder folder;
    for (const char* name : {"tokenizer.json", "tokenizer_config.json", "processor_config.json"})
      std::filesystem::copy_file(data_room() / "chatml" / name, folder.path() / name);
    const auto processor = load_chat(folder.path());
    const auto dataset = Dataset::open({folder.write("t.jsonl", row_of("a", "b"))});
    const auto report = check_dataset(**dataset, **processor, LossOn::Completion, 0);
    QVERIFY(report.ok());
    QCOMPARE(report->findings.size(), std::size_t{1});
    QCOMPARE(report->findings[0].kind, std::string("template"));
    QCOMPARE(report->usable, std::size_t{0});
  }
};

QTEST_APPLESS_MAIN(TestDataset)
#include "test_dataset.moc"
