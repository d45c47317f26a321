// SPDX-License-Identifier: GPL-3.0-or-later
// The head of a column: its name (a click makes it the reference), the size of its weights, an
// adapter's strength as a slider, a cross to drop it.
#pragma once

#include <QFrame>

#include "ui/workspace.h"

class QLabel;
class QSlider;
class QToolButton;

namespace luthier {

class ColumnHead : public QFrame {
  Q_OBJECT

 public:
  /// `adapter` null: the base.
  ColumnHead(const AttachedAdapter* adapter, bool reference, QWidget* parent = nullptr);

 signals:
  void reference_asked();
  void drop_asked();
  void strength_chosen(double strength);

 protected:
  void paintEvent(QPaintEvent* event) override;

 private:
  void add_strength(double strength, const QString& name);
};

}  // namespace luthier
