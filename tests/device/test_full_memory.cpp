// SPDX-License-Identifier: GPL-3.0-or-later
// Every verb that computes, on a machine whose memory ends at one point after the other until it
// suffices: each failure is the machine's, a sentence with what to do, and never LibTorch's text.
#include <QFile>
#include <QProcess>
#include <QTemporaryDir>
#include <QtTest>

#include "tests/patience.h"

class TestFullMemory : public QObject {
  Q_OBJECT
  const QString program_ = QString(LUTHIER_BINARY_DIR) + "/bin/luthier-cli",
                teaching_ = QString(LUTHIER_SOURCE_DIR) + "/resources/teaching";
  QTemporaryDir folder_;

  struct Ran {
    int status = -1;
    QString errors;
  };
  Ran run(const QStringList& arguments, int megabytes) {
    QProcess process;
    QProcessEnvironment environment = QProcessEnvironment::systemEnvironment();
    environment.insert("LUTHIER_MEMORY_CAP", QString::number(qint64(megabytes) << 20));
    environment.insert("OMP_NUM_THREADS", "1");
    process.setProcessEnvironment(environment);
    process.start(program_, arguments);
    if (!process.waitForFinished(luthier::test::kHang)) process.kill();
    Ran ran;
    ran.errors = process.readAllStandardError();
    if (process.exitStatus() == QProcess::NormalExit) ran.status = process.exitCode();
    return ran;
  }
  QString written(const QString& name, const QByteArray& text) {
    QFile file(folder_.filePath(name));
    if (!file.open(QIODevice::WriteOnly) || file.write(text) != text.size()) qFatal("disk");
    return file.fileName();
  }
  /// A row with so many words, in the teaching tokenizer's 512 places.
  static QByteArray row() {
    QByteArray text;
    for (int i = 0; i < 60; ++i) text += "What colour is the circle? ";
    return "{\"messages\": [{\"role\": \"user\", \"content\": [{\"type\": \"text\", \"text\": \"" +
           text +
           "\"}]}, {\"role\": \"assistant\", \"content\": [{\"type\": \"text\", \"text\": "
           "\"Red.\"}]}]}";
  }

 private slots:
  void initTestCase() {
    if (!QFile::exists(program_)) QSKIP("luthier-cli is not built");
  }

  void failures_are_sentences_data() {
    QTest::addColumn<QStringList>("arguments");
    QTest::addColumn<QString>("says");
    const QString base = teaching_ + "/base", out = folder_.filePath("out.safetensors"),
                  rows = written("rows.jsonl", row() + "\n"), input = written("row.json", row());
    QTest::newRow("forward") << QStringList{"forward",  base,
                                            "--input",  input,
                                            "--out",    out,
                                            "--grad",   "language_model.model.embed_tokens.weight",
                                            "--device", "cpu"}
                             << "Memory ran out in the forward pass.";
    QTest::newRow("generate") << QStringList{"generate", base, "--input", input, "--device", "cpu"}
                              << "There is not enough memory to answer.";
    QTest::newRow("compare") << QStringList{"compare",  base,    "--samples",
                                            rows,       "--out", folder_.filePath("compared"),
                                            "--device", "cpu"}
                             << "There is not enough memory to answer.";
    const QString recipe =
        written("recipe.yaml", "model: " + base.toUtf8() + "\ndataset: " + rows.toUtf8() +
                                   "\nstrategy: full\ntraining: {device: cpu}\n");
    QTest::newRow("loss") << QStringList{"loss", recipe, "--rows", rows, "--out", out}
                          << "Memory ran out while the loss was computed.";
  }
  void failures_are_sentences() {
    QFETCH(QStringList, arguments);
    QFETCH(QString, says);
    int said = 0;
    for (int megabytes = 10; megabytes < 200; megabytes += 2) {
      const Ran ran = run(arguments, megabytes);
      if (ran.status == 0) break;
      QCOMPARE(ran.status, 3);
      QVERIFY2(!ran.errors.contains("to allocate"), qPrintable(ran.errors));
      said += ran.errors.contains(says);
    }
    QVERIFY2(said > 0, qPrintable(says));
  }
};

QTEST_GUILESS_MAIN(TestFullMemory)
#include "test_full_memory.moc"
