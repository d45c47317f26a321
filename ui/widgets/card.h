// SPDX-License-Identifier: GPL-3.0-or-later
// A card: a titled area with a 1 px line and a radius of 8. Cards hold content, never other cards.
#pragma once

#include <QFrame>
#include <QVBoxLayout>

class QHBoxLayout;
class QLabel;

namespace luthier {

class Card : public QFrame {
  Q_OBJECT

 public:
  explicit Card(QWidget* parent = nullptr);
  /// Where content goes, below the title.
  QVBoxLayout* body() const { return body_; }
  /// The title's row, for controls at its right end.
  QHBoxLayout* head() const { return head_; }
  void set_title(const QString& title);

 protected:
  void paintEvent(QPaintEvent* event) override;

 private:
  QVBoxLayout* body_;
  QHBoxLayout* head_;
  QLabel* title_;
};

/// Text in the muted colour, wrapped and selectable; follows the theme.
QLabel* muted_label(QWidget* parent, double size = 0.9);
/// Selectable text.
QLabel* text_label(QWidget* parent, bool wrap = false);

/// What lies at the left of the parent, and no wider than lines can be followed.
QWidget* readable_column(QWidget* parent);

}  // namespace luthier
