// SPDX-License-Identifier: GPL-3.0-or-later
// Installing translators and re-applying texts.
#include "ui/language.h"

#include <QCoreApplication>
#include <QEvent>
#include <QFile>
#include <QHash>
#include <QJsonDocument>
#include <QJsonObject>
#include <QLibraryInfo>
#include <QLocale>
#include <QSettings>
#include <QWidget>

namespace luthier {

namespace {

class LanguageHook : public QObject {
 public:
  LanguageHook(QWidget* widget, std::function<void()> apply)
      : QObject(widget), apply_(std::move(apply)) {
    widget->installEventFilter(this);
  }
  bool eventFilter(QObject* watched, QEvent* event) override {
    if (event->type() == QEvent::LanguageChange) apply_();
    return QObject::eventFilter(watched, event);
  }

 private:
  std::function<void()> apply_;
};

}  // namespace

Language& Language::instance() {
  static Language language;
  return language;
}

void Language::choose(const QString& code) {
  const QString chosen =
      code.startsWith(QLatin1String("ko")) ? QStringLiteral("ko") : QStringLiteral("en");
  code_ = chosen;
  QLocale::setDefault(QLocale(chosen == QLatin1String("ko") ? QLocale::Korean : QLocale::English));
  QCoreApplication::removeTranslator(&ours_);
  QCoreApplication::removeTranslator(&qts_);
  if (qts_.load(QStringLiteral("qtbase_") + chosen,
                QLibraryInfo::path(QLibraryInfo::TranslationsPath)))
    QCoreApplication::installTranslator(&qts_);
  if (ours_.load(QStringLiteral(":/i18n/luthier_%1.qm").arg(chosen)))
    QCoreApplication::installTranslator(&ours_);
}

QString Language::preferred() {
  const QString kept = QSettings().value(QStringLiteral("language")).toString();
  return kept.isEmpty() ? QLocale::system().name() : kept;
}

void on_language(QWidget* widget, std::function<void()> apply) {
  apply();
  new LanguageHook(widget, std::move(apply));
}

namespace {

/// The words of kinds (methods, objectives, optimizers) and their settings: one file a language, so
/// that a new kind brings its words along without the window's code knowing them.
const QHash<QString, QString>& kind_words(const QString& code) {
  static QHash<QString, QHash<QString, QString>> read;
  auto known = read.find(code);
  if (known != read.end()) return *known;
  known = read.insert(code, {});
  QFile file(QStringLiteral(":/i18n/kinds_%1.json").arg(code));
  if (!file.open(QIODevice::ReadOnly)) return *known;
  const QJsonObject entries = QJsonDocument::fromJson(file.readAll()).object();
  for (auto entry = entries.begin(); entry != entries.end(); ++entry)
    known->insert(entry.key(), entry.value().toString());
  return *known;
}

}  // namespace

QString recipe_text(const std::string& english) {
  const QString text = QCoreApplication::translate("recipe", english.c_str());
  const QString same = QString::fromStdString(english);
  return text == same ? kind_words(Language::instance().code()).value(same, text) : text;
}
QString state_text(const std::string& english) {
  return QCoreApplication::translate("state", english.c_str());
}
QString progress_text(const std::string& english) {
  return QCoreApplication::translate("progress", english.c_str());
}

}  // namespace luthier
