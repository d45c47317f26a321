// SPDX-License-Identifier: GPL-3.0-or-later
// Light and dark: one palette each, following the system until a person chooses. Series use the
// Okabe-Ito colours, which people with any colour vision tell apart; what a colour says is always
// said in words or marks too.
#pragma once

#include <QColor>
#include <QFont>
#include <QIcon>
#include <QObject>
#include <array>

class QAbstractButton;
class QApplication;
class QWidget;

namespace luthier {

struct Colours {
  QColor window, card, line, text, muted, accent, on_accent, field, warning, error, good;
  std::array<QColor, 8> series;  ///< Okabe-Ito, the readable ones first
  /// Memory parts in the order of the forecast card: weights, adapter, gradients, optimizer,
  /// activations, workspace, a card's context, libraries and fragmentation, what recorded steps
  /// keep.
  std::array<QColor, 10> parts;
};

class Theme : public QObject {
  Q_OBJECT

 public:
  enum class Choice { System, Light, Dark };

  static Theme& instance();
  /// Sets Fusion, the fonts and the palette. Call once, after QApplication is made.
  void install(Choice choice);
  void choose(Choice choice);
  Choice choice() const { return choice_; }
  bool dark() const { return dark_; }
  const Colours& colours() const { return colours_; }

 signals:
  void changed();

 private:
  Theme() = default;
  void apply();
  void watch_system();

  Choice choice_ = Choice::System;
  bool dark_ = false, system_dark_ = false;
  Colours colours_;
};

inline const Colours& colours() { return Theme::instance().colours(); }

/// One of resources/icons, drawn in `colour` (the text colour when invalid).
QIcon themed_icon(const QString& name, const QColor& colour = {});
/// Sets the icon now and again whenever the theme changes.
void set_themed_icon(QAbstractButton* button, const QString& name);

/// What a widget's words say by their colour.
enum class Ink { Text, Muted, Warning, Error };
/// The words of a widget in this colour, of the theme of the moment and of every later one. A
/// colour that is taken from colours() once stays as it was when the theme changes.
void set_ink(QWidget* widget, Ink ink);

/// Body text in a given relative size; figures of the chosen families are all of one width.
QFont scaled_font(double factor, bool bold = false);
QFont code_font(double factor = 1.0);

}  // namespace luthier
