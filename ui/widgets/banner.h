// SPDX-License-Identifier: GPL-3.0-or-later
// Says what happened, to which file, and what to do: where it arose, never in a dialog of its own.
// In a page it floats over the lower right corner, so that nothing moves under the mouse; in a
// dialog it is a line of its layout. It can carry buttons that do the thing to do, and it goes away
// when what it is about does.
#pragma once

#include <QFrame>
#include <QPointer>
#include <array>
#include <functional>
#include <optional>

#include "engine/base/result.h"

class QHBoxLayout;
class QLabel;
class QPushButton;
class QToolButton;

namespace luthier {

class WrappedText;

class Banner : public QFrame {
  Q_OBJECT

 public:
  enum class Kind { Info, Warning, Error };

  explicit Banner(QWidget* parent = nullptr);
  /// Floats over this part of the page instead of the whole.
  void float_over(QWidget* host);
  void show_text(Kind kind, const QString& text);
  void show_error(const Error& error);
  /// A button on the banner; a second one stands beside the first. Cleared by the next show_text.
  void offer(const QString& label, std::function<void()> action);
  /// What the message is about. It is kept until the next show_text; see dismiss_about.
  void set_about(const QString& about) { about_ = about; }
  void dismiss();
  /// The cause is gone: dismissed if the message is about this.
  void dismiss_about(const QString& about);
  QString text() const;

 signals:
  void dismissed();

 protected:
  void paintEvent(QPaintEvent* event) override;
  bool eventFilter(QObject* watched, QEvent* event) override;

 private:
  void restyle();
  bool floats() const;
  /// Takes the banner out of its page's layout, and puts it over the host's lower right corner, or
  /// the upper one when the mouse is there.
  void lift();
  void place();

  Kind kind_ = Kind::Info;
  QString about_;
  std::optional<Error> error_;  ///< said anew when the language changes
  QPointer<QWidget> host_;
  QHBoxLayout* row_;
  QLabel* icon_;
  WrappedText* text_;
  struct Offer {
    QPushButton* button;
    std::function<void()> action;
  };
  std::array<Offer, 2> offers_;
  QToolButton* close_;
  bool above_ = false;
};

}  // namespace luthier
