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

  /// How large words are, beside the usual size; what is shown follows at once. A projector's room
  /// reads from afar: larger words still, and thicker lines.
  static constexpr double kSmallestText = 0.8, kLargestText = 1.6;
  void set_text_scale(double scale);
  double text_scale() const { return text_scale_; }
  void set_projector(bool on);
  bool projector() const { return projector_; }
  /// What a curve's width is multiplied by.
  double line_scale() const { return projector_ ? 1.9 : 1; }

 signals:
  void changed();

 private:
  Theme() = default;
  void apply();
  void watch_system();
  void size_words();

  Choice choice_ = Choice::System;
  bool dark_ = false, system_dark_ = false;
  double text_scale_ = 1, sized_ = 1;  ///< sized_: what the fonts in use were made with
  bool projector_ = false;
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

/// A length that goes with the size of words (a bar's height), in pixels.
int scaled_length(int usual);

/// Body text in a given relative size; figures of the chosen families are all of one width.
QFont scaled_font(double factor, bool bold = false);
QFont code_font(double factor = 1.0);

}  // namespace luthier
