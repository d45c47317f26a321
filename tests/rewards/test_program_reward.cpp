// SPDX-License-Identifier: GPL-3.0-or-later
// A program that says what answers are worth: what it is told and tells, and that one which hangs,
// dies, or answers otherwise is a sentence and leaves no process behind.
#include <QtTest>

#include <fstream>

#include "engine/rewards/program_reward.h"

using namespace luthier;

namespace {

namespace fs = std::filesystem;

class Scripts {
 public:
  fs::path write(const char* name, const std::string& text) const {
    const fs::path path = fs::path(folder_.path().toStdString()) / name;
    {
      std::ofstream file(path);
      file << "#!/bin/sh\n" << text << "\n";
    }
    fs::permissions(path, fs::perms::owner_all);
    return path;
  }

 private:
  QTemporaryDir folder_;
};

Result<std::vector<Reward>> ask(const fs::path& program, std::size_t answers,
                                double seconds = 600) {
  LUTHIER_TRY(const auto started, start_reward_program(program, seconds));
  static const Json row{{"solution", "a"}};
  std::vector<AnsweredRow> asked(answers, {"an answer", &row, nullptr, "rows.jsonl: row 1"});
  return started->rewards(asked);
}

std::string fault(const Result<std::vector<Reward>>& result) {
  return result ? std::string() : result.error().sentence();
}

}  // namespace

class TestProgramReward : public QObject {
  Q_OBJECT

  Scripts scripts_;

 private slots:
  void a_line_is_answered_by_a_line() {
    const fs::path program =
        scripts_.write("good.sh", "while read line; do echo '{\"rewards\": [1.5, null]}'; done");
    const auto started = start_reward_program(program);
    QVERIFY2(started.ok(), started ? "" : started.error().sentence().c_str());
    QCOMPARE((*started)->name(), std::string("good"));
    const Json row{{"solution", "a"}};
    for (int turn = 0; turn < 3; ++turn) {
      const auto rewards =
          (*started)->rewards({{"x", &row, nullptr, "row 1"}, {"y", &row, nullptr, ""}});
      QVERIFY2(rewards.ok(), fault(rewards).c_str());
      QCOMPARE(*rewards, (std::vector<Reward>{1.5, std::nullopt}));
    }
  }

  void it_is_told_answers_and_rows() {
    const fs::path program = scripts_.write("told.sh",
                                            "read line\n"
                                            "case $line in\n"
                                            "*'\"text\":\"an answer\"'*'\"solution\":\"a\"'*) "
                                            "echo '{\"rewards\": [2]}';;\n"
                                            "*) echo '{\"rewards\": [0]}';;\n"
                                            "esac");
    const auto rewards = ask(program, 1);
    QVERIFY2(rewards.ok(), fault(rewards).c_str());
    QCOMPARE(rewards->front(), Reward(2));
  }

  /// A question longer than what a stream holds, of which the program reads nothing before it
  /// answers.
  void it_may_answer_before_it_has_read_all() {
    const fs::path program =
        scripts_.write("early.sh", "echo '{\"rewards\": [3]}'\nwhile read line; do :; done");
    const auto started = start_reward_program(program);
    QVERIFY(started.ok());
    const auto rewards =
        (*started)->rewards({{std::string(4 << 20, 'x'), nullptr, nullptr, "row 1"}});
    QVERIFY2(rewards.ok(), fault(rewards).c_str());
    QCOMPARE(rewards->front(), Reward(3));
  }

  void one_that_hangs_is_ended() {
    const fs::path program = scripts_.write("hangs.sh", "read line\nsleep 100000");
    const std::string sentence = fault(ask(program, 1, 0.2));
    QVERIFY2(sentence.find("did not answer within 0.2 seconds") != std::string::npos,
             sentence.c_str());
  }

  void one_that_dies_says_how() {
    const std::string status = fault(ask(scripts_.write("dies.sh", "read line\nexit 7"), 1));
    QVERIFY2(status.find("ended with status 7") != std::string::npos, status.c_str());
    const std::string signal = fault(ask(scripts_.write("killed.sh", "read line\nkill -9 $$"), 1));
    QVERIFY2(signal.find("signal 9") != std::string::npos, signal.c_str());
    // Before it was asked, and asked again afterwards.
    const auto started = start_reward_program(scripts_.write("gone.sh", "exit 0"));
    QVERIFY(started.ok());
    const AnsweredRow answer{"x", nullptr, nullptr, ""};
    QVERIFY(!(*started)->rewards({answer}).ok());
    const std::string again = fault((*started)->rewards({answer}));
    QVERIFY2(again.find("has ended") != std::string::npos, again.c_str());
  }

  void other_answers_are_refused_data() {
    QTest::addColumn<QString>("reply");
    QTest::addColumn<QString>("named");
    QTest::newRow("no JSON") << "good"
                             << "no object with rewards";
    QTest::newRow("no rewards") << "{\"reward\": 1}"
                                << "no object with rewards";
    QTest::newRow("too few") << "{\"rewards\": [1]}"
                             << "1 rewards for 2 answers";
    QTest::newRow("a word") << "{\"rewards\": [1, \"much\"]}"
                            << "no number";
    QTest::newRow("too large") << "{\"rewards\": [1, 1e999]}"
                               << "\"";
  }
  void other_answers_are_refused() {
    QFETCH(QString, reply);
    QFETCH(QString, named);
    const fs::path program =
        scripts_.write("other.sh", "while read line; do echo '" + reply.toStdString() + "'; done");
    const std::string sentence = fault(ask(program, 2));
    QVERIFY2(sentence.find(named.toStdString()) != std::string::npos, sentence.c_str());
  }

  /// A recipe asks for `program`; which one that is the person alone says.
  void the_persons_program_is_found_by_its_name() {
    QVERIFY(make_built_in_reward("program") == nullptr);
    const Error none = no_such_reward("program", "grpo.reward_funcs");
    QVERIFY(none.hint.find("--reward-program") != std::string::npos);
    QVERIFY(!name_reward_program("/nowhere/program").ok());
    QVERIFY(make_built_in_reward("program") == nullptr);
    auto named = name_reward_program(
        scripts_.write("mine.sh", "while read line; do echo '{\"rewards\": [4]}'; done"));
    QVERIFY2(named.ok(), named ? "" : named.error().sentence().c_str());
    for (int turn = 0; turn < 2; ++turn) {
      const auto program = make_built_in_reward("program");
      QVERIFY(program != nullptr);
      QCOMPARE(program->name(), std::string("program"));
      const auto rewards = program->rewards({{"x", nullptr, nullptr, "row 1"}});
      QVERIFY2(rewards.ok(), fault(rewards).c_str());
      QCOMPARE(rewards->front(), Reward(4));
    }
    // It was of that start alone: the next one has to name it again.
    named = input_error("none", "");
    QVERIFY(make_built_in_reward("program") == nullptr);
  }

  void what_cannot_be_run_is_refused() {
    const fs::path plain = scripts_.write("plain.sh", "exit 0");
    fs::permissions(plain, fs::perms::owner_read);
    for (const fs::path& path : {plain, plain.parent_path(), plain.parent_path() / "none"}) {
      const auto started = start_reward_program(path);
      QVERIFY(!started.ok());
      QVERIFY(started.error().where == path.string());
    }
  }
};

QTEST_APPLESS_MAIN(TestProgramReward)
#include "test_program_reward.moc"
