// SPDX-License-Identifier: GPL-3.0-or-later
// gpu-check on the command line: without a card it is the machine's fault and nothing passes; on
// the CPU, to try the checks themselves, its table, its report and its exit status.
#include <QJsonDocument>
#include <QJsonObject>
#include <QProcess>
#include <QTemporaryDir>
#include <QtTest>

#include "tests/patience.h"

class TestCommand : public QObject {
  Q_OBJECT
  const QString program_ = QString(LUTHIER_BINARY_DIR) + "/bin/luthier-cli";
  QTemporaryDir folder_;

  struct Ran {
    int status = -1;
    QByteArray out, errors;
  };
  Ran run(const QStringList& arguments) {
    QProcess process;
    QProcessEnvironment environment = QProcessEnvironment::systemEnvironment();
    environment.insert("CUDA_VISIBLE_DEVICES", "");  // also where there is a card
    process.setProcessEnvironment(environment);
    process.start(program_, arguments);
    if (!process.waitForFinished(luthier::test::kHang)) process.kill();
    Ran ran;
    ran.out = process.readAllStandardOutput(), ran.errors = process.readAllStandardError();
    if (process.exitStatus() == QProcess::NormalExit) ran.status = process.exitCode();
    return ran;
  }
  QByteArray read(const QString& name) {
    QFile file(folder_.filePath(name));
    return file.open(QIODevice::ReadOnly) ? file.readAll() : QByteArray();
  }

 private slots:
  void initTestCase() {
    if (!QFile::exists(program_)) QSKIP("luthier-cli is not built");
  }

  void without_a_card_the_machine_is_at_fault() {
    const Ran ran = run({"gpu-check", "--report", folder_.filePath("none.md")});
    QCOMPARE(ran.status, 3);
    QVERIFY2(ran.out.isEmpty(), ran.out);
    QVERIFY2(ran.errors.startsWith("luthier-cli: device: "), ran.errors);
    QVERIFY(read("none.md").isEmpty());
  }

  void its_report() {
    const Ran ran = run({"gpu-check", "--device", "cpu", "--only", "families, float32: llama",
                         "--report", folder_.filePath("report.md")});
    QVERIFY2(ran.status == 0, ran.errors + ran.out);
    QCOMPARE(ran.out.count("passed   families, float32"), 4);
    QVERIFY(ran.out.endsWith("cpu: 4 passed, 0 failed, 0 skipped\n"));
    QVERIFY(read("report.md").startsWith("# cpu\n"));
  }

  // Before the first check: ten minutes are spent on none that cannot be told.
  void a_report_that_has_nowhere_to_go_is_said_at_once() {
    for (const char* name : {"no/such/folder.md", "."}) {
      const QString file = folder_.filePath(name);
      const Ran ran = run(
          {"gpu-check", "--device", "cpu", "--only", "families, float32: llama", "--report", file});
      QVERIFY2(ran.status == 2 || ran.status == 3, ran.errors);
      QVERIFY2(ran.out.isEmpty(), ran.out);
      QVERIFY2(ran.errors.contains(file.toUtf8()), ran.errors);
    }
    QVERIFY(QDir(folder_.path()).entryList({"*.part"}, QDir::Files | QDir::Hidden).isEmpty());
  }

  void a_check_that_does_not_exist_is_said() {
    const Ran ran = run({"gpu-check", "--device", "cpu", "--only", "familes"});
    QCOMPARE(ran.status, 2);
    QVERIFY2(ran.errors.contains("No check holds \"familes\"."), ran.errors);
    QVERIFY2(ran.out.isEmpty(), ran.out);
  }

  void nothing_done_is_not_passed() {
    const Ran ran = run({"gpu-check", "--device", "cpu", "--minutes", "0", "--json"});
    QCOMPARE(ran.status, 1);
    const QJsonObject document = QJsonDocument::fromJson(ran.out).object();
    QCOMPARE(document["device"].toString(), "cpu");
    QCOMPARE(document["passed"].toInt(), 0);
    QVERIFY(document["skipped"].toInt() > 100);
  }
};

QTEST_GUILESS_MAIN(TestCommand)
#include "test_command.moc"
