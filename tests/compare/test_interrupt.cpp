// SPDX-License-Identifier: GPL-3.0-or-later
// Ctrl-C in `luthier-cli compare`: it ends as interrupted, keeps the answers that are whole, and
// takes no whole comparison's place.
#include <QDir>
#include <QJsonArray>
#include <QJsonDocument>
#include <QJsonObject>
#include <QProcess>
#include <QRegularExpression>
#include <QTemporaryDir>
#include <QtTest>

#include <csignal>

#include "tests/patience.h"

class TestInterrupt : public QObject {
  Q_OBJECT
  const QString program_ = QStringLiteral(LUTHIER_BINARY_DIR "/bin/luthier-cli");
  const QString teaching_ = QStringLiteral(LUTHIER_SOURCE_DIR "/resources/teaching");
  QTemporaryDir folder_;

  QByteArray errors_;

  /// Interrupts it once it has told of its first answers; its exit status.
  int interrupted(const QString& out) {
    QProcess process;
    // Many rows, so that it is still at work when it is told to stop.
    QStringList arguments{"compare", teaching_ + "/base", "--out", out};
    for (int i = 0; i < 20; ++i) arguments << "--samples" << teaching_ + "/heldout.jsonl";
    process.setReadChannel(QProcess::StandardError);
    process.start(program_, arguments);
    errors_.clear();
    while (!errors_.contains("answers") && process.state() != QProcess::NotRunning) {
      process.waitForReadyRead(luthier::test::kHang);
      errors_ += process.readAllStandardError();
    }
    if (process.state() != QProcess::NotRunning) {
      ::kill(static_cast<pid_t>(process.processId()), SIGINT);
      process.waitForFinished(luthier::test::kHang);
    }
    errors_ += process.readAllStandardError();
    return process.exitStatus() == QProcess::NormalExit ? process.exitCode() : -1;
  }

  static QJsonObject read(const QString& path) {
    QFile file(path);
    return file.open(QIODevice::ReadOnly) ? QJsonDocument::fromJson(file.readAll()).object()
                                          : QJsonObject();
  }

 private slots:
  void initTestCase() {
    if (!QFile::exists(program_)) QSKIP("luthier-cli is not built");
  }

  /// Signals are waited for and call no thread away from its work: a handler's frame on the stack
  /// of a thread inside one of oneDNN's generated products writes over the heap.
  void calls_no_thread_away() {
    QProcess process;
    process.setReadChannel(QProcess::StandardError);
    process.start(program_, {"compare", teaching_ + "/base", "--out", folder_.filePath("threads"),
                             "--samples", teaching_ + "/heldout.jsonl"});
    errors_.clear();
    while (!errors_.contains("answers") && process.state() != QProcess::NotRunning) {
      process.waitForReadyRead(luthier::test::kHang);
      errors_ += process.readAllStandardError();
    }
    const QString task = QStringLiteral("/proc/%1/task").arg(process.processId());
    int threads = 0, waiting = 0;  // of the second: signals that a thread does not block
    for (const QString& thread : QDir(task).entryList(QDir::Dirs | QDir::NoDotAndDotDot)) {
      QFile file(task + "/" + thread + "/status");
      if (!file.open(QIODevice::ReadOnly)) continue;  // it has ended meanwhile
      const QString status = QString::fromLatin1(file.readAll());
      const auto mask = [&](const char* name) {
        const auto found =
            QRegularExpression(QString("%1:\\s*([0-9a-f]+)").arg(name)).match(status);
        return found.captured(1).toULongLong(nullptr, 16);
      };
      for (const int signal : {SIGINT, SIGTERM}) {
        const quint64 bit = quint64(1) << (signal - 1);
        // The one that waits takes it out of its mask for as long as it waits.
        if (!(mask("SigBlk") & bit)) ++waiting;
        QVERIFY2(!(mask("SigCgt") & bit), qPrintable(status));
      }
      ++threads;
    }
    process.kill();
    process.waitForFinished(luthier::test::kHang);
    QVERIFY(threads > 1);
    QVERIFY2(waiting <= 2, "a thread besides the waiting one takes the signals");
  }

  void keeps_what_is_whole() {
    const QString out = folder_.filePath("out");
    QCOMPARE(interrupted(out), 130);
    QVERIFY2(errors_.contains("Interrupted"), errors_);
    const QJsonObject document = read(out + "/comparison.json");
    QVERIFY(!document.isEmpty());
    QVERIFY(QFile::exists(out + "/comparison.html"));
    QVERIFY(!document["complete"].toBool(true));
    int whole = 0;
    for (const QJsonValue& row : document["rows"].toArray()) {
      const QJsonValue answer = row.toObject()["answers"].toArray().at(0);
      if (answer.isNull()) continue;
      ++whole;
      QVERIFY(answer.toObject()["finish"].toString() == "eos" ||
              answer.toObject()["finish"].toString() == "length");
    }
    QVERIFY(whole > 0);
    QCOMPARE(document["answered"].toInt(), whole);
    QCOMPARE(document["scored"].toObject()["base"].toObject()["exact"].toInt(), whole);
  }

  void takes_no_other_comparison_s_place() {
    const QString out = folder_.filePath("stands");
    QVERIFY(QDir().mkpath(out));
    QFile file(out + "/comparison.json");
    QVERIFY(file.open(QIODevice::WriteOnly) && file.write("{\"complete\": true}\n") > 0);
    file.close();
    QCOMPARE(interrupted(out), 130);
    QCOMPARE(read(out + "/comparison.json").keys(), QStringList{"complete"});
    QVERIFY2(errors_.contains("left as it is"), errors_);
  }
};

QTEST_GUILESS_MAIN(TestInterrupt)
#include "test_interrupt.moc"
