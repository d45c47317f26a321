// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/runs/path_tails.h"

#include <QStringList>
#include <filesystem>
#include <set>

namespace luthier {

namespace {

QString tail_of(const std::string& path, int parts) {
  const QString whole =
      QString::fromStdString(std::filesystem::path(path).lexically_normal().string());
  const QStringList all = whole.split(QLatin1Char('/'), Qt::SkipEmptyParts);
  return all.size() <= parts ? whole
                             : QStringList(all.mid(all.size() - parts)).join(QLatin1Char('/'));
}

}  // namespace

std::map<std::string, QString> path_tails(const std::vector<std::string>& paths) {
  const std::set<std::string> different(paths.begin(), paths.end());
  std::map<std::string, QString> tails;
  for (const std::string& path : different) tails[path] = tail_of(path, 2);
  constexpr int kMostParts = 32;
  for (int parts = 3; parts < kMostParts; ++parts) {
    std::map<QString, int> uses;
    for (const auto& [path, tail] : tails) ++uses[tail];
    bool alike = false;
    for (auto& [path, tail] : tails) {
      if (uses[tail] < 2) continue;
      const QString longer = tail_of(path, parts);
      alike = alike || longer != tail;
      tail = longer;
    }
    if (!alike) break;
  }
  return tails;
}

}  // namespace luthier
