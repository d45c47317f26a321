// SPDX-License-Identifier: GPL-3.0-or-later
// Messages are one line: places, each followed by a colon, and then the sentence.
#include "ui/data/finding_words.h"

#include <QRegularExpression>

#include "ui/messages.h"

namespace luthier {

namespace {

/// "…: row 3 (line 4): " at the head, which the table says in its own column.
QString without_row(const QString& message) {
  static const QRegularExpression row(QStringLiteral("^.*?: row \\d+(?: \\(line \\d+\\))?(?:: |$)"),
                                      QRegularExpression::DotMatchesEverythingOption);
  return QString(message).remove(row);
}

/// A path's last part, or a field's name, as what is said in brackets.
QString name_of(const QString& place) {
  const QString name = place.section(QLatin1Char('/'), -1);
  return name.isEmpty() ? place : name;
}

}  // namespace

QString finding_reason(const std::string& message) {
  QString rest = without_row(QString::fromStdString(message));
  // Another row of the same file is named by its number alone.
  static const QRegularExpression other(QStringLiteral("\\S*/\\S+: (row \\d+)"));
  rest.replace(other, QStringLiteral("\\1"));
  // A path, or a field such as messages[0].content, before the sentence.
  static const QRegularExpression place(
      QStringLiteral("^(/[^:]*|[^\\s:]*/[^\\s:]*|[A-Za-z_][\\w.\\[\\]-]*): (?=\\S)"));
  QString named;
  for (auto match = place.match(rest); match.hasMatch() && match.capturedLength() < rest.size();
       match = place.match(rest)) {
    named = name_of(match.captured(1));
    rest = rest.mid(match.capturedLength());
  }
  const QString said = said_text(rest.toStdString());
  return named.isEmpty() ? said : QStringLiteral("%1 (%2)").arg(said, named);
}

QString finding_reason(const Error& error) { return finding_reason(error.sentence()); }

}  // namespace luthier
