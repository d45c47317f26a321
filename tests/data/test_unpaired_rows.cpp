// SPDX-License-Identifier: GPL-3.0-or-later
// Rows of one answer that was found good or bad: every way in which they are written, how a long
// one is cut, and what is said of rows that are none.
#include <QtTest>

#include "engine/data/row_kind.h"
#include "tests/data/chat_fixture.h"

using namespace luthier;
using namespace luthier::test;

namespace {

Result<Conversation> read(const char* row) {
  return unpaired_rows().read(Json::parse(row), "d", "rows.jsonl: row 1", nullptr);
}

std::string outline(const std::vector<Message>& messages) {
  std::string text;
  for (const Message& message : messages) {
    text += message.role + "[";
    for (const ContentPart& part : message.content)
      text += part.kind == ContentPart::Kind::Image ? "<" + part.image.string() + ">" : part.text;
    text += "]";
  }
  return text;
}

}  // namespace

class TestUnpairedRows : public QObject {
  Q_OBJECT

 private slots:
  void rows_are_read_data() {
    QTest::addColumn<QString>("row");
    QTest::addColumn<QString>("asked");
    QTest::addColumn<QString>("said");
    QTest::addColumn<bool>("good");
    QTest::newRow("texts")
        << R"({"prompt": "Who?", "completion": "Me.", "label": true, "images": ["a.png"]})"
        << "user[<d/a.png>Who?]"
        << "assistant[Me.]" << true;
    QTest::newRow("messages") << R"({"prompt": [{"role": "user", "content": "Who?"},
          {"role": "assistant", "content": "Me."}, {"role": "user", "content": "You?"}],
          "completion": [{"role": "assistant", "content": "Yes."}], "label": false})"
                              << "user[Who?]assistant[Me.]user[You?]"
                              << "assistant[Yes.]" << false;
    QTest::newRow("an answer of two turns")
        << R"({"prompt": [{"role": "user", "content": "Who?"}], "completion":
          [{"role": "assistant", "content": "Me."}, {"role": "assistant", "content": "Yes."}],
          "label": true})"
        << "user[Who?]"
        << "assistant[Me.]assistant[Yes.]" << true;
    QTest::newRow("ends in the answer") << R"({"messages": [{"role": "user", "content": "Who?"},
          {"role": "assistant", "content": "Me."}], "label": false})"
                                        << "user[Who?]"
                                        << "assistant[Me.]" << false;
    QTest::newRow("LLaMA-Factory")
        << R"({"conversations": [{"from": "human", "value": "<image>Who?"},
          {"from": "gpt", "value": "Me."}], "kto_tag": true, "images": ["a.png"]})"
        << "user[<d/a.png>Who?]"
        << "assistant[Me.]" << true;
    QTest::newRow("Alpaca")
        << R"({"instruction": "Add", "input": "2 2", "output": "4", "kto_tag": false})"
        << "user[Add\n2 2]"
        << "assistant[4]" << false;
  }
  void rows_are_read() {
    QFETCH(QString, row);
    const auto found = read(qPrintable(row));
    QVERIFY2(found.ok(), found ? "" : found.error().sentence().c_str());
    QTEST(QString::fromStdString(outline(found->messages)), "asked");
    QTEST(QString::fromStdString(outline(*found->answer)), "said");
    QTEST(found->numbers.at("label") == 1, "good");
  }

  void others_are_refused_data() {
    QTest::addColumn<QString>("row");
    QTest::addColumn<QString>("named");
    const auto add = [](const char* row, const char* named) { QTest::newRow(row) << row << named; };
    add(R"({"prompt": "a", "completion": "b"})", "row 1: label");
    add(R"({"prompt": "a", "completion": "b", "label": 1})", "row 1: label");
    add(R"({"prompt": "a", "completion": "b", "kto_tag": "yes"})", "row 1: kto_tag");
    add(R"({"prompt": "a", "chosen": "b", "rejected": "c", "label": true})", "row 1: chosen");
    add(R"({"messages": [{"role": "user", "content": "a"}], "rejected_response": "b",
            "label": true})",
        "row 1: rejected_response");
    add(R"({"messages": [{"role": "user", "content": "a"}], "label": true})", "row 1: messages");
    add(R"({"messages": [{"role": "assistant", "content": "a"}], "label": true})",
        "row 1: messages");
    add(R"({"prompt": "a", "completion": [{"role": "user", "content": "b"}], "label": true})",
        "row 1: completion");
    add(R"({"prompt": "a", "completion": "<image>b", "image": "a.png", "label": true})",
        "cannot hold pictures");
    add(R"(["a"])", "not a JSON object");
  }
  void others_are_refused() {
    QFETCH(QString, row);
    QFETCH(QString, named);
    const auto found = read(qPrintable(row));
    QVERIFY(!found.ok());
    const std::string sentence = found.error().sentence();
    QVERIFY2(sentence.find(named.toStdString()) != std::string::npos, sentence.c_str());
  }

  /// A row that says no objective is read as before: its answer is a turn like others.
  void a_label_makes_no_row_another_kind() {
    const auto row = Json::parse(R"({"prompt": "a", "completion": "b", "label": true})");
    const auto found = any_rows().read(row, "d", "row 1", nullptr);
    QVERIFY(found.ok());
    QCOMPARE(outline(found->messages), std::string("user[a]assistant[b]"));
    QVERIFY(!found->answer);
  }

  void a_cut_answer_is_kept_whole_beside() {
    const auto processor = load_chat(data_room() / "llava");
    QVERIFY2(processor.ok(), processor ? "" : processor.error().sentence().c_str());
    const auto row = read(R"({"prompt": "Who?", "completion": "a b c d e f g h", "label": true})");
    RowEncoding how;
    const auto whole = unpaired_rows().encode(*row, **processor, how, "row 1");
    QVERIFY(whole.ok());
    QVERIFY(whole->whole_answer.empty());
    const Example& all = whole->sequences.front();
    how.max_length = static_cast<std::int64_t>(all.input_ids.size()) - 3;
    const auto cut = unpaired_rows().encode(*row, **processor, how, "row 1");
    QVERIFY(cut.ok());
    QCOMPARE(cut->sequences.front().input_ids.size(), all.input_ids.size() - 3);
    QCOMPARE(static_cast<std::int64_t>(cut->whole_answer.size()), count_labels(all));
    QVERIFY(std::equal(cut->whole_answer.rbegin(), cut->whole_answer.rend(), all.labels.rbegin()));
  }
};

QTEST_GUILESS_MAIN(TestUnpairedRows)
#include "test_unpaired_rows.moc"
