// SPDX-License-Identifier: GPL-3.0-or-later
// Answers to a run's samples: written, read on while they grow, and whatever a file may hold.
#include <QtTest>

#include <fstream>

#include "engine/data/sample_log.h"

using namespace luthier;
namespace fs = std::filesystem;

class TestSampleLog : public QObject {
  Q_OBJECT

  fs::path file() const { return fs::path(folder_.path().toStdString()) / kSamplesFile; }
  void put(const std::string& text, bool more = false) const {
    std::ofstream(file(), more ? std::ios::binary | std::ios::app : std::ios::binary) << text;
  }
  static Conversation question() {
    Conversation asked;
    asked.messages.push_back(
        {"user", {ContentPart::of_image("/tmp/a.png"), ContentPart::of_text("What is it?")}});
    asked.messages.push_back({"assistant", {ContentPart::of_text("A circle.")}});
    return asked;
  }

  QTemporaryDir folder_;

 private slots:
  void init() { fs::remove(file()); }

  void what_is_written_is_read_back() {
    const Conversation asked = question();
    put(sample_line(0, {0, "A \"square\"\n", 4, "eos"}, &asked) +
        sample_line(0, {1, "", 0, "length"}, &asked));
    auto log = read_sample_log(file());
    QVERIFY(log.ok());
    QCOMPARE(log->questions.size(), std::size_t(2));
    const auto& messages = log->questions[0].conversation.messages;
    QCOMPARE(messages.size(), std::size_t(2));
    QVERIFY(messages[0].content == asked.messages[0].content &&
            messages[1].content == asked.messages[1].content);
    QCOMPARE(log->frames.size(), std::size_t(1));
    QCOMPARE(log->frames[0].answers[0].text, std::string("A \"square\"\n"));
    QCOMPARE(log->frames[0].answers[0].tokens, std::int64_t(4));
    QCOMPARE(log->frames[0].answers[1].finish, std::string("length"));

    // It grows, half a line first.
    const std::string next = sample_line(5, {0, "A circle.", 3, "eos"}, nullptr);
    put(next.substr(0, 10), true);
    SampleLog all = *log;
    auto piece = read_sample_log(file(), all.read_to);
    QVERIFY(piece.ok() && piece->frames.empty() && !piece->anew);
    join_samples(all, piece.take());
    put(next.substr(10) + sample_line(5, {1, "no", 1, "eos"}, nullptr), true);
    piece = read_sample_log(file(), all.read_to);
    join_samples(all, piece.take());
    QCOMPARE(all.frames.size(), std::size_t(2));
    QCOMPARE(all.frames[1].step, std::int64_t(5));
    QCOMPARE(all.frames[1].answers.size(), std::size_t(2));
    QCOMPARE(all.questions.size(), std::size_t(2));

    // Cut back by a resume: it is read from its beginning.
    put(sample_line(0, {0, "cut", 1, "eos"}, &asked));
    piece = read_sample_log(file(), all.read_to);
    QVERIFY(piece.ok() && piece->anew);
    join_samples(all, piece.take());
    QCOMPARE(all.frames.size(), std::size_t(1));
    QCOMPARE(all.frames[0].answers[0].text, std::string("cut"));
  }

  void a_file_may_hold_anything() {
    QVERIFY(read_sample_log(file()).ok());  // not there
    put("\n[]\nnull\n{\"step\":\"x\"}\n{\"step\":1,\"sample\":-1,\"text\":\"a\"}\n"
        "{\"step\":1,\"sample\":1e18,\"text\":\"a\"}\n{\"step\":1,\"sample\":0,\"text\":7}\n"
        "{\"step\":2,\"sample\":0,\"text\":\"b\",\"messages\":7}\n\xff\xfe\n" +
        std::string(1000, '{') + "\n");
    const auto log = read_sample_log(file());
    QVERIFY(log.ok());
    QCOMPARE(log->frames.size(), std::size_t(1));
    QCOMPARE(log->frames[0].answers[0].text, std::string("b"));
    QVERIFY(log->questions.empty() && log->read_to == fs::file_size(file()));
  }
};

QTEST_GUILESS_MAIN(TestSampleLog)
#include "test_sample_log.moc"
