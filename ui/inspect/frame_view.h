// SPDX-License-Identifier: GPL-3.0-or-later
// A frame as the tower sees it, with the grid of its patches drawn over it.
#pragma once

#include <QImage>
#include <QWidget>

#include "engine/vision/shown_pixels.h"

namespace luthier {

class FrameView : public QWidget {
  Q_OBJECT

 public:
  FrameView(const ShownFrame& frame, const QString& name, QWidget* parent = nullptr);
  void set_grid(bool on);
  void set_marked(bool on);  ///< its tokens are pointed at
  QSize sizeHint() const override;
  int patches_across() const { return patch_ > 0 ? image_.width() / patch_ : 0; }
  int patches_down() const { return patch_ > 0 ? image_.height() / patch_ : 0; }

 protected:
  void paintEvent(QPaintEvent* event) override;
  void mouseMoveEvent(QMouseEvent* event) override;

 private:
  double scale() const;

  QImage image_;
  int patch_ = 0;
  bool grid_ = true, marked_ = false;
};

}  // namespace luthier
