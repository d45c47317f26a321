// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/start_anew.h"

#include <unistd.h>

#include <QByteArrayList>
#include <QCoreApplication>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <vector>

#include "ui/main_window.h"

namespace luthier {

QStringList anew_arguments(const QString& run, const QString& model, const QString& language,
                           const QString& theme) {
  QStringList arguments;
  if (!language.isEmpty()) arguments << QStringLiteral("--lang") << language;
  if (!theme.isEmpty()) arguments << QStringLiteral("--theme") << theme;
  if (!run.isEmpty())
    arguments << QStringLiteral("--resume") << run;
  else if (!model.isEmpty())
    arguments << QStringLiteral("--") << model;  // a folder's name may begin as an option does
  return arguments;
}

int start_anew(const QString& program, const QStringList& arguments) {
  QByteArrayList words{program.toLocal8Bit()};
  for (const QString& argument : arguments) words << argument.toLocal8Bit();
  std::vector<char*> pointers;
  for (QByteArray& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  ::execv(pointers.front(), pointers.data());
  std::fprintf(stderr,
               "luthier: %s: The program could not be started anew: %s. Start it again; what was "
               "saved is there.\n",
               pointers.front(), std::strerror(errno));
  return 3;
}

void Anew::follow(MainWindow& window, const QString& language, const QString& theme) {
  QObject::connect(&window.workspace(), &Workspace::anew_asked, &window,
                   [this, &window, language, theme](const QString& run, const QString& model) {
                     program_ = QCoreApplication::applicationFilePath();
                     arguments_ = anew_arguments(run, model, language, theme);
                     window.close();
                   });
  QObject::connect(&window, &MainWindow::stays, &window, [this] { program_.clear(); });
}

int Anew::end(int code) const {
  return program_.isEmpty() ? code : start_anew(program_, arguments_);
}

}  // namespace luthier
