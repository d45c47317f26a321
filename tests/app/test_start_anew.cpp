// SPDX-License-Identifier: GPL-3.0-or-later
// The program in the place of a process whose card died: this test's child becomes the window's
// program, as its main does it, and goes on by itself with the run that is named, to the same bytes
// as a run that nothing befell. What the old process had open is not the new one's: the run's
// folder is free for it.
#include "app/gui/start_anew.h"

#include <sys/wait.h>
#include <unistd.h>
#include <csignal>

#include "engine/runs/run_folder.h"
#include "engine/session/headless.h"
#include "tests/patience.h"
#include "tests/train/tiny_run.h"

using namespace luthier;
using namespace luthier::test;

namespace {

/// The process of its number, ended with the object.
class Child {
 public:
  explicit Child(pid_t number) : number_(number) {}
  ~Child() {
    if (number_ > 0) kill(number_, SIGKILL);
    status();
  }
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  bool runs() {
    if (number_ > 0 && waitpid(number_, &status_, WNOHANG) == number_) number_ = 0;
    return number_ > 0;
  }
  /// Once it has ended; −1: by a signal.
  int status() {
    if (number_ > 0 && waitpid(number_, &status_, 0) == number_) number_ = 0;
    return WIFEXITED(status_) ? WEXITSTATUS(status_) : -1;
  }

 private:
  pid_t number_ = 0;
  int status_ = 0;
};

RunManifest manifest_of(const fs::path& run) {
  const auto folder = RunFolder::open(run);
  const auto manifest = folder ? folder->read_manifest() : Result<RunManifest>(folder.error());
  return manifest ? *manifest : RunManifest{};
}

}  // namespace

class TestStartAnew : public QObject {
  Q_OBJECT
  const QString program_ = QString(LUTHIER_BINARY_DIR) + "/bin/luthier";
  QTemporaryDir home_;

 private slots:
  void initTestCase() {
    if (!QFile::exists(program_)) QSKIP("luthier is not built");
    // The window keeps its settings there.
    for (const char* name : {"HOME", "XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME"})
      qputenv(name, home_.path().toLocal8Bit());
  }

  void arguments() {
    QCOMPARE(anew_arguments("runs/a b", "", "", ""), (QStringList{"--resume", "runs/a b"}));
    QCOMPARE(anew_arguments("", "models/m", "ko", "dark"),
             (QStringList{"--lang", "ko", "--theme", "dark", "models/m"}));
    QVERIFY(anew_arguments("", "", "", "").isEmpty());
  }

  void the_run_goes_on_to_the_same_bytes() {
    TinyRun tiny;
    const fs::path run = tiny.root() / "a run";
    QVERIFY(train_headless(tiny.recipe("whole"), {}, {}, {}).ok());
    std::stop_source stop;
    QVERIFY(train_headless(
                tiny.recipe("a run"), {},
                [&](const SessionEvent& event) {
                  const auto* step = std::get_if<StepDone>(&event);
                  if (step && step->line.step == 4) stop.request_stop();
                },
                stop.get_token())
                .ok());
    QCOMPARE(manifest_of(run).state, RunState::Stopped);
    const QStringList arguments =
        anew_arguments(QString::fromStdString(run.string()), "", "en", "light");
    // The child has the run open too, as a process whose training ended badly: the program has not.
    auto open = RunFolder::open_for_training(run);
    int gate[2];
    QVERIFY(open.ok() && pipe(gate) == 0);
    const pid_t number = fork();
    if (number == 0) {
      char nothing = 0;
      close(gate[1]);
      const bool opened = read(gate[0], &nothing, 1) == 0;  // when the other end is closed
      _exit(opened ? start_anew(program_, arguments) : 4);
    }
    Child child(number);
    { const RunFolder closed = open.take(); }
    close(gate[0]);
    close(gate[1]);
    WAIT_UNTIL(!child.runs() || manifest_of(run).state == RunState::Finished);
    QVERIFY2(child.runs(), qPrintable(QString::number(child.status())));
    QVERIFY2(differences(run, tiny.root() / "whole").isEmpty(),
             qPrintable(differences(run, tiny.root() / "whole")));
  }

  void a_program_that_is_gone_is_said() {
    const pid_t number = fork();
    if (number == 0) _exit(start_anew(home_.filePath("gone"), {}));
    QCOMPARE(Child(number).status(), 3);
  }
};

QTEST_GUILESS_MAIN(TestStartAnew)
#include "test_start_anew.moc"
