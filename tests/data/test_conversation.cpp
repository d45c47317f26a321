// SPDX-License-Identifier: GPL-3.0-or-later
// Every row format becomes the same messages; wrong rows are refused in a sentence that names the
// row and the field.
#include <QtTest>

#include <fstream>

#include "engine/data/row_kind.h"

using namespace luthier;

namespace {

/// "user[image:d/a.png|text:Hi] assistant[text:Yo]"
std::string outline(const std::vector<Message>& messages) {
  std::string text;
  for (const Message& message : messages) {
    text += (text.empty() ? "" : " ") + message.role + "[";
    std::string separator;
    for (const ContentPart& part : message.content) {
      text += separator + (part.kind == ContentPart::Kind::Image ? "image:" + part.image.string()
                                                                 : "text:" + part.text);
      separator = "|";
    }
    text += "]";
  }
  return text;
}

/// @@ stands for two slashes: moc takes those for a comment, even inside a raw string.
Result<Conversation> read(std::string row, RowFault* fault = nullptr) {
  for (std::size_t at = row.find("@@"); at != std::string::npos; at = row.find("@@"))
    row.replace(at, 2, 2, '/');
  return read_conversation(Json::parse(row), "d", "rows.jsonl: row 3", fault);
}

}  // namespace

class TestConversation : public QObject {
  Q_OBJECT

 private slots:
  void formats_data() {
    QTest::addColumn<QString>("row");
    QTest::addColumn<QString>("expected");
    const QString both = "user[image:d/a.png|text:Who?] assistant[text:Me.]";
    QTest::newRow("typed")
        << R"({"messages": [{"role": "user", "content": [{"type": "image", "path": "a.png"}, )"
           R"({"type": "text", "text": "Who?"}]},
      {"role": "assistant", "content": [{"type": "text", "text": "Me."}]}], "id": 7})"
        << both;
    QTest::newRow("typed, other names")
        << R"({"messages": [{"role": "user", "content": [{"type": "image_url", )"
           R"("image_url": {"url": "file:@@a.png"}}, "Who?"]},
      {"role": "assistant", "content": "Me."}]})"
        << both;
    QTest::newRow("typed, pictures beside")
        << R"({"messages": [{"role": "user", "content": [{"type": "image"}, {"type": "text", "text": "Who?"}]},
      {"role": "assistant", "content": "Me."}], "images": ["a.png"]})"
        << both;
    QTest::newRow("marks")
        << R"({"messages": [{"role": "user", "content": "<image>Who?"}, {"role": "assistant", )"
           R"("content": "Me."}], "images": ["a.png"]})"
        << both;
    QTest::newRow("no marks")
        << R"({"messages": [{"role": "user", "content": "Who?"}, {"role": "assistant", )"
           R"("content": "Me."}], "images": "a.png"})"
        << both;
    QTest::newRow("LLaVA")
        << R"({"id": "1", "image": "a.png", "conversations": [{"from": "human", )"
           R"("value": "<image>\nWho?"}, {"from": "gpt", "value": "Me."}]})"
        << both;
    QTest::newRow("LLaVA, mark last")
        << R"({"image": ["a.png"], "conversations": [{"from": "human", )"
           R"("value": "Who?\n<image>"}, {"from": "gpt", "value": "Me."}]})"
        << QString("user[text:Who?|image:d/a.png] assistant[text:Me.]");
    QTest::newRow("alpaca")
        << R"({"instruction": "<image>Who?", "input": "", "output": "Me.", "images": ["a.png"]})"
        << both;
    QTest::newRow("alpaca with input")
        << R"({"instruction": "Read this.", "input": "Who?", "output": "Me."})"
        << QString("user[text:Read this.\nWho?] assistant[text:Me.]");
    QTest::newRow("alpaca without instruction")
        << R"({"instruction": "", "input": "Who?", "output": "Me."})"
        << QString("user[text:Who?] assistant[text:Me.]");
    QTest::newRow("query") << R"({"query": "Who?", "response": "Me.", "image": "a.png"})" << both;
    QTest::newRow("question") << R"({"question": "Who?", "answer": "Me.", "image": "a.png"})"
                              << both;
    QTest::newRow("history, system")
        << R"({"system": "Be brief.", "query": "Who?", "response": "Me.",
            "history": [["Hi.", "Yo."]]})"
        << QString(
               "system[text:Be brief.] user[text:Hi.] assistant[text:Yo.] user[text:Who?] "
               "assistant[text:Me.]");
    QTest::newRow("a message's own pictures")
        << R"({"messages": [{"role": "user", "content": "Who?", "images": ["a.png"]},
            {"role": "assistant", "content": "Me."}]})"
        << both;
    QTest::newRow("ShareGPT")
        << R"({"image": null, "system": "Be brief.", "conversations": [{"role": "user", )"
           R"("content": "Hi"}, {"role": "assistant", "content": "Yo"}]})"
        << QString("system[text:Be brief.] user[text:Hi] assistant[text:Yo]");
    QTest::newRow("prompt and completion")
        << R"({"image": "a.png", "prompt": "Who?", "completion": "Me."})" << both;
    QTest::newRow("prompt and completion as messages")
        << R"({"images": [{"path": "a.png"}], "prompt": [{"role": "user", "content": "Who?"}],
      "completion": [{"role": "assistant", "content": "Me."}]})"
        << both;
    QTest::newRow("several pictures")
        << R"({"images": ["a.png", "/abs/b.jpg", "../c.webp"], "messages": [{"role": "user", )"
           R"("content": "x <image> y <image>"},
      {"role": "assistant", "content": "z"}, {"role": "user", "content": "<image>"}]})"
        << QString(
               "user[text:x |image:d/a.png|text: y |image:/abs/b.jpg] assistant[text:z] "
               "user[image:c.webp]");
    QTest::newRow("no content")
        << R"({"messages": [{"role": "user", "content": null}, {"role": "assistant", "content": ""}]})"
        << QString("user[] assistant[text:]");
  }
  void formats() {
    QFETCH(QString, row);
    QFETCH(QString, expected);
    const auto conversation = read(row.toStdString());
    QVERIFY2(conversation.ok(), conversation ? "" : conversation.error().sentence().c_str());
    QCOMPARE(QString::fromStdString(outline(conversation->messages)), expected);
    QVERIFY(!conversation->chosen && !conversation->rejected);
  }

  void preferences() {
    const auto texts =
        read(R"({"prompt": "Who?", "images": ["a.png"], "chosen": "Me.", "rejected": "You."})");
    QVERIFY(texts.ok());
    QCOMPARE(outline(texts->messages), std::string("user[image:d/a.png|text:Who?]"));
    QCOMPARE(outline(*texts->chosen), std::string("assistant[text:Me.]"));
    QCOMPARE(outline(*texts->rejected), std::string("assistant[text:You.]"));
    const auto lists =
        read(R"({"image": "a.png", "chosen": [{"role": "user", "content": "<image>Who?"}, )"
             R"({"role": "assistant", "content": "Me."}],
      "rejected": [{"role": "user", "content": "<image>Who?"}, {"role": "assistant", "content": "You."}]})");
    QVERIFY(lists.ok());
    QCOMPARE(outline(lists->messages), std::string("user[image:d/a.png|text:Who?]"));
    QCOMPARE(outline(*lists->rejected), std::string("assistant[text:You.]"));
    const auto factory =
        read(R"({"images": ["a.png"], "conversations": [{"from": "human", "value": "<image>Who?"}],
      "chosen": {"from": "gpt", "value": "Me."}, "rejected": {"from": "gpt", "value": "You."}})");
    QVERIFY(factory.ok());
    QCOMPARE(outline(*factory->chosen), std::string("assistant[text:Me.]"));
    QVERIFY(!read(R"({"prompt": "a", "chosen": "b"})").ok());
    QVERIFY(
        !read(
             R"({"chosen": [{"role": "user", "content": "a"}], "rejected": [{"role": "user", "content": "a"}]})")
             .ok());
  }

  void wrongRows_data() {
    QTest::addColumn<QString>("row");
    QTest::addColumn<QString>("part");  // of the sentence
    const auto add = [](const char* row, const char* part) {
      QTest::newRow(row) << QString(row) << QString(part);
    };
    add(R"([1])", "not a JSON object");
    add(R"({"text": "hello"})", "no conversation");
    add(R"({"messages": []})", "messages");
    add(R"({"messages": "hi"})", "messages");
    add(R"({"messages": [3]})", "messages[0]");
    add(R"({"messages": [{"content": "a"}]})", "no role");
    add(R"({"messages": [{"role": "narrator", "content": "a"}]})", "\"narrator\"");
    add(R"({"messages": [{"from": "function_call", "value": "call it"}]})", "tool call");
    add(R"({"messages": [{"role": "user", "content": "a"}], "tools": "none"})", "tools");
    add(R"({"mesages": [{"role": "user", "content": "a"}]})", "messages may be meant");
    add(R"({"prompt": "a", "completion": "b", "image_path": "a.png"})", "\"image_path\"");
    add(R"({"prompt": "a", "completion": "b", "imgae": "a.png"})", "\"imgae\"");
    add(R"({"prompt": "a", "completion": "b", "image": {"bytes": "b'a'"}})", "image.bytes");
    add(R"({"prompt": "a", "completion": "b", "image": {"bytes": [1, 256]}})", "image.bytes");
    add(R"({"query": "a", "response": "b", "history": [["a"]]})", "history[0]");
    add(R"({"instruction": "a", "output": 3})", "output");
    add(R"({"messages": [{"role": "user"}]})", "no content");
    add(R"({"messages": [{"role": "user", "content": 4}]})", "messages[0].content");
    add(R"({"messages": [{"role": "user", "content": [{"text": "a"}]}]})",
        "messages[0].content[0].type");
    add(R"({"messages": [{"role": "user", "content": [{"type": "text", "text": 5}]}]})",
        "content[0].text");
    add(R"({"messages": [{"role": "user", "content": [{"type": "image", "path": "https:@@x.y/z.png"}]}]})",
        "addresses");
    add(R"({"messages": [{"role": "user", "content": "a"}], "images": [3]})", "images[0]");
    add(R"({"messages": [{"role": "user", "content": "a"}], "images": [""]})", "images[0]");
    add(R"({"prompt": 3, "completion": "a"})", "prompt");
    add(R"({"prompt": "a"})", "no conversation");
  }
  void wrongRows() {
    QFETCH(QString, row);
    QFETCH(QString, part);
    const auto conversation = read(row.toStdString());
    QVERIFY(!conversation.ok());
    const QString sentence = QString::fromStdString(conversation.error().sentence());
    QVERIFY2(sentence.startsWith("rows.jsonl: row 3") && sentence.contains(part),
             sentence.toUtf8());
    QCOMPARE(conversation.error().exit_status(), 2);
  }

  // Sound is never left out in silence.
  void otherMediaAreNamed_data() {
    QTest::addColumn<QString>("row");
    QTest::addColumn<QString>("part");
    const auto add = [](const char* row, const char* part) {
      QTest::newRow(row) << QString(row) << QString(part);
    };
    const char* turns =
        R"("messages": [{"role": "user", "content": "Who?"},
            {"role": "assistant", "content": "Me."}])";
    add(qPrintable(QString(R"({%1, "audios": [{"path": "a.wav"}]})").arg(turns)), "audios");
    add(qPrintable(QString(R"({%1, "audio": "a.wav", "videos": ["a"]})").arg(turns)), "audio");
    add(R"({"prompt": "<audio>Who?", "completion": "Me."})", "<audio>");
    add(R"({"instruction": "Who?", "input": "<audio>", "output": "Me."})", "<audio>");
    add(R"({"messages": [{"role": "user", "content": [
        {"type": "input_audio", "input_audio": {"data": "aa"}}]}]})",
        "sound");
    add(R"({"messages": [{"role": "user", "content": [
        {"audio": "a.wav"}, {"type": "text", "text": "Who?"}]}]})",
        "sound");
    add(R"({"messages": [{"role": "user", "content": "Who?", "audios": ["a.wav"]}]})",
        "messages[0].audios");
  }
  void otherMediaAreNamed() {
    QFETCH(QString, row);
    QFETCH(QString, part);
    RowFault fault = RowFault::BadRow;
    const auto conversation = read(row.toStdString(), &fault);
    QVERIFY(!conversation.ok());
    QCOMPARE(fault, RowFault::UnsupportedMedia);
    QCOMPARE(row_fault_name(fault), "unsupported_media");
    QVERIFY2(QString::fromStdString(conversation.error().sentence()).contains(part),
             conversation.error().sentence().c_str());
  }
  void emptyMediaAreNone() {
    QVERIFY(read(
                R"({"prompt": "a", "completion": "b", "videos": [], "audio": null,
                "video": "", "audios": [null]})")
                .ok());
  }

  void picturesInBytes() {
    const auto image_of = [](const std::string& value) {
      const auto row = read(R"({"prompt": "Who?", "completion": "Me.", "image": )" + value + "}");
      return row ? row->messages[0].content[0].image.string() : row.error().sentence();
    };
    const std::string start = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAQAAAC1HAwCAAAAC0lEQVR42mNk";
    QCOMPARE(image_of("\"" + start + "\""), "data:;base64," + start);
    QCOMPARE(image_of("\"data:image/png;base64,AAAA\""), std::string("data:image/png;base64,AAAA"));
    QCOMPARE(image_of(R"({"bytes": "AAAA", "path": "once.png"})"),
             std::string("data:;base64,AAAA"));
    QCOMPARE(image_of(R"({"bytes": [0, 0, 255], "path": null})"), std::string("data:;base64,AAD/"));
    QCOMPARE(image_of(R"({"bytes": null, "path": "a.png"})"), std::string("d/a.png"));
    const auto part = read(R"({"messages": [{"role": "user", "content": [
        {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": "AAAA"}},
        {"type": "image_url", "image_url": {"url": "data:image/png;base64,BBBB"}},
        {"type": "image", "path": "c.png", "bytes": "CCCC"}]}]})");
    QVERIFY(part.ok());
    QCOMPARE(outline(part->messages), std::string("user[image:data:;base64,AAAA|image:data:image/"
                                                  "png;base64,BBBB|image:data:;base64,CCCC]"));
  }

  void toolsBecomeTheTemplates() {
    Json row = Json::parse(R"({"conversations": [{"from": "human", "value": "How warm?"},
        {"from": "function_call", "value": ""}, {"from": "observation", "value": "20"},
        {"from": "gpt", "value": "20 degrees."}]})");
    const Json call = {{"name", "warmth"}, {"arguments", {{"at", "home"}}}};
    row["conversations"][1]["value"] = call.dump();
    row["tools"] = "[" + Json{{"name", "warmth"}}.dump() + "]";
    const auto factory = read_conversation(row, "d", "row 3");
    QVERIFY2(factory.ok(), factory ? "" : factory.error().sentence().c_str());
    QCOMPARE(
        outline(factory->messages),
        std::string("user[text:How warm?] assistant[] tool[text:20] assistant[text:20 degrees.]"));
    QCOMPARE(messages_for_template(factory->messages)[1], Json::parse(R"({"role": "assistant",
        "content": [], "tool_calls": [{"type": "function",
            "function": {"name": "warmth", "arguments": {"at": "home"}}}]})"));
    QCOMPARE(factory->tools.dump(), std::string(R"([{"name":"warmth"}])"));
    const auto open = read(
        R"({"messages": [{"role": "user", "content": "a"}, {"role": "assistant", "content": null,
        "tool_calls": [{"id": "1", "type": "function",
                        "function": {"name": "f", "arguments": "{}"}}]},
        {"role": "tool", "tool_call_id": "1", "name": "f", "content": "b"},
        {"role": "assistant", "content": "c"}], "tools": []})");
    QVERIFY(open.ok());
    QVERIFY(open->tools.is_null() && uses_tools(open->messages));
    QCOMPARE(messages_for_template(open->messages)[2], Json::parse(R"({"role": "tool",
        "content": [{"type": "text", "text": "b"}], "tool_call_id": "1", "name": "f"})"));
  }

  void marksAndPicturesMustAgree() {
    RowFault fault = RowFault::BadRow;
    const auto two = read(
        R"({"messages": [{"role": "user", "content": "<image><image> a"}], "images": ["a.png"]})",
        &fault);
    QVERIFY(!two.ok());
    QCOMPARE(fault, RowFault::ImageMarks);
    QVERIFY(two.error().what.find("2 <image> marks") != std::string::npos &&
            two.error().what.find("1 picture.") != std::string::npos);
    QVERIFY(!read(R"({"messages": [{"role": "user", "content": "<image> a"}]})").ok());
    QVERIFY(
        !read(
             R"({"messages": [{"role": "user", "content": "<image> a"}], "images": ["a.png", "b.png"]})")
             .ok());
    QVERIFY(!read(R"({"messages": [{"role": "user", "content": [{"type": "image"}]}]})").ok());
    QVERIFY(!read(R"({"messages": [{"role": "assistant", "content": "a"}], "images": ["a.png"]})")
                 .ok());
    // a picture given in the content and one beside it: whose is it?
    QVERIFY(!read(R"({"messages": [{"role": "user", "content": [{"type": "image", )"
                  R"("path": "a.png"}]}], "images": ["b.png"]})")
                 .ok());
  }

  void filesAndTemplates() {
    QTemporaryDir temporary;
    const std::filesystem::path path =
        std::filesystem::path(temporary.path().toStdString()) / "input.json";
    std::ofstream(path)
        << R"({"messages": [{"role": "user", "content": [{"type": "image", "path": "p/a.png"}, )"
           R"({"type": "text", "text": "Who?"}]}]})";
    const auto conversation = read_row_file(path);
    QVERIFY(conversation.ok());
    QVERIFY(conversation->messages[0].content[0].image == path.parent_path() / "p/a.png");
    QCOMPARE(
        messages_for_template(conversation->messages).dump(),
        std::string(
            R"([{"role":"user","content":[{"type":"image"},{"type":"text","text":"Who?"}]}])"));
    QVERIFY(!read_row_file("no/such.json").ok());
    std::ofstream(path) << "{\"messages\": [";
    QVERIFY(!read_row_file(path).ok());
  }
};

QTEST_APPLESS_MAIN(TestConversation)
#include "test_conversation.moc"
