// SPDX-License-Identifier: GPL-3.0-or-later
// Installing translators and re-applying texts.
#include "ui/language.h"

#include <QCoreApplication>
#include <QEvent>
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

QString recipe_text(const std::string& english) {
  return QCoreApplication::translate("recipe", english.c_str());
}
QString state_text(const std::string& english) {
  return QCoreApplication::translate("state", english.c_str());
}
QString progress_text(const std::string& english) {
  return QCoreApplication::translate("progress", english.c_str());
}

}  // namespace luthier
