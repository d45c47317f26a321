// SPDX-License-Identifier: GPL-3.0-or-later
// Starting anew for real: this program puts itself (and the window's program) in its own place, in
// a process that a test watches. Arguments, environment and exit status come through, nothing that
// was open does, it happens once, and a program that is not there is a sentence.
#include "app/gui/start_anew.h"

#include <unistd.h>

#include <filesystem>

#include "engine/io/json.h"
#include "engine/runs/run_lock.h"
#include "tests/ui/driver.h"
#include "ui/stop_question.h"

using namespace luthier;

namespace {

constexpr const char* kAs = "LUTHIER_TEST_ANEW";  ///< what a process of this test is
constexpr int kToldStatus = 7;
const QString kRun = QString::fromUtf8("runs/실행 \"a\" $HOME");

/// One line of JSON: who this is and what it was given.
void tell(const char* what, int argc, char** argv) {
  Json open = Json::array();
  std::error_code problem;
  for (const auto& entry : std::filesystem::directory_iterator("/proc/self/fd", problem)) {
    const int number = std::stoi(entry.path().filename().string());
    const auto target = std::filesystem::read_symlink(entry.path(), problem).string();
    if (number > 2 && !target.ends_with("/fd")) open.push_back(target);
  }
  Json words = Json::array();
  for (int i = 1; i < argc; ++i) words.push_back(argv[i]);
  const char* value = std::getenv("LUTHIER_TEST_VALUE");
  const Json line{{"what", what},
                  {"pid", static_cast<std::int64_t>(::getpid())},
                  {"words", words},
                  {"value", value ? value : ""},
                  {"open", open}};
  std::printf("%s\n", line.dump().c_str());
  std::fflush(stdout);
}

/// A window whose card has died, as the program has it: a start anew is asked for in it.
int window_of(int argc, char** argv, const QString& way) {
  Anew anew;
  QApplication app(argc, argv);
  test::Desk desk;
  QDir().mkpath(desk.run(QStringLiteral("held")));
  const auto held = lock_run(to_path(desk.run(QStringLiteral("held"))));  // what a run would hold
  if (!held) return 9;
  int code = 0;
  {
    MainWindow window;
    window.keep_quiet();
    window.show();
    anew.follow(window, QStringLiteral("ko"), QStringLiteral("dark"));
    QTimer::singleShot(0, &window, [&] {
      if (way == QLatin1String("never")) return QApplication::exit(5);
      SessionBridge& bridge = window.workspace().bridge();
      const bool goes_on = way == QLatin1String("stays");
      if (goes_on) bridge.announce(StateChanged{SessionState::Training, {}});
      window.workspace().start_anew(kRun);
      if (!goes_on) return;
      // A run still goes: the window asks first, and the person goes on. Closed later, it is
      // closed.
      auto* question = window.findChild<StopQuestion*>();
      if (!question || !window.isVisible()) return QApplication::exit(8);
      QTest::keyClick(question, Qt::Key_Escape);
      bridge.announce(StateChanged{SessionState::Ready, {}});
      window.close();
    });
    code = QApplication::exec();
  }
  return anew.end(code);
}

int process(int argc, char** argv, const QString& as) {
  if (argc > 1) {
    tell("again", argc, argv);
    return kToldStatus;
  }
  tell("first", argc, argv);
  if (as == QLatin1String("missing"))
    return start_anew(QStringLiteral("/nowhere/luthier"), {QStringLiteral("--lang")});
  if (as == QLatin1String("program"))
    return start_anew(QStringLiteral(LUTHIER_BINARY_DIR "/bin/luthier"),
                      {QStringLiteral("--version")});
  return window_of(argc, argv, as);
}

struct Ended {
  int status = -1;
  QList<QJsonObject> told;
  QString rest, error;
};

Ended ended(const char* as) {
  QProcess process;
  QProcessEnvironment environment = QProcessEnvironment::systemEnvironment();
  environment.insert(QString::fromLatin1(kAs), QString::fromLatin1(as));
  environment.insert(QStringLiteral("LUTHIER_TEST_VALUE"), QString::fromUtf8("a 값 = 'b'\n"));
  process.setProcessEnvironment(environment);
  process.start(QCoreApplication::applicationFilePath(), QStringList());
  Ended made;
  if (!process.waitForFinished(test::kHang)) return made;
  made.status = process.exitStatus() == QProcess::NormalExit ? process.exitCode() : -1;
  for (const QByteArray& line : process.readAllStandardOutput().split('\n')) {
    const QJsonDocument json = QJsonDocument::fromJson(line);
    if (json.isObject())
      made.told << json.object();
    else
      made.rest += QString::fromUtf8(line);
  }
  made.error = QString::fromUtf8(process.readAllStandardError());
  return made;
}

}  // namespace

class TestStartAnew : public QObject {
  Q_OBJECT

 private slots:
  void the_program_takes_its_own_place() {
    const Ended made = ended("asked");
    QCOMPARE(made.told.size(), 2);  // once, and no third time
    const QJsonObject first = made.told[0], again = made.told[1];
    QCOMPARE(again["what"].toString(), QStringLiteral("again"));
    QCOMPARE(again["pid"].toInt(), first["pid"].toInt());
    QCOMPARE(again["value"].toString(), QString::fromUtf8("a 값 = 'b'\n"));
    QCOMPARE(again["words"].toVariant().toStringList(),
             (QStringList{"--lang", "ko", "--theme", "dark", "--resume", kRun}));
    // Nothing that the first start had open: the run's lock above all.
    QCOMPARE(again["open"].toVariant().toStringList(), first["open"].toVariant().toStringList());
    QCOMPARE(made.status, kToldStatus);
  }

  void a_window_that_stays_or_just_closes_starts_nothing() {
    const Ended stays = ended("stays"), never = ended("never");
    QCOMPARE(stays.told.size(), 1);
    QCOMPARE(stays.status, 0);
    QCOMPARE(never.told.size(), 1);
    QCOMPARE(never.status, 5);
  }

  void the_windows_program_starts() {
    if (!QFileInfo::exists(QStringLiteral(LUTHIER_BINARY_DIR "/bin/luthier")))
      QSKIP("the window's program is not built");
    const Ended made = ended("program");
    QCOMPARE(made.told.size(), 1);
    QVERIFY2(made.rest.startsWith(QStringLiteral("luthier")), qPrintable(made.rest + made.error));
    QCOMPARE(made.status, 0);
  }

  void a_program_that_is_not_there_is_a_sentence() {
    const Ended made = ended("missing");
    QCOMPARE(made.told.size(), 1);
    QCOMPARE(made.status, 3);
    QVERIFY2(
        made.error.contains("luthier: /nowhere/luthier: The program could not be started anew:"),
        qPrintable(made.error));
    QVERIFY(made.error.contains("Start it again"));
  }

  void arguments_go_on_with_the_run_or_open_the_model() {
    QCOMPARE(anew_arguments("a run", "a model", "", ""), (QStringList{"--resume", "a run"}));
    QCOMPARE(anew_arguments("", "-model", "en", ""), (QStringList{"--lang", "en", "--", "-model"}));
    QCOMPARE(anew_arguments("", "", "", "light"), (QStringList{"--theme", "light"}));
  }
};

int main(int argc, char** argv) {
  const QString as = qEnvironmentVariable(kAs);
  if (!as.isEmpty()) return process(argc, argv, as);
  QCoreApplication app(argc, argv);
  TestStartAnew test;
  return QTest::qExec(&test, argc, argv);
}
#include "test_start_anew.moc"
