// SPDX-License-Identifier: GPL-3.0-or-later
// The options by Qt's parser.
#include "app/gui/options.h"

#include <QCommandLineParser>
#include <QCoreApplication>
#include <cstdio>
#include <cstdlib>

namespace luthier {

namespace {

[[noreturn]] void refuse_option(const QString& what) {
  std::fprintf(stderr, "luthier: %s\nRun luthier --help for its options.\n", qPrintable(what));
  std::exit(2);
}

}  // namespace

GuiOptions parse_options(const QCoreApplication& app) {
  QCommandLineParser parser;
  parser.setApplicationDescription(
      QStringLiteral("A workbench that tunes vision-language and language models."));
  parser.addHelpOption();
  parser.addVersionOption();
  parser.addPositionalArgument(QStringLiteral("MODEL|RECIPE"),
                               QStringLiteral("A model folder or a recipe (.yaml) to open."),
                               QStringLiteral("[MODEL|RECIPE]"));
  const QCommandLineOption demo(
      QStringLiteral("demo"),
      QStringLiteral("Open the teaching model with its first task ready to launch."));
  const QCommandLineOption lang(QStringLiteral("lang"),
                                QStringLiteral("Language of the window: en or ko."),
                                QStringLiteral("LANG"));
  const QCommandLineOption theme(QStringLiteral("theme"), QStringLiteral("system, light or dark."),
                                 QStringLiteral("THEME"));
  const QCommandLineOption shots(
      QStringLiteral("screenshots"),
      QStringLiteral(
          "Drive the window through the demo, save pictures of each page and state in DIR, in both "
          "languages and both themes where --lang and --theme name none, and exit."),
      QStringLiteral("DIR"));
  const QCommandLineOption steps(
      QStringLiteral("steps"),
      QStringLiteral(
          "Training steps of the screenshots' runs (default: as the tasks' recipes say)."),
      QStringLiteral("N"));
  const QCommandLineOption size(
      QStringLiteral("size"),
      QStringLiteral("Sizes of the screenshots' window (default: 1280x800)."),
      QStringLiteral("WxH,…"), QStringLiteral("1280x800"));
  const QCommandLineOption resume(QStringLiteral("resume"),
                                  QStringLiteral("Go on with the interrupted run in FOLDER."),
                                  QStringLiteral("FOLDER"));
  const QCommandLineOption launch(QStringLiteral("launch"),
                                  QStringLiteral("Launch the recipe at once."));
  const QCommandLineOption leave(QStringLiteral("exit-when-done"),
                                 QStringLiteral("Exit when the run has ended."));
  const QCommandLineOption bench(QStringLiteral("bench-loop"),
                                 QStringLiteral("While a run trains, measure how long the event "
                                                "loop is held; write FILE (JSON) on exit."),
                                 QStringLiteral("FILE"));
  const QCommandLineOption walk(
      QStringLiteral("walk"),
      QStringLiteral("With --bench-loop: go from page to page all the while."));
  QCommandLineOption flow(
      QStringLiteral("bench-flow"),
      QStringLiteral("With --bench-loop: do what FILE (JSON) says while it is measured, and exit."),
      QStringLiteral("FILE"));
  flow.setFlags(QCommandLineOption::HiddenFromHelp);
  parser.addOptions(
      {demo, lang, theme, shots, steps, size, resume, launch, leave, bench, walk, flow});
  // Qt's own way out of words that it does not know has the status 1.
  if (!parser.parse(QCoreApplication::arguments())) refuse_option(parser.errorText());
  parser.process(app);
  const auto one_of = [&](const QCommandLineOption& option, const QStringList& known) {
    const QString given = parser.value(option);
    if (given.isEmpty() && !parser.isSet(option)) return;
    if (!known.contains(given))
      refuse_option(QStringLiteral("--%1: must be one of %2, but is \"%3\".")
                        .arg(option.names().constLast(), known.join(QStringLiteral(", ")), given));
  };
  one_of(lang, {QStringLiteral("en"), QStringLiteral("ko")});
  one_of(theme, {QStringLiteral("system"), QStringLiteral("light"), QStringLiteral("dark")});
  if (bool number = false;
      parser.isSet(steps) && (parser.value(steps).toInt(&number) < 1 || !number))
    refuse_option(QStringLiteral("--steps: must be a number of steps from 1, but is \"%1\".")
                      .arg(parser.value(steps)));
  GuiOptions options;
  if (!parser.positionalArguments().isEmpty()) options.open = parser.positionalArguments().first();
  options.demo = parser.isSet(demo);
  options.resume = parser.value(resume);
  options.language = parser.value(lang);
  options.theme = parser.value(theme);
  options.screenshots = parser.value(shots);
  options.steps = parser.value(steps).toInt();
  for (const QString& each : parser.value(size).split(QLatin1Char(','))) {
    const QStringList sides = each.split(QLatin1Char('x'));
    const QSize given = sides.size() == 2 ? QSize(sides[0].toInt(), sides[1].toInt()) : QSize();
    if (given.isEmpty())
      refuse_option(QStringLiteral("--size: \"%1\" is no size; write it like 1280x800.").arg(each));
    options.sizes << given;
  }
  options.launch = parser.isSet(launch);
  options.exit_when_done = parser.isSet(leave);
  options.bench_loop = parser.value(bench);
  options.walk = parser.isSet(walk);
  options.bench_flow = parser.value(flow);
  return options;
}

}  // namespace luthier
