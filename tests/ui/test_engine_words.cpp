// SPDX-License-Identifier: GPL-3.0-or-later
// The engine's sentences in Korean: every pattern of the catalogue says what fills it, real errors
// of the engine come out whole, and what is not ours stays as it is.
#include <QtTest>
#include <filesystem>

#include "engine/config/recipe.h"
#include "engine/data/dataset.h"
#include "engine/io/json.h"
#include "engine/io/safetensors.h"
#include "engine/vision/image.h"
#include "ui/data/finding_words.h"
#include "ui/engine_words.h"
#include "ui/language.h"
#include "ui/messages.h"

using namespace luthier;

namespace {

bool has_hangul(const QString& text) {
  return std::any_of(text.begin(), text.end(),
                     [](QChar c) { return c.unicode() >= 0xAC00 && c.unicode() <= 0xD7A3; });
}

/// Three English words after one another: a sentence that was not translated.
bool has_english(const QString& text) {
  static const QRegularExpression command(QStringLiteral("`[^`]*`"));
  static const QRegularExpression words(QStringLiteral("\\b[a-z]{2,} [a-z]{2,} [a-z]{2,}\\b"));
  return words.match(QString(text).remove(command)).hasMatch();
}

}  // namespace

class TestEngineWords : public QObject {
  Q_OBJECT

 private slots:
  void init() { Language::instance().choose(QStringLiteral("ko")); }
  void every_pattern_says_what_fills_it();
  void errors_of_the_engine();
  void one_line_errors();
  void lists_and_sentences_within_sentences();
  void what_is_not_ours_stays();
  void english_stays_english();
  void settings_by_their_labels();
  void particles_data();
  void particles();
  void reasons_come_first_data();
  void reasons_come_first();

 private:
  void check(const Error& error, const QString& kept);
  QTemporaryDir folder_;
};

void TestEngineWords::every_pattern_says_what_fills_it() {
  QFile file(QStringLiteral(LUTHIER_SOURCE_DIR "/translations/engine_ko.json"));
  QVERIFY(file.open(QIODevice::ReadOnly));
  const QJsonObject entries = QJsonDocument::fromJson(file.readAll()).object();
  QVERIFY(entries.size() > 900);
  static const QRegularExpression hole(QStringLiteral("(?<!%)%(\\d)"));
  for (auto entry = entries.begin(); entry != entries.end(); ++entry) {
    QString english = entry.key();
    // What stands in any language as it is: a command, a recipe, what a model reads, marks alone.
    if (entry.value().toString() == english) continue;
    for (auto match = hole.match(english); match.hasMatch(); match = hole.match(english))
      english.replace(match.capturedStart(), 2, QStringLiteral("70") + match.captured(1));
    english.replace(QLatin1String("%%"), QLatin1String("%"));
    const QString korean = engine_text(english.toStdString());
    QVERIFY2(has_hangul(korean), qPrintable(english + " -> " + korean));
    QVERIFY2(!has_english(korean), qPrintable(english + " -> " + korean));
    for (auto match = hole.globalMatch(entry.key()); match.hasNext();) {
      const QString filling = QStringLiteral("70") + match.next().captured(1);
      QVERIFY2(korean.contains(filling), qPrintable(english + " -> " + korean));
    }
  }
}

void TestEngineWords::check(const Error& error, const QString& kept) {
  const QString korean = engine_text(error);
  const QString both = QString::fromStdString(error.sentence()) + QStringLiteral(" -> ") + korean;
  QVERIFY2(has_hangul(korean) && !has_english(korean), qPrintable(both));
  QVERIFY2(korean.contains(kept), qPrintable(both));
  // As one line it says the same.
  const QString line = engine_text(error.sentence());
  QVERIFY2(has_hangul(line) && !has_english(line), qPrintable(both + QStringLiteral(" | ") + line));
}

void TestEngineWords::errors_of_the_engine() {
  const QString here = folder_.path();
  const auto write = [&](const char* name, const QByteArray& bytes) {
    QFile out(folder_.filePath(QLatin1String(name)));
    if (out.open(QIODevice::WriteOnly)) out.write(bytes);
    return std::filesystem::path(out.fileName().toStdString());
  };
  Recipe recipe;
  const std::pair<const char*, const char*> wrong[] = {
      {"training.learning_rate", "-1"},
      {"adapter.r", "8x"},
      {"adapter.lora_dropout", "1.5"},
      {"training.num_train_epochs", "[1]"},
      {"training.lr_scheduler_type", "cosin"},
      {"training.max_steps", "0"},
      {"strategy", "dora"},
      {"freeze.vision_tower", "perhaps"},
      {"adapter.rank_pattern", "3"},
      {"training.per_device_train_batch_size", "2.5"}};
  for (const auto& [key, value] : wrong) {
    const Status status = set_field(recipe, key, value);
    QVERIFY2(!status, key);
    check(status.error(), {});
  }
  for (const char* yaml : {"traning: {}\n", "- a list\n", "a: [1\n", "training: {seed: x}\n",
                           "strategy: &x lora\n", "strategy: lora\nstrategy: full\n"}) {
    const auto parsed = parse_recipe(yaml, "recipe.yaml");
    QVERIFY2(!parsed, yaml);
    check(parsed.error(), QStringLiteral("recipe.yaml"));
  }
  check(Dataset::open({(here + "/nowhere.jsonl").toStdString()}).error(),
        QStringLiteral("nowhere.jsonl"));
  check(Dataset::open({write("empty.jsonl", "")}).error(), QStringLiteral("empty.jsonl"));
  check(read_json_file(write("cut.json", "{\"a\": ")).error(), QStringLiteral("cut.json"));
  check(read_json_file(write("twice.json", "{\"a\": 1, \"a\": 2}")).error(),
        QStringLiteral("\"a\""));
  check(read_json_file(here.toStdString() + "/no.json").error(), QStringLiteral("no.json"));
  check(SafetensorsFile::open(write("short.safetensors", "abc")).error(), QStringLiteral("3"));
  check(decode_image(write("a.png", "\x89PNG\r\n\x1a\n and then nothing")).error(),
        QStringLiteral("a.png"));
  check(decode_image(write("a.txt", "no picture")).error(), QStringLiteral("PNG"));
}

void TestEngineWords::one_line_errors() {
  const auto said = [](const char* english) { return engine_text(std::string(english)); };
  QCOMPARE(said("/d/rows.jsonl: row 3: /d/a.png: The picture is missing. Put it there, or correct "
                "the path."),
           QStringLiteral("/d/rows.jsonl: 3번 행: /d/a.png: 그림이 없습니다. 그 자리에 그림을 "
                          "두거나 경로를 고치세요."));
  QCOMPARE(said("/d/rows.jsonl: row 5 (line 9): The row is the same as /d/rows.jsonl: row 2."),
           QStringLiteral(
               "/d/rows.jsonl: 5번 행 (9번째 줄): 이 행은 /d/rows.jsonl: 2번 행과 똑같습니다."));
  QCOMPARE(said("from 0.002 to 0.0005"), QStringLiteral("0.002에서 0.0005로"));
  QCOMPARE(said("120 steps, 480 rows"), QStringLiteral("120스텝, 480행"));
  QCOMPARE(said("runs/a: Memory ran out on cuda:0 in step 12. Resume with "
                "training.gradient_checkpointing: true, "
                "or start with training.max_length: 512."),
           QStringLiteral("runs/a: 스텝 12에서 cuda:0의 메모리가 모자랐습니다. "
                          "training.gradient_checkpointing 설정을 켜고 이어서 "
                          "학습하거나, training.max_length 값을 512로 줄여 새로 시작하세요."));
}

void TestEngineWords::lists_and_sentences_within_sentences() {
  const auto said = [](const char* english) { return engine_text(std::string(english)); };
  QCOMPARE(said("This folder cannot be made: Permission denied."),
           QStringLiteral("이 폴더를 만들 수 없습니다: 권한이 없습니다."));
  QCOMPARE(said("must be at least 1 and at most 65536, but is 0."),
           QStringLiteral("1 이상 65536 이하인 값이어야 하는데 지금은 0입니다."));
  QCOMPARE(said("must be one of linear, cosine or constant, but is \"cosin\"."),
           QStringLiteral(
               "linear, cosine 또는 constant 가운데 하나여야 하는데 지금은 \"cosin\"입니다."));
  QCOMPARE(said("The run was started with other settings: adapter.r was 8 and is now 16; "
                "training.seed was 1 and is now 2."),
           QStringLiteral("이 학습은 다른 설정으로 시작했습니다: adapter.r 값이 8에서 16으로 바뀜; "
                          "training.seed 값이 1에서 2로 바뀜."));
  QCOMPARE(said("Step 7: the loss is not finite, so no weight was changed (d/a.jsonl: row 1, "
                "d/a.jsonl: row 4)."),
           QStringLiteral("스텝 7: 손실이 유한하지 않아 가중치를 바꾸지 않았습니다 (d/a.jsonl: 1번 "
                          "행, d/a.jsonl: 4번 행)."));
  QCOMPARE(said("A checkpoint is passed over. runs/a/step-3/state.json: This file does not exist. "
                "Check the path."),
           QStringLiteral("체크포인트 하나를 건너뜁니다. runs/a/step-3/state.json: 이 파일이 "
                          "없습니다. 경로를 확인하세요."));
  QCOMPARE(said("This is not possible while the session is training."),
           QStringLiteral("지금 상태(학습 중)에서는 할 수 없습니다."));
}

void TestEngineWords::what_is_not_ours_stays() {
  QCOMPARE(engine_text(std::string("libfoo says: bar is not baz.")),
           QStringLiteral("libfoo says: bar is not baz."));
  // A name that happens to read like a sentence's part is kept.
  QCOMPARE(engine_text(std::string("The key a row or cat and dog is missing.")),
           QStringLiteral("키 a row or cat and dog이(가) 없습니다."));
  QCOMPARE(engine_text(std::string()), QString());
  QCOMPARE(engine_text(std::string("100 % 가나다 %1 %")), QStringLiteral("100 % 가나다 %1 %"));
}

void TestEngineWords::english_stays_english() {
  Language::instance().choose(QStringLiteral("en"));
  const Error error =
      input_error("The picture is missing.", "a.png", "Put it there, or correct the path.");
  QCOMPARE(engine_text(error), QString::fromStdString(error.sentence()));
  Language::instance().choose(QStringLiteral("ko"));
  QCOMPARE(engine_text(error),
           QStringLiteral("a.png: 그림이 없습니다. 그 자리에 그림을 두거나 경로를 고치세요."));
}

/// A label stands where a key stood, and the particle after it is the label's.
void TestEngineWords::settings_by_their_labels() {
  QCOMPARE(said_text("Name eval_dataset, or set eval_steps to 0."),
           QStringLiteral("평가 데이터를 정하거나 “평가 간격”을 0으로 두세요."));
  const Error error = input_error("must be at least 0, but is -1.", "training.learning_rate");
  QCOMPARE(error_text(error), QStringLiteral("학습률: 0 이상인 값이어야 하는데 지금은 -1입니다."));
  const Error row = input_error("The text part has no text.", "/d/rows.jsonl: row 3");
  QCOMPARE(error_text(row), QStringLiteral("/d/rows.jsonl: 3번 행: text 내용에 글이 없습니다."));
}

void TestEngineWords::particles_data() {
  QTest::addColumn<QString>("both");
  QTest::addColumn<QString>("one");
  QTest::newRow("closed") << "손실이(가)"
                          << "손실이";
  QTest::newRow("open") << "기울기이(가)"
                        << "기울기가";
  QTest::newRow("quoted") << "\"경로\"을(를)"
                          << "\"경로\"를";
  QTest::newRow("digit 3") << "3은(는)"
                           << "3은";
  QTest::newRow("digit 2") << "2은(는)"
                           << "2는";
  QTest::newRow("l") << "파일(으)로"
                     << "파일로";
  QTest::newRow("closed, ro") << "폴더 안(으)로"
                              << "폴더 안으로";
  QTest::newRow("8, ro") << "8(으)로"
                         << "8로";
  QTest::newRow("latin keeps both") << "config.json이(가)"
                                    << "config.json이(가)";
  QTest::newRow("be") << "3(이)어야"
                      << "3이어야";
  QTest::newRow("be, open") << "2(이)어야"
                            << "2여야";
  QTest::newRow("with") << "행과(와) 열과(와)"
                        << "행과 열과";
}

void TestEngineWords::particles() {
  QFETCH(QString, both);
  QFETCH(QString, one);
  QCOMPARE(with_particles(both), one);
}

void TestEngineWords::reasons_come_first_data() {
  QTest::addColumn<QString>("message");
  QTest::addColumn<QString>("reason");
  QTest::newRow("picture")
      << "/d/r.jsonl: row 9: /d/deep/nowhere.png: The picture is missing. Put it there, or correct "
         "the path."
      << "The picture is missing. Put it there, or correct the path. (nowhere.png)";
  QTest::newRow("line")
      << "/d/r.jsonl: row 9 (line 12): This is not valid JSON at line 1, column 2."
      << "This is not valid JSON at line 1, column 2.";
  QTest::newRow("field") << "r.jsonl: row 1: messages[0].content: The text part has no text."
                         << "The text part has no text. (messages[0].content)";
  QTest::newRow("another row") << "/d/r.jsonl: row 5: The row is the same as /d/r.jsonl: row 2."
                               << "The row is the same as row 2.";
  QTest::newRow("colon in the sentence")
      << "/d/r.jsonl: row 5: The row has 40 tokens, max_length is 20: the end of its answer will "
         "be cut."
      << "The row has 40 tokens, “Context length” is 20: the end of its answer will be cut.";
  QTest::newRow("plain") << "The dataset has no rows."
                         << "The dataset has no rows.";
}

void TestEngineWords::reasons_come_first() {
  QFETCH(QString, message);
  QFETCH(QString, reason);
  Language::instance().choose(QStringLiteral("en"));
  QCOMPARE(finding_reason(message.toStdString()), reason);
  Language::instance().choose(QStringLiteral("ko"));
  const QString korean = finding_reason(message.toStdString());
  QVERIFY2(has_hangul(korean) && !has_english(korean), qPrintable(korean));
}

QTEST_GUILESS_MAIN(TestEngineWords)
#include "test_engine_words.moc"
