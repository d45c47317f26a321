// SPDX-License-Identifier: GPL-3.0-or-later
// Matching against a thousand patterns: what stands before the first hole and after the last one
// rules out nearly all of them, and what was said once is remembered.
#include "ui/engine_words.h"

#include <QFile>
#include <QHash>
#include <QJsonDocument>
#include <QJsonObject>
#include <QRegularExpression>
#include <QStringList>
#include <vector>

#include "ui/language.h"

namespace luthier {

namespace {

constexpr int kMostRemembered = 4000;
constexpr int kDeepest = 4;
constexpr qsizetype kLongest = 4000;  // longer texts are no sentence of ours
constexpr qsizetype kMostSplits = 24;

struct Pattern {
  QString english, korean;
  QString head, tail;      ///< literal text before the first hole and after the last
  int weight = 0;          ///< literal letters; 0: a frame around others' words
  std::vector<int> holes;  ///< their numbers, in order
};

QString literal(QString text) { return text.replace(QLatin1String("%%"), QLatin1String("%")); }

/// The pattern's pieces between holes, and the holes' numbers.
QStringList pieces_of(const QString& pattern, std::vector<int>* holes) {
  QStringList pieces{QString()};
  for (qsizetype i = 0; i < pattern.size(); ++i) {
    const bool mark = pattern[i] == QLatin1Char('%') && i + 1 < pattern.size();
    if (mark && pattern[i + 1].isDigit()) {
      ++i;
      if (holes) holes->push_back(pattern[i].digitValue());
      pieces << QString();
    } else {
      pieces.last() += pattern[i];
      if (mark && pattern[i + 1] == QLatin1Char('%')) pieces.last() += pattern[++i];
    }
  }
  return pieces;
}

class Catalogue {
 public:
  explicit Catalogue(const QString& code) : code_(code) {
    QFile file(QStringLiteral(":/i18n/engine_%1.json").arg(code));
    if (!file.open(QIODevice::ReadOnly)) return;
    const QJsonObject entries = QJsonDocument::fromJson(file.readAll()).object();
    for (auto entry = entries.begin(); entry != entries.end(); ++entry)
      if (!entry.value().toString().isEmpty()) add(entry.key(), entry.value().toString());
  }

  const QString& code() const { return code_; }

  /// A place is said part by part, unless it is a sentence of its own.
  QString place_text(const QString& english) {
    const QString said = text(english);
    return said != english || patterns_.empty() ? said : place(english, 0);
  }

  QString text(const QString& english) {
    if (english.isEmpty() || english.size() > kLongest || (whole_.isEmpty() && patterns_.empty()))
      return english;
    if (const auto known = remembered_.constFind(english); known != remembered_.constEnd())
      return *known;
    if (remembered_.size() > kMostRemembered) remembered_.clear();
    const QString said = placed(english, 0).text;
    remembered_.insert(english, said);
    return said;
  }

 private:
  struct Said {
    QString text;
    int weight = 0;
  };

  void add(const QString& english, const QString& korean) {
    // A sentence with its place is known without it too.
    const QString place = QStringLiteral("%1: ");
    const bool placed = english.startsWith(place) && korean.startsWith(place);
    if (placed && english.mid(place.size()).contains(QLatin1Char(' ')))
      add(english.mid(place.size()), korean.mid(place.size()));
    Pattern pattern;
    const QStringList pieces = pieces_of(english, &pattern.holes);
    if (pattern.holes.empty()) {
      whole_.insert(literal(english), literal(korean));
      return;
    }
    pattern.english = english;
    pattern.korean = korean;
    pattern.head = literal(pieces.first());
    pattern.tail = literal(pieces.last());
    for (const QString& piece : pieces)
      for (const QChar letter : piece) pattern.weight += letter.isLetter() ? 1 : 0;
    patterns_.push_back(std::move(pattern));
  }

  /// The pattern as an expression with a group a hole; made at its first use.
  const QRegularExpression& expression(const Pattern& pattern) {
    const auto known = expressions_.constFind(pattern.english);
    if (known != expressions_.constEnd()) return *known;
    QString text = QStringLiteral("^");
    const QStringList pieces = pieces_of(pattern.english, nullptr);
    for (qsizetype i = 0; i < pieces.size(); ++i) {
      const QString before = i > 0 ? pieces[i - 1] : QString();
      const bool number =
          before.endsWith(QLatin1String("row ")) || before.endsWith(QLatin1String("line "));
      if (i > 0) text += number ? QStringLiteral("(\\d+)") : QStringLiteral("(.*?)");
      text += QRegularExpression::escape(literal(pieces[i]));
    }
    const auto options = QRegularExpression::DotMatchesEverythingOption;
    return *expressions_.insert(pattern.english,
                                QRegularExpression(text + QStringLiteral("$"), options));
  }

  /// What fills a hole: a sentence or words of ours are said too, and so is each of a list of them.
  Said filling(const QString& text, int depth) {
    const QString plain = text.trimmed();
    if (depth >= kDeepest || plain.isEmpty()) return {text, 0};
    const Said said = listed(plain, depth + 1);
    const qsizetype at = text.indexOf(plain);
    return {text.left(at) + said.text + text.mid(at + plain.size()), said.weight};
  }

  Said listed(const QString& text, int depth) {
    for (const QString& between : {QStringLiteral("; "), QStringLiteral(", ")}) {
      QStringList each;
      int weight = 0;
      bool all = text.contains(between);
      for (const QString& part : all ? text.split(between) : QStringList()) {
        const Said said = one(part, depth);
        all = all && said.weight > 0;
        weight += said.weight;
        each << said.text;
      }
      if (all) return {each.join(between), weight};
    }
    return placed(text, depth);
  }

  /// The Korean text with its holes filled. A frame counts only around words that are known.
  Said filled(const Pattern& pattern, const QRegularExpressionMatch& match, int depth) {
    QHash<int, QString> raw;
    for (std::size_t i = 0; i < pattern.holes.size(); ++i)
      raw[pattern.holes[i]] = match.captured(static_cast<int>(i) + 1);
    Said said{{}, pattern.weight};
    for (qsizetype i = 0; i < pattern.korean.size(); ++i) {
      if (pattern.korean[i] != QLatin1Char('%') || i + 1 >= pattern.korean.size()) {
        said.text += pattern.korean[i];
        continue;
      }
      QChar mark = pattern.korean[++i];
      QChar kind;
      if (mark.isLetter() && i + 1 < pattern.korean.size()) {
        kind = mark;
        mark = pattern.korean[++i];
      }
      const QString text = raw.value(mark.digitValue());
      if (!mark.isDigit())
        said.text += mark;
      else if (kind == QLatin1Char('L'))
        said.text += names_text(text);
      else if (kind == QLatin1Char('S'))
        said.text += state_text(text.toStdString());
      else {
        const Said inside = filling(text, depth);
        said.text += inside.text;
        said.weight += inside.weight;
        if (pattern.weight == 0 && mark == QLatin1Char('1') && inside.weight == 0) return {{}, 0};
      }
    }
    return said;
  }

  static QString names_text(QString names) {
    names.replace(QLatin1String(" or "), QStringLiteral(" 또는 "));
    return names.replace(QLatin1String(" and "), QStringLiteral(" 및 "));
  }

  /// One sentence or fragment; weight 0 where nothing fits.
  Said one(const QString& english, int depth) {
    if (const auto found = whole_.constFind(english); found != whole_.constEnd())
      return {*found, static_cast<int>(english.size())};
    Said heaviest{english, 0};
    int own = 0;  // of two that say as much, the one with more words of its own is the closer
    for (const Pattern& pattern : patterns_) {
      if (!english.startsWith(pattern.head) || !english.endsWith(pattern.tail)) continue;
      const QRegularExpressionMatch match = expression(pattern).match(english);
      if (!match.hasMatch()) continue;
      Said said = filled(pattern, match, depth);
      if (said.weight < heaviest.weight || said.weight == 0) continue;
      if (said.weight == heaviest.weight && pattern.weight <= own) continue;
      heaviest = std::move(said);
      own = pattern.weight;
    }
    return heaviest;
  }

  /// One or several sentences after one another.
  Said best(const QString& english, int depth) {
    Said heaviest = one(english, depth);
    qsizetype splits = 0;
    for (qsizetype at = english.indexOf(QLatin1Char(' ')); at > 0 && splits < kMostSplits;
         at = english.indexOf(QLatin1Char(' '), at + 1)) {
      static const QString ends = QStringLiteral(".?)");
      if (!ends.contains(english[at - 1])) continue;
      ++splits;
      const Said first = one(english.left(at), depth);
      if (first.weight == 0) continue;
      const Said rest = best(english.mid(at + 1), depth);
      const int weight = first.weight + rest.weight;
      if (weight > heaviest.weight) heaviest = {first.text + QLatin1Char(' ') + rest.text, weight};
    }
    return heaviest;
  }

  /// With a place before it: "rows.jsonl: row 3: The picture is missing."
  Said placed(const QString& english, int depth) {
    Said heaviest = best(english, depth);
    const QString colon = QStringLiteral(": ");
    qsizetype splits = 0;
    for (qsizetype at = english.indexOf(colon); at > 0 && splits < kMostSplits;
         at = english.indexOf(colon, at + 1)) {
      ++splits;
      const Said rest = best(english.mid(at + 2), depth);
      if (rest.weight > heaviest.weight)
        heaviest = {place(english.left(at), depth) + colon + rest.text, rest.weight};
    }
    return heaviest;
  }

  /// Of a place each part by itself: "rows.jsonl: row 3: a.png".
  QString place(const QString& english, int depth) {
    QStringList parts = english.split(QStringLiteral(": "));
    for (QString& part : parts) part = one(part, depth).text;
    return parts.join(QStringLiteral(": "));
  }

  QString code_;
  QHash<QString, QString> whole_;
  std::vector<Pattern> patterns_;
  QHash<QString, QRegularExpression> expressions_;
  QHash<QString, QString> remembered_;
};

Catalogue& catalogue() {
  static Catalogue current(QString{});
  if (current.code() != Language::instance().code())
    current = Catalogue(Language::instance().code());
  return current;
}

/// Whether a sound closes the last letter's syllable; `known` is false where that cannot be read
/// off it.
bool closes(QChar letter, bool* known, bool* in_l) {
  *known = true;
  *in_l = false;
  if (letter.unicode() >= 0xAC00 && letter.unicode() <= 0xD7A3) {
    const int final_sound = (letter.unicode() - 0xAC00) % 28;
    *in_l = final_sound == 8;
    return final_sound != 0;
  }
  if (letter.isDigit()) {
    // 영 일 이 삼 사 오 육 칠 팔 구
    const int digit = letter.digitValue();
    *in_l = digit == 1 || digit == 7 || digit == 8;
    return digit == 0 || digit == 1 || digit == 3 || digit == 6 || digit == 7 || digit == 8;
  }
  *known = false;
  return false;
}

}  // namespace

QString with_particles(QString korean) {
  static const QRegularExpression pair(
      QStringLiteral("은\\(는\\)|이\\(가\\)|을\\(를\\)|과\\(와\\)|\\(으\\)로|\\(이\\)어야"));
  QString text;
  qsizetype done = 0;
  for (auto it = pair.globalMatch(korean); it.hasNext();) {
    const QRegularExpressionMatch match = it.next();
    qsizetype before = match.capturedStart() - 1;
    static const QString marks = QStringLiteral("\"'’”)]}");
    while (before >= 0 && marks.contains(korean[before])) --before;
    bool known = false, in_l = false;
    const bool closed = before >= 0 && closes(korean[before], &known, &in_l);
    const QString both = match.captured();
    QString chosen = both;
    if (both == QStringLiteral("(이)어야"))
      chosen = !known || closed ? QStringLiteral("이어야") : QStringLiteral("여야");
    else if (known && both == QStringLiteral("(으)로"))
      chosen = closed && !in_l ? QStringLiteral("으로") : QStringLiteral("로");
    else if (known)
      chosen = closed ? both.left(1) : both.mid(2, 1);
    text += korean.mid(done, match.capturedStart() - done) + chosen;
    done = match.capturedEnd();
  }
  return text + korean.mid(done);
}

QString engine_text(const std::string& english) {
  return with_particles(catalogue().text(QString::fromStdString(english)));
}

QString engine_place(const std::string& where) {
  return with_particles(catalogue().place_text(QString::fromStdString(where)));
}

QString engine_text(const Error& error) {
  QString text;
  if (!error.where.empty()) text += engine_place(error.where) + QStringLiteral(": ");
  text += engine_text(error.what);
  if (!error.hint.empty()) text += QLatin1Char(' ') + engine_text(error.hint);
  return text;
}

}  // namespace luthier
