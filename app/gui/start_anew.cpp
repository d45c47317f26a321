// SPDX-License-Identifier: GPL-3.0-or-later
#include "app/gui/start_anew.h"

#include <unistd.h>

#include <QByteArrayList>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <vector>

namespace luthier {

QStringList anew_arguments(const QString& run, const QString& model, const QString& language,
                           const QString& theme) {
  QStringList arguments;
  if (!language.isEmpty()) arguments << QStringLiteral("--lang") << language;
  if (!theme.isEmpty()) arguments << QStringLiteral("--theme") << theme;
  if (!run.isEmpty())
    arguments << QStringLiteral("--resume") << run;
  else if (!model.isEmpty())
    arguments << model;
  return arguments;
}

int start_anew(const QString& program, const QStringList& arguments) {
  QByteArrayList words{program.toLocal8Bit()};
  for (const QString& argument : arguments) words << argument.toLocal8Bit();
  std::vector<char*> pointers;
  for (QByteArray& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  ::execv(pointers.front(), pointers.data());
  std::fprintf(stderr, "luthier: the program could not be started anew: %s.\n",
               std::strerror(errno));
  return 3;
}

}  // namespace luthier
