// SPDX-License-Identifier: GPL-3.0-or-later
// A composition as it is drawn: from the picture downwards a box for each part, and between them
// what goes on, with shapes and token counts. What trains in the chosen stage is filled.
#pragma once

#include <QWidget>

#include "engine/lab/compose/composition.h"

namespace luthier {

class ComposeDrawing : public QWidget {
  Q_OBJECT

 public:
  explicit ComposeDrawing(QWidget* parent = nullptr);
  void set_composition(Composition composition);
  /// −1: none.
  void show_stage(int stage);
  QSize sizeHint() const override;

 protected:
  void paintEvent(QPaintEvent* event) override;

 private:
  bool trains(const ComposedBox& box) const;
  int box_height() const;
  int arrow_height() const;
  void describe();

  Composition composition_;
  int stage_ = -1;
};

}  // namespace luthier
