// SPDX-License-Identifier: GPL-3.0-or-later
#include "ui/token_text.h"

namespace luthier {

QString token_text(const std::string& piece) {
  QString text = QString::fromStdString(piece);
  text.replace(QStringLiteral("▁"), QStringLiteral("␣"))
      .replace(QStringLiteral("Ġ"), QStringLiteral("␣"));
  text.replace(QStringLiteral("Ċ"), QStringLiteral("⏎"))
      .replace(QStringLiteral("<0x0A>"), QStringLiteral("⏎"))
      .replace(QLatin1Char('\n'), QStringLiteral("⏎"));
  if (text.startsWith(QLatin1Char(' '))) text.replace(0, 1, QStringLiteral("␣"));
  return text;
}

}  // namespace luthier
