// SPDX-License-Identifier: GPL-3.0-or-later
// Keys are looked for as whole words, and never inside of a path.
#include "ui/messages.h"

#include <QCoreApplication>
#include <QHash>
#include <QRegularExpression>

#include "engine/config/recipe.h"
#include "ui/engine_words.h"
#include "ui/language.h"
#include "ui/workspace.h"

namespace luthier {

namespace {

QString say(const char* english) { return QCoreApplication::translate("Messages", english); }

/// Whole keys, and last parts that only one field has and that are no word of plain English.
const QHash<QString, QString>& keys_by_word() {
  static const QHash<QString, QString> words = [] {
    QHash<QString, QString> found;
    QHash<QString, int> uses;
    for (const FieldDescription& field : recipe_fields()) {
      const QString key = QString::fromStdString(field.key);
      ++uses[key.section(QLatin1Char('.'), -1)];
    }
    for (const FieldDescription& field : recipe_fields()) {
      const QString key = QString::fromStdString(field.key);
      const QString leaf = key.section(QLatin1Char('.'), -1);
      if (key.contains(QLatin1Char('.'))) found[key] = key;
      // "vision_tower" in a sentence is the module, not the setting that keeps it fixed.
      const bool plain =
          !leaf.contains(QLatin1Char('_')) || key.startsWith(QLatin1String("freeze."));
      if (!plain && uses[leaf] == 1) found[leaf] = key;
    }
    return found;
  }();
  return words;
}

/// The place without what only a file or a command line would say: "recipe: training.eval_steps" is
/// the setting.
QString bare_place(const std::string& where) {
  QString place = QString::fromStdString(where);
  for (const char* prefix : {"recipe: ", "--set "})
    if (place.startsWith(QLatin1String(prefix)))
      place = place.mid(static_cast<int>(qstrlen(prefix)));
  return place;
}

QString place_text(const std::string& where) {
  const QString place = bare_place(where);
  if (const std::string key = field_of({ErrorCode::Input, {}, where, {}}); !key.empty()) {
    // "adapter.rank_pattern.q_proj" is an entry of the field.
    const QString entry =
        place.mid(static_cast<qsizetype>(key.size()) + 1).remove(QLatin1Char(']'));
    return entry.isEmpty() ? field_label(key)
                           : QStringLiteral("%1 (%2)").arg(field_label(key), entry);
  }
  // A command of the session is no place that a person knows.
  static const QRegularExpression command(
      QStringLiteral("^[a-z]+(_[a-z]+)+$|^(launch|pause|resume|stop)$"));
  if (command.match(place).hasMatch()) return {};
  return place.startsWith(QLatin1String("--")) ? window_words(place)
                                               : engine_place(place.toStdString());
}

/// In the form nothing is written as null: a field that is empty says it.
QString in_form(QString text) {
  const std::pair<const char*, const char*> phrases[] = {
      {"write null", "leave it empty"},     {"Write null,", "Leave it empty or write"},
      {"Set it to null", "Leave it empty"}, {"Leave both null", "Leave both empty"},
      {"null을 적으세요", "비워 두세요"},   {"null로 두세요", "비워 두세요"}};
  for (const auto& [file, form] : phrases)
    text.replace(QString::fromUtf8(file), QString::fromUtf8(form));
  static const QRegularExpression null(QStringLiteral("(?<![\\w\"'])null(?![\\w\"'])"));
  return text.replace(null, say(QT_TRANSLATE_NOOP("Messages", "empty")));
}

}  // namespace

QString field_label(const std::string& key) {
  for (const FieldDescription& field : recipe_fields())
    if (field.key == key) return recipe_text(field.label);
  return {};
}

std::string field_of(const Error& error) {
  const std::string place = bare_place(error.where).toStdString();
  if (place.empty()) return {};
  for (const FieldDescription& field : recipe_fields()) {
    const bool entry = place.starts_with(field.key + ".") || place.starts_with(field.key + "[");
    if (field.key == place || entry) return field.key;
  }
  // A whole section: what chose it, where only one kind of method or objective has it.
  for (const FieldDescription& field : recipe_fields()) {
    if (!field.key.starts_with(place + ".")) continue;
    if (field.strategies.size() == 1) return "strategy";
    if (field.objectives.size() == 1) return "objective";
    return field.key;
  }
  return {};
}

QString window_words(const QString& sentence) {
  static const QRegularExpression word(
      QStringLiteral("(?<![\\w/\\\\.~-])([a-z]+(?:[._][a-z0-9]+)+)(?![\\w/\\\\-])(?!\\.\\w)"));
  QString text;
  qsizetype done = 0;
  for (auto it = word.globalMatch(sentence); it.hasNext();) {
    const QRegularExpressionMatch match = it.next();
    const QString key = keys_by_word().value(match.captured(1));
    if (key.isEmpty()) continue;
    const QChar before = match.capturedStart() > 0 ? sentence[match.capturedStart() - 1] : QChar();
    const bool quoted =
        before == QLatin1Char('"') || before == QLatin1Char('\'') || before == QChar(0x201C);
    const QString label = field_label(key.toStdString());
    text += sentence.mid(done, match.capturedStart() - done) +
            (quoted ? label : say(QT_TRANSLATE_NOOP("Messages", "“%1”")).arg(label));
    done = match.capturedEnd();
  }
  text += sentence.mid(done);
  const std::pair<const char*, const char*> pages[] = {
      {"luthier-cli data check", QT_TRANSLATE_NOOP("Messages", "the check on the Data page")},
      {"luthier-cli info MODEL", QT_TRANSLATE_NOOP("Messages", "the Model page")},
      {"luthier-cli plan", QT_TRANSLATE_NOOP("Messages", "the memory forecast")},
      {"--combination-type", QT_TRANSLATE_NOOP("Messages", "“Combination type”")},
      {"--density", QT_TRANSLATE_NOOP("Messages", "“Density”")},
      {"--svd-rank", QT_TRANSLATE_NOOP("Messages", "“Rank of the result”")}};
  for (const auto& [command, page] : pages) {
    const QString name = QLatin1String(command);
    text.replace(QLatin1Char('`') + name + QLatin1Char('`'), say(page));
    text.replace(name, say(page));
  }
  static const QRegularExpression resume(QStringLiteral("`?--resume(?: RUN)?`?"));
  text.replace(resume, say(QT_TRANSLATE_NOOP("Messages", "“Resume”")));
  return text;
}

QString said_text(const std::string& english) {
  // Particles again: a label has taken the place of a key.
  QString text = with_particles(window_words(engine_text(english)));
  // A command's name began the sentence, and what stands in its place is a word.
  if (!english.empty() && english.front() == '`' && !text.isEmpty()) text[0] = text[0].toUpper();
  return text;
}

QString fault_text(const FieldFault& fault) {
  Error error = fault_error(fault.error, fault.text);
  error.where.clear();
  return in_form(error_text(error));
}

Error fault_error(const Error& error, const QString& text) {
  if (!text.trimmed().isEmpty()) return error;
  return {error.code, say(QT_TRANSLATE_NOOP("Messages", "must not be empty.")).toStdString(),
          error.where, error.hint};
}

QString error_text(const Error& error) {
  QString text = place_text(error.where);
  if (!text.isEmpty()) text += QStringLiteral(": ");
  text += said_text(error.what);
  if (!error.hint.empty()) text += QLatin1Char(' ') + said_text(error.hint);
  return field_of(error).empty() ? text : in_form(text);
}

}  // namespace luthier
