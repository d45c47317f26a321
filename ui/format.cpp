// SPDX-License-Identifier: GPL-3.0-or-later
// Formatting; the C locale throughout, so that figures look alike in both languages.
#include "ui/format.h"

#include <QDir>
#include <QLocale>
#include <QStringList>
#include <array>
#include <cmath>

#include "engine/compare/result_folder.h"

namespace luthier {

namespace {

QString scaled(double value, const char* unit, bool plain) {
  const int decimals = plain ? 0 : value < 10 ? 2 : value < 100 ? 1 : 0;
  return QStringLiteral("%1 %2").arg(QString::number(value, 'f', decimals), QLatin1String(unit));
}

}  // namespace

QString bytes_text(std::int64_t bytes) {
  static constexpr std::array<const char*, 5> kUnits{"B", "KiB", "MiB", "GiB", "TiB"};
  double value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (std::abs(value) >= 1024 && unit + 1 < kUnits.size()) {
    value /= 1024;
    ++unit;
  }
  return scaled(value, kUnits[unit], unit == 0);
}

QString decimal_text(std::int64_t bytes) {
  static constexpr std::array<const char*, 5> kUnits{"B", "kB", "MB", "GB", "TB"};
  double value = static_cast<double>(bytes);
  std::size_t unit = 0;
  while (std::abs(value) >= 999.95 && unit + 1 < kUnits.size()) {
    value /= 1000;
    ++unit;
  }
  return QStringLiteral("%1 %2").arg(QString::number(value, 'f', unit == 0 ? 0 : 1),
                                     QLatin1String(kUnits[unit]));
}

QString count_text(std::int64_t count) {
  if (std::abs(count) < 10'000) return grouped_text(count);
  const double value = static_cast<double>(count);
  if (std::abs(value) < 1e6)
    return QStringLiteral("%1 K").arg(value / 1e3, 0, 'f', value < 1e5 ? 1 : 0);
  if (std::abs(value) < 1e9)
    return QStringLiteral("%1 M").arg(value / 1e6, 0, 'f', value < 1e8 ? 1 : 0);
  return QStringLiteral("%1 B").arg(value / 1e9, 0, 'f', 1);
}

QString grouped_text(std::int64_t count) {
  return QLocale(QLocale::English, QLocale::UnitedStates).toString(static_cast<qlonglong>(count));
}

QString duration_text(double seconds) {
  if (!std::isfinite(seconds) || seconds < 0) return QStringLiteral("–");
  const auto whole = static_cast<qint64>(std::llround(std::min(seconds, 1e9)));
  const qint64 hours = whole / 3600, minutes = whole / 60 % 60, rest = whole % 60;
  if (hours > 0)
    return QStringLiteral("%1:%2:%3")
        .arg(hours)
        .arg(minutes, 2, 10, QLatin1Char('0'))
        .arg(rest, 2, 10, QLatin1Char('0'));
  return QStringLiteral("%1:%2")
      .arg(minutes, 2, 10, QLatin1Char('0'))
      .arg(rest, 2, 10, QLatin1Char('0'));
}

QString number_text(double value, int digits) {
  if (std::isnan(value)) return QStringLiteral("NaN");
  // 18,610 and not 1.861e+04; beyond that many digits nobody reads them one by one.
  constexpr double kLargest = 1e9;
  if (std::abs(value) >= std::pow(10, digits) && std::abs(value) < kLargest)
    return grouped_text(std::llround(value));
  return QString::number(value, 'g', digits);
}

QString percent_text(double part, double whole) {
  return whole > 0 ? QStringLiteral("%1 %").arg(100 * part / whole, 0, 'f',
                                                part == 0 || part == whole ? 0 : 1)
                   : QStringLiteral("–");
}

QString model_name(const std::filesystem::path& folder) {
  return QString::fromStdString(readable_model_name(folder));
}

QString shape_text(const std::vector<std::int64_t>& shape) {
  QStringList sizes;
  for (const std::int64_t size : shape) sizes << QString::number(size);
  return sizes.join(QStringLiteral(" × "));
}

QString shown_path(const QString& path) {
  const QString home = QDir::homePath();
  if (home.size() < 2 || !path.startsWith(home)) return path;
  const QString behind = path.mid(home.size());
  return behind.isEmpty() || behind.startsWith(QLatin1Char('/')) ? QLatin1Char('~') + behind : path;
}

}  // namespace luthier
