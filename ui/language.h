// SPDX-License-Identifier: GPL-3.0-or-later
// English and Korean, switched while the window is open: QTranslator for our texts and Qt's, and a
// hook that re-applies a widget's texts on QEvent::LanguageChange, so that a text is written once,
// beside the widget that shows it.
#pragma once

#include <QObject>
#include <QString>
#include <QTranslator>
#include <functional>

class QWidget;

namespace luthier {

class Language : public QObject {
  Q_OBJECT

 public:
  static Language& instance();
  /// "en" or "ko"; anything else is English.
  void choose(const QString& code);
  const QString& code() const { return code_; }
  /// What the settings or else the system ask for.
  static QString preferred();

 private:
  Language() = default;
  QString code_ = QStringLiteral("en");
  QTranslator ours_, qts_;
};

/// Runs `apply` now and at each change of language, for as long as `widget` lives.
void on_language(QWidget* widget, std::function<void()> apply);

/// Texts of the recipe's fields (labels, help, units, choices), which the engine keeps in English.
QString recipe_text(const std::string& english);
/// A state of a run or the session, as the window says it.
QString state_text(const std::string& english);
/// What long work is at ("loading the weights"), as the window says it.
QString progress_text(const std::string& english);

}  // namespace luthier
