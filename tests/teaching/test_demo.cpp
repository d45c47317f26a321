// SPDX-License-Identifier: GPL-3.0-or-later
// What the teaching default promises, measured through the program itself: the base answers its own
// questions, none of the tasks', and each adapter answers its task after a minute of tuning.
#include <QJsonArray>
#include <QJsonDocument>
#include <QJsonObject>
#include <QProcess>
#include <QTemporaryDir>
#include <QtTest>

#include "tests/patience.h"
#include "tests/rounds.h"

class TestDemo : public QObject {
  Q_OBJECT
  const QString program_ = QString(LUTHIER_BINARY_DIR) + "/bin/luthier-cli";
  QTemporaryDir folder_;

  int run(const QStringList& arguments, QByteArray& errors) {
    QProcess process;
    process.start(program_, arguments);
    if (!process.waitForFinished(luthier::test::kHang)) process.kill();
    errors = process.readAllStandardError();
    return process.exitStatus() == QProcess::NormalExit ? process.exitCode() : -1;
  }
  static QJsonDocument read(const QString& path) {
    QFile file(path);
    return file.open(QIODevice::ReadOnly) ? QJsonDocument::fromJson(file.readAll())
                                          : QJsonDocument();
  }

 private slots:
  void initTestCase() {
    if (!QFile::exists(program_)) QSKIP("luthier-cli is not built");
  }

  void base_answers_its_own_questions() {
    const QString teaching = QString(LUTHIER_SOURCE_DIR) + "/resources/teaching";
    QByteArray errors;
    const int status = run({"compare", teaching + "/base", "--samples", teaching + "/heldout.jsonl",
                            "--out", folder_.filePath("own")},
                           errors);
    QVERIFY2(status == 0, errors);
    const QJsonObject document = read(folder_.filePath("own/comparison.json")).object();
    QVERIFY(document["rows"].toArray().size() >= 200);
    const double exact = document["scores"].toObject()["base"].toObject()["exact"].toDouble();
    QVERIFY2(exact >= 0.90, qPrintable(QString::number(exact)));
  }

  void adapters_learn_their_tasks() {
    QByteArray errors;
    const int status =
        run({"demo", "--out", folder_.filePath("demo"), "--tasks", "korean,json"}, errors);
    QVERIFY2(status == 0, errors);
    const QJsonArray tasks = read(folder_.filePath("demo/demo.json")).object()["tasks"].toArray();
    QCOMPARE(tasks.size(), 2);
    for (const QJsonValue& value : tasks) {
      const QJsonObject task = value.toObject(), exact = task["exact"].toObject();
      const QString name = task["task"].toString();
      QVERIFY(task["rows"].toInt() >= 200);
      QVERIFY2(exact["base"].toDouble() <= 0.10, qPrintable(name));
      QVERIFY2(exact[name].toDouble() >= 0.85,
               qPrintable(name + ": " + QString::number(exact[name].toDouble())));
      QVERIFY(
          QFile::exists(folder_.filePath("demo/" + name + "/adapter/adapter_model.safetensors")));
      QVERIFY(QFile::exists(folder_.filePath("demo/compare-" + name + "/comparison.html")));
    }
  }

  /// Their siblings kto and gkd are among the long cases of tests/parity (verbs.py).
  void a_preference_is_turned_round() {
    if (!luthier::test::all_cases()) QSKIP("It is one of the long cases.");
    const QString out = folder_.filePath("dpo");
    QByteArray errors;
    const int status = run({"demo", "--objective", "dpo", "--rows", "120", "--out", out}, errors);
    QVERIFY2(status == 0, errors);
    const QJsonObject shown = read(out + "/demo.json").object();
    QCOMPARE(shown["rows"].toInt(), 120);
    QVERIFY2(shown["win_rate"].toDouble() >= 0.90, QJsonDocument(shown).toJson());
    const QJsonObject wanted = shown["wanted"].toObject();
    QVERIFY2(wanted["base"].toDouble() == 0 && wanted["dpo"].toDouble() >= 0.70,
             QJsonDocument(shown).toJson());
    QVERIFY(shown["own_questions"].toObject()["base"].toDouble() >= 0.85);
    QVERIFY(QFile::exists(out + "/run/adapter/adapter_model.safetensors"));
  }

  void a_reward_alone_teaches_json() {
    if (!luthier::test::all_cases()) QSKIP("It is one of the long cases.");
    const QString out = folder_.filePath("grpo");
    QByteArray errors;
    const int status = run({"demo", "--objective", "grpo", "--rows", "120", "--out", out}, errors);
    QVERIFY2(status == 0, errors);
    const QJsonObject shown = read(out + "/demo.json").object(),
                      valid = shown["json_valid"].toObject();
    QVERIFY2(valid["base"].toDouble() < 0.10 && valid["grpo"].toDouble() > 0.90,
             QJsonDocument(shown).toJson());
  }

  void a_reward_model_ranks_held_out_pairs() {
    const QString out = folder_.filePath("reward");
    QByteArray errors;
    const int status = run({"demo", "--objective", "reward", "--out", out}, errors);
    QVERIFY2(status == 0, errors);
    const QJsonObject shown = read(out + "/demo.json").object();
    QVERIFY2(shown["evaluation"].toObject()["eval_accuracy"].toDouble() >= 0.95,
             QJsonDocument(shown).toJson());
  }

  void an_objective_without_a_demo_is_said() {
    QByteArray errors;
    QCOMPARE(run({"demo", "--objective", "mlm", "--out", folder_.filePath("mlm")}, errors), 2);
    QVERIFY2(errors.contains("There are demos of dpo"), errors);
    QVERIFY(!QFile::exists(folder_.filePath("mlm")));
  }
};

QTEST_GUILESS_MAIN(TestDemo)
#include "test_demo.moc"
