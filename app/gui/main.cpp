// SPDX-License-Identifier: GPL-3.0-or-later
// The window's program: options, theme and language, then the window.
#include <QApplication>
#include <QFileInfo>
#include <QSettings>
#include <cstdio>
#include <optional>

#include "app/gui/bench_flow.h"
#include "app/gui/demo.h"
#include "app/gui/loop_meter.h"
#include "app/gui/options.h"
#include "app/gui/picture_home.h"
#include "app/gui/screenshots.h"
#include "app/gui/start_anew.h"
#include "engine/base/crash_report.h"
#include "engine/base/open_files.h"
#include "ui/desk/kept_desk.h"
#include "ui/desk/run_notice.h"
#include "ui/desk/text_size.h"
#include "ui/format.h"
#include "ui/language.h"
#include "ui/main_window.h"
#include "ui/theme.h"

namespace {

luthier::Theme::Choice theme_of(const QString& name) {
  if (name == QLatin1String("light")) return luthier::Theme::Choice::Light;
  if (name == QLatin1String("dark")) return luthier::Theme::Choice::Dark;
  return luthier::Theme::Choice::System;
}

int say(const luthier::Error& error) {
  std::fprintf(stderr, "luthier: %s\n", error.sentence().c_str());
  return error.exit_status();
}

/// Whether the program is only asked what it is: that needs no display.
bool only_asked(int argc, char** argv) {
  const QStringList asking{QStringLiteral("-h"), QStringLiteral("--help"), QStringLiteral("-v"),
                           QStringLiteral("--version")};
  for (int i = 1; i < argc; ++i)
    if (asking.contains(QString::fromLocal8Bit(argv[i]))) return true;
  return false;
}

/// That there is nothing to draw on, which Qt would end the program for with an abort.
std::optional<luthier::Error> no_display(int argc, char** argv) {
  for (const char* variable : {"DISPLAY", "WAYLAND_DISPLAY", "QT_QPA_PLATFORM"})
    if (!qEnvironmentVariableIsEmpty(variable)) return std::nullopt;
  for (int i = 1; i < argc; ++i)
    if (QByteArray(argv[i]).contains("-platform")) return std::nullopt;
  return luthier::machine_error("There is no display for a window.", "DISPLAY",
                                "luthier-cli does the same without one.");
}

int take_pictures(const luthier::GuiOptions& options) {
  using namespace luthier;
  PictureOptions wanted{QFileInfo(options.screenshots).absoluteFilePath(), options.sizes, {}, {}};
  if (!options.language.isEmpty()) wanted.languages << options.language;
  if (!options.theme.isEmpty()) wanted.themes << options.theme;
  PictureHome home;
  if (const Status moved = home.move_in(); !moved) return say(moved.error());
  PictureLooks looks(wanted, home.secrets());
  if (const Status made = looks.make_folders(); !made) return say(made.error());
  MainWindow window;
  window.keep_quiet();
  return Screenshots(window, looks, options.steps).run();
}

int run(int argc, char** argv, luthier::Anew& anew) {
  using namespace luthier;
  QCoreApplication::setApplicationVersion(QStringLiteral(LUTHIER_VERSION));
  if (only_asked(argc, argv)) parse_options(QCoreApplication(argc, argv));
  if (const auto lacking = no_display(argc, argv)) return say(*lacking);
  QApplication app(argc, argv);
  QApplication::setApplicationName(QStringLiteral("luthier"));
  QApplication::setOrganizationName(QStringLiteral("luthier"));
  QApplication::setDesktopFileName(QStringLiteral("org.luthier.Luthier"));
  const GuiOptions options = parse_options(app);
  if (!options.screenshots.isEmpty()) return take_pictures(options);
  Language::instance().choose(options.language.isEmpty() ? Language::preferred()
                                                         : options.language);
  const QString theme = !options.theme.isEmpty()
                            ? options.theme
                            : QSettings().value(QStringLiteral("theme")).toString();
  Theme::instance().install(theme_of(theme));
  const bool driven = options.launch || options.exit_when_done || !options.bench_loop.isEmpty();
  const bool a_person = !driven;
  if (a_person) {
    restore_text_size();
    // Where no report can be kept, the program works all the same.
    (void)report_crashes(to_path(KeptDesk::crash_folder()), LUTHIER_VERSION).ok();
  }

  MainWindow window;
  if (!a_person || !options.resume.isEmpty()) window.keep_quiet();
  if (!options.bench_flow.isEmpty()) {
    window.resize(options.sizes.first());
    window.show();
    const Status done = BenchFlow(window).run(options.bench_flow, options.bench_loop);
    return done ? 0 : say(done.error());
  }
  std::optional<KeptDesk> desk;
  if (a_person) {
    desk.emplace(window);
    new RunNotice(window.workspace(), &window);
    if (options.demo || !options.resume.isEmpty() || !options.open.isEmpty())
      desk->open_other();
    else
      desk->come_back();
  }
  int result = 0;
  Workspace& workspace = window.workspace();
  if (options.exit_when_done) {
    QObject::connect(&workspace.bridge(), &SessionBridge::run_ended, &app,
                     [&](const RunEnded& event) {
                       if (event.error && result == 0) result = say(*event.error);
                       QTimer::singleShot(0, &app, &QApplication::quit);
                     });
    const auto give_up = [&](const Error& error) {
      if (result != 0) return;  // told already
      result = say(error);
      QTimer::singleShot(0, &app, &QApplication::quit);
    };
    QObject::connect(&workspace, &Workspace::launch_refused, &app, give_up);
    QObject::connect(&workspace.bridge(), &SessionBridge::command_failed, &app,
                     [give_up](const CommandFailed& event) {
                       if (event.command == "load_model" || event.command == "launch")
                         give_up(event.error);
                     });
  }
  window.show();
  if (options.demo) {
    if (const Status opened = open_demo(window, 0, QStringLiteral("runs"), 0); !opened)
      return say(opened.error());
    window.show_page(PageId::Train);
  } else if (!options.resume.isEmpty()) {
    window.resume_when_free(options.resume);
  } else if (!options.open.isEmpty()) {
    if (const Status opened = open_argument(window, options.open); !opened)
      return say(opened.error());
  }

  anew.follow(window, options.language, options.theme);
  LoopMeter meter(window, options.walk);
  if (options.launch) {
    // As soon as the model stands; a launch loads it by itself when none is being loaded.
    auto* once = new QObject(&app);
    const auto launch = [&workspace, once] {
      once->deleteLater();
      workspace.launch();
    };
    if (workspace.recipe().model.empty())
      QTimer::singleShot(0, once, launch);
    else
      QObject::connect(&workspace, &Workspace::model_changed, once, launch);
  }
  const int code = QApplication::exec();
  if (!options.bench_loop.isEmpty())
    if (const Status written = meter.write(options.bench_loop); !written)
      return say(written.error());
  return result != 0 ? result : code;
}

}  // namespace

int main(int argc, char** argv) {
  luthier::allow_many_open_files();
  luthier::Anew anew;
  return anew.end(run(argc, argv, anew));
}
